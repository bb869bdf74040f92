# A host of the project, evaluated by nixpkgs' own module system over packages
# that come from Debian. The flake of the project is read as it is; its inputs
# are folders, and nothing is locked.
{
  nixpkgs,
  disko,
  project,
  host ? "coder-thinkcentre",
  machine ? ./container.nix,
  modules ? [ ],
  # The folder of what cargo made: coder-first-boot, and perhaps a switch-to-configuration.
  compiled ? null,
}:
let
  flakeOf =
    folder: inputs:
    let
      self =
        (import "${toString folder}/flake.nix").outputs (inputs // { inherit self; })
        // {
          outPath = folder;
          lastModifiedDate = "20260101000000";
          shortRev = "bench";
          inherit inputs;
        };
    in
    self;

  lib = import (nixpkgs + "/lib");
  nixpkgsFlake = flakeOf nixpkgs { };
  # Images carry it, so it has to be in the store; nixpkgs would fit, but takes long.
  diskoFlake = flakeOf (builtins.path {
    path = disko;
    name = "source";
  }) { nixpkgs = nixpkgsFlake; };
  flake = flakeOf project {
    nixpkgs = nixpkgsFlake;
    disko = diskoFlake;
  };

  switchToConfiguration = compiled + "/switch-to-configuration";
  canSwitch = compiled != null && builtins.pathExists switchToConfiguration;

  system = flake.nixosConfigurations.${host}.extendModules {
    modules = [
      ./started.nix
      machine
      { system.switch.enable = lib.mkForce canSwitch; }
    ]
    ++ modules
    ++ [
      (
        { config, lib, ... }:
        {
          _module.args.pkgs = lib.mkForce (
            import (nixpkgs + "/pkgs/top-level") {
              localSystem = config.nixpkgs.hostPlatform;
              inherit (config.nixpkgs) config;
              overlays = config.nixpkgs.overlays ++ [
                (import ../packages/packages.nix {
                  firstBoot = compiled + "/coder-first-boot";
                  switchToConfiguration = if canSwitch then switchToConfiguration else null;
                  real = import (nixpkgs + "/pkgs/top-level") {
                    localSystem = config.nixpkgs.hostPlatform;
                    inherit (config.nixpkgs) config;
                  };
                })
              ];
              stdenvStages = import ../packages/stdenv.nix nixpkgs;
            }
          );
        }
      )
    ];
  };
in
{
  inherit flake system;
  inherit (system) config pkgs;
  inherit (system.config.system.build) toplevel;
}
