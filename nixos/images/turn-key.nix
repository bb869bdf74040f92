# What turns a host into an image that runs on a machine nobody has seen: every
# driver, the source it was built from, and a desktop that is there at once.
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
    source.baked = import ../lib/baked-source.nix { inherit lib; } ../..;
  };

  hardware.enableRedistributableFirmware = true;

  # The nixpkgs that an image was built from is in its registry and NIX_PATH.
  # nixpkgs' flake does that by default; here it is a promise.
  nixpkgs.flake = {
    setFlakeRegistry = true;
    setNixPath = true;
  };

  image.baseName = lib.mkForce "coder-box-appliance-${pkgs.stdenv.hostPlatform.system}";

  services.getty.helpLine = "Source of this image: ${config.box.source.digest}";
}
