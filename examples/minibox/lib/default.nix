# The library: each file is a function of the whole, so that they can use one another.
let
  files = [
    ./utilities.nix
    ./properties.nix
    ./assertions.nix
    ./definitions.nix
    ./types.nix
    ./modules.nix
    ./nixos-system.nix
    ./hosts.nix
  ];
  lib = builtins.foldl' (merged: file: merged // import file lib) { } files;
in
lib
