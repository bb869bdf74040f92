# What holds for every host, whatever it runs.
{ lib, ... }:
{
  # Between `mkDefault` (1000), where an install host's folder name is set, and
  # `mkOptionDefault` (1500), where nixpkgs puts its own "nixos".
  networking.hostName = lib.mkOverride 1250 "coder-box";

  # The weakest there is, so that a hardware report (`mkDefault`), a host or an
  # override from the command line wins without `mkForce`.
  nixpkgs.hostPlatform = lib.mkOptionDefault "x86_64-linux";

  # `nixos-rebuild --flake` on the machine itself.
  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];
}
