# Stands in for nixpkgs: its own flake, with packages from the bench.
{
  inputs.real.url = "path:/nixpkgs";

  outputs =
    { self, real }:
    let
      inherit (real) lib;
      # Written by run.sh.
      kernelVersion = lib.trim (builtins.readFile ./kernel-version);
      kernelMade = lib.trim (builtins.readFile ./kernel-made);

      packages =
        {
          system,
          config ? { },
          overlays ? [ ],
        }:
        let
          plain = import (real + "/pkgs/top-level") {
            localSystem = lib.systems.elaborate system;
            inherit config;
          };
        in
        import (real + "/pkgs/top-level") {
          localSystem = lib.systems.elaborate system;
          inherit config;
          overlays = overlays ++ [
            (import ./packages/packages.nix {
              real = plain;
              firstBoot = ./coder-first-boot;
              # Which installs the boot loader of a disk image.
              # It is compiled for the machine that builds.
              switchToConfiguration =
                if builtins.pathExists ./switch-to-configuration then ./switch-to-configuration else null;
            })
            (import ./image/packages.nix {
              real = plain;
              inherit kernelVersion kernelMade;
            })
          ];
          stdenvStages = import ./packages/stdenv.nix real;
        };

      bench =
        { config, lib, ... }:
        {
          imports = [ ./image/image.nix ];
          _module.args.pkgs = lib.mkForce (packages {
            system = config.nixpkgs.hostPlatform;
            inherit (config.nixpkgs) config overlays;
          });
          # What an image carries as its nixpkgs: this, which is smaller.
          nixpkgs.flake.source = lib.mkForce self.outPath;
        };
    in
    {
      lib = lib.extend (
        _: previous: {
          nixosSystem = args: previous.nixosSystem (args // { modules = args.modules ++ [ bench ]; });
        }
      );
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: packages { inherit system; });
      inherit (real) nixosModules;
    };
}
