# The live image: a squashfs with a tmpfs over it. All state is gone on reboot.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
{
  imports = [
    (modulesPath + "/installer/cd-dvd/iso-image.nix")
    ./turn-key.nix
  ];

  isoImage = {
    volumeID = "CODER_BOX_APPLIANCE";
    appendToMenuLabel = " - Coder Box Appliance";
    makeEfiBootable = true;
    makeUsbBootable = true;
    # There is no BIOS on other architectures, and no syslinux for them.
    makeBiosBootable = pkgs.stdenv.hostPlatform.isx86;
  };

  # The image brings its own loaders. A live system must not write to the
  # machine's EFI variables, nor rebuild a boot partition that it does not have.
  boot.loader.systemd-boot.enable = lib.mkForce false;
  boot.loader.efi.canTouchEfiVariables = lib.mkForce false;

  assertions = [
    {
      assertion = config.hardware.facter.reportPath == null;
      message = ''
        hardware.facter.reportPath is set on a live image, which must run on any
        machine: remove facter.json from this image host.
      '';
    }
  ];
}
