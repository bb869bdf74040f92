# The part of this repository that The Box's images carry.
root:
(import ./lib).source.bake {
  name = "box-source";
  inherit root;
  topLevel = [
    "flake.nix"
    "flake.lock"
    "hosts"
    "nixos"
    "packages"
    "coderd"
  ];
}
