# What turns a host into an image that runs on a machine nobody has seen: every
# driver, the source it was built from, and a desktop that is there at once. It may
# be virtual, so the guests' side of QEMU and SPICE is there too. The console stays
# what the kernel finds: a serial one is asked for from outside (see docs/the-box.md).
# Coder's first user comes with `box.enable`, as on an installed machine.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
{
  imports = [
    (modulesPath + "/image/file-options.nix")
    (modulesPath + "/profiles/all-hardware.nix")
  ];

  box = {
    enable = true;
    desktop.autologin = lib.mkDefault true;
    # What is small beside the image; the rest is the owner's choice (`box.offline.enable`).
    offline.kubernetes.enable = lib.mkDefault config.box.k3s.enable;
    offline.tools.enable = lib.mkDefault config.box.templates.enable;
    source.baked = import ../box-source.nix ../..;
  };

  hardware = {
    enableRedistributableFirmware = true;
    # Whichever of the two it turns out to be.
    cpu = lib.mkIf pkgs.stdenv.hostPlatform.isx86 {
      amd.updateMicrocode = true;
      intel.updateMicrocode = true;
    };
  };

  # Both wait for the port that a virtual machine has for them.
  services.qemuGuest.enable = true;
  services.spice-vdagentd.enable = true;
  systemd.services.spice-vdagentd.unitConfig.ConditionPathExists =
    "/dev/virtio-ports/com.redhat.spice.0";

  # The nixpkgs that an image was built from is in its registry and NIX_PATH.
  # nixpkgs' flake does that by default; here it is a promise.
  nixpkgs.flake = {
    setFlakeRegistry = true;
    setNixPath = true;
  };

  image.baseName = lib.mkForce "coder-box-appliance-${pkgs.stdenv.hostPlatform.system}";

  services.getty.helpLine = "Source of this image: ${config.box.source.digest}";
}
