# Every folder below `hosts/` that holds a `default.nix` is a host, so a new
# host is a new folder and no edit of `flake.nix`.
{ lib, module }:
directory:
let
  isHost = name: type: type == "directory" && lib.pathExists (directory + "/${name}/default.nix");

  # `_name` exists only to be built into an image; it keeps the central default
  # name, because a machine made from an image is no longer that folder.
  isImage = lib.hasPrefix "_";

  # What belongs to one machine and is ignored by git: the owner's settings and
  # the report of `nixos-facter`. Both are optional.
  localSettings =
    folder:
    lib.optional (lib.pathExists (folder + "/local.nix")) (folder + "/local.nix")
    ++ lib.optional (lib.pathExists (folder + "/facter.json")) {
      hardware.facter.reportPath = folder + "/facter.json";
    };

  configuration =
    name:
    let
      folder = directory + "/${name}";
    in
    lib.nixosSystem {
      modules = [
        module
        folder
      ]
      ++ localSettings folder
      ++ lib.optional (!isImage name) { networking.hostName = lib.mkDefault name; };
    };
in
lib.mapAttrs (name: _: configuration name) (lib.filterAttrs isHost (builtins.readDir directory))
