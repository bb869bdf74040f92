# What holds for every host, whatever it runs.
{ config, lib, ... }:
let
  supported = import ../../lib/systems.nix;
  inherit (config.nixpkgs.hostPlatform) system;
in
{
  # Between `mkDefault` (1000), where an install host's folder name is set, and
  # `mkOptionDefault` (1500), where nixpkgs puts its own "nixos".
  networking.hostName = lib.mkOverride 1250 "coder-box";

  nixpkgs = {
    # The weakest there is, so that a hardware report (`mkDefault`), a host or an
    # override from the command line wins without `mkForce`.
    hostPlatform = lib.mkOptionDefault "x86_64-linux";

    # Looked at before the first package. As an assertion it would come too late:
    # some package is not there for another system and fails with worse words.
    overlays = lib.throwIfNot (lib.elem system supported) (
      "nixpkgs.hostPlatform is ${system}, but The Box is made for "
      + "${lib.concatStringsSep " and " supported} only."
    ) [ ];
  };

  # `nixos-rebuild --flake` on the machine itself.
  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];
}
