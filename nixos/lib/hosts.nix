# Every folder below `hosts/` that holds a `default.nix` is a host, so a new
# host is a new folder and no edit of `flake.nix`.
#
# A host whose folder begins with `_` exists only to be built into an image, for
# every system. Beside the host itself, which is for the system of its settings,
# stands one attribute a system, such as `_appliance-disk-aarch64-linux`: what plain
# Nix builds, and what a machine that runs the image rebuilds itself from. Those are
# no hosts of their own.
{ lib, module }:
let
  systems = import ./systems.nix;

  # It keeps the central default name, because a machine made from an image is no
  # longer that folder.
  isImage = lib.hasPrefix "_";

  names =
    directory:
    let
      isHost = name: type: type == "directory" && lib.pathExists (directory + "/${name}/default.nix");
    in
    lib.attrNames (lib.filterAttrs isHost (builtins.readDir directory));

  # What belongs to one machine and is ignored by git: the owner's settings and
  # the report of `nixos-facter`. Both are optional.
  localSettings =
    folder:
    lib.optional (lib.pathExists (folder + "/local.nix")) (folder + "/local.nix")
    ++ lib.optional (lib.pathExists (folder + "/facter.json")) {
      hardware.facter.reportPath = folder + "/facter.json";
    };

  # The system is looked at before the first package, also behind `extendModules`.
  # An assertion would come too late: some package is not there for another system,
  # and fails with worse words.
  supported =
    evaluated:
    let
      inherit (evaluated.config.nixpkgs.hostPlatform) system;
    in
    lib.throwIfNot (lib.elem system systems)
      "nixpkgs.hostPlatform is ${system}, but The Box is made for ${lib.concatStringsSep " and " systems} only."
      (
        evaluated
        // {
          extendModules = arguments: supported (evaluated.extendModules arguments);
        }
      );

  configuration =
    directory: name: modules:
    let
      folder = directory + "/${name}";
    in
    supported (
      lib.nixosSystem {
        modules = [
          module
          folder
        ]
        ++ localSettings folder
        ++ lib.optional (!isImage name) { networking.hostName = lib.mkDefault name; }
        ++ modules;
      }
    );

  # The attributes of one host.
  attributes =
    directory: name:
    let
      forSystem =
        system:
        lib.nameValuePair "${name}-${system}" (
          configuration directory name [ { nixpkgs.hostPlatform = lib.mkForce system; } ]
        );
    in
    [ (lib.nameValuePair name (configuration directory name [ ])) ]
    ++ lib.optionals (isImage name) (map forSystem systems);
in
{
  inherit isImage names;

  configurations =
    directory: lib.listToAttrs (lib.concatMap (attributes directory) (names directory));
}
