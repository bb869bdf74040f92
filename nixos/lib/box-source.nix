# The part of this repository that The Box's images carry.
root:
(import ./baked-source.nix).bake {
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
