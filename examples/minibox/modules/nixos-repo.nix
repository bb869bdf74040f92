# The source of this very system, inside it: at /etc/nixos-repo, with its hash beside it.
{ lib, ... }:
let
  # The result holds all that evaluation reads, so an installed box arrives at the same derivations
  # as the repository, and a change of the README, of cbox.toml or of .gitignore builds nothing again.
  source = (import ../lib/baked-source.nix).bake {
    name = "nixos-repo";
    root = ../.;
    topLevel = [
      "debs.lock.json"
      "flake.lock"
      "flake.nix"
      "hosts"
      "lib"
      "modules"
    ];
  };
in
{
  environment.etc = {
    nixos-repo.source = source;
    # The hash part of the store path: the third word of the marker line on the console.
    "nixos-repo.hash".text = lib.storeHash source + "\n";
  };
}
