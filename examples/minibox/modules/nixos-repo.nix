# The source of this very system, inside it: at /etc/nixos-repo, with its hash beside it.
{ lib, ... }:
let
  source = lib.bakeSource ../.;
in
{
  environment.etc = {
    nixos-repo.source = source;
    # The hash part of the store path: the third word of the marker line on the console.
    "nixos-repo.hash".text = lib.storeHash source + "\n";
  };
}
