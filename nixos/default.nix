# The Box for `flake.nix`: its modules, systems and hosts. What is of use to any flake is in
# `lib`.
{ lib, disko }:
let
  library = import ./lib;
  modules = import ./modules { inherit disko; };

  # The systems an image is made for, and the only ones a host may have.
  systems = import ./systems.nix;

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
in
{
  inherit modules systems;

  hosts = library.hosts // {
    configurations =
      directory:
      library.hosts.configurations {
        inherit directory systems;
        nixosSystem = arguments: supported (lib.nixosSystem arguments);
        modules = [ modules.default ];
      };
  };

  bakedSource = import ./box-source.nix;
}
