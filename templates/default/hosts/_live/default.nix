# An image host: `_` says that it never runs as itself, and is only built into images. This one is
# a live system with NixOS' installer, for a USB stick.
{ lib, modulesPath, ... }:
{
  imports = [ (modulesPath + "/installer/cd-dvd/installation-cd-minimal.nix") ];

  # Unless another is asked for: `cbox live iso aarch64`.
  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";

  system.stateVersion = "26.05";
}
