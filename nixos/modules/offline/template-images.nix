# The container images that templates name, read from their text: a list beside it would
# be forgotten. An image is written with its registry and a tag, in quotes.
{ lib }:
directory:
let
  image = "[a-z0-9-]+(\\.[a-z0-9-]+)+(/[a-z0-9._-]+)+:[A-Za-z0-9._-]+";

  folders = lib.filterAttrs (_: type: type == "directory") (builtins.readDir directory);

  imagesOf =
    name:
    let
      text = builtins.readFile (directory + "/${name}/main.tf");
    in
    {
      # What runs it.
      by = if lib.hasInfix "resource \"kubernetes_" text then "kubernetes" else "podman";
      images = map lib.head (lib.filter lib.isList (builtins.split "\"(${image})\"" text));
    };

  all = map imagesOf (lib.attrNames folders);
  by = which: lib.unique (lib.concatMap (one: lib.optionals (one.by == which) one.images) all);
in
{
  kubernetes = by "kubernetes";
  podman = by "podman";
}
