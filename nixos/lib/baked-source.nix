# The part of this repository that an image carries at `/etc/nixos-repo`.
#
# An allow-list, so that a file nobody thought of stays out. `builtins.path`
# under a fixed name makes the result depend on the content of these files
# alone: neither the name of the checkout nor any metadata of the flake enters,
# and baking the baked tree once more gives the same store path.
{ lib }:
root:
let
  inherit (import ./source-filter.nix { inherit lib; }) isLocal isProduct;

  allowed = [
    "flake.nix"
    "flake.lock"
    "hosts"
    "nixos"
    "packages"
    "coderd"
  ];

  keep =
    path: type:
    let
      relative = lib.removePrefix "${toString root}/" path;
      top = lib.head (lib.splitString "/" relative);
      name = baseNameOf path;
    in
    lib.elem top allowed && type != "unknown" && !isLocal name && !isProduct name;
in
builtins.path {
  path = root;
  name = "box-source";
  filter = keep;
}
