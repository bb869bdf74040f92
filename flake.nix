{
  description = "The Box: a NixOS machine that comes up as a Coder demo and workshop server";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    disko.url = "github:nix-community/disko";
    disko.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      self,
      nixpkgs,
      disko,
    }:
    let
      inherit (nixpkgs) lib;
      box = import ./nixos { inherit lib disko; };

      forEachSystem = f: lib.genAttrs box.systems (system: f nixpkgs.legacyPackages.${system});
    in
    {
      nixosConfigurations = box.hosts.configurations ./hosts;

      nixosModules = box.modules;

      # For other flakes. These need no input, so whoever uses them fetches none of ours.
      lib = import ./nixos/lib;
      flakeModules.default = ./nixos/flake-module.nix;
      flakeModule = ./nixos/flake-module.nix;
      # Not there in the source that cbox stages, or that an image carries.
      templates = if builtins.pathExists ./templates then import ./templates else { };

      overlays.default = import ./packages;

      packages = forEachSystem (
        pkgs:
        let
          packages = import ./packages pkgs pkgs;
        in
        packages // lib.optionalAttrs (packages ? cbox) { default = packages.cbox; }
      );

      apps = forEachSystem (
        pkgs:
        let
          inherit (pkgs.stdenv.hostPlatform) system;
        in
        lib.optionalAttrs (self.packages.${system} ? cbox) rec {
          default = cbox;
          cbox = {
            type = "app";
            program = lib.getExe self.packages.${system}.cbox;
            meta.description = "Builds, checks, explains and boots the images of this flake";
          };
        }
      );

      devShells = forEachSystem (pkgs: {
        default = import ./packages/dev-shell.nix { inherit pkgs; };
      });

      # `nix fmt` formats every Nix file below the folder it is given.
      formatter = forEachSystem (pkgs: pkgs.nixfmt-tree);

      checks = forEachSystem (
        import ./nixos/tests {
          inherit lib box;
          inherit (self) nixosConfigurations;
        }
      );
    };
}
