# The module for flake-parts: hosts by folder become `nixosConfigurations`.
{
  config,
  lib,
  inputs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.cbox.hosts;
  library = import ./lib;
in
{
  _class = "flake";

  options.cbox.hosts = {
    directory = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./hosts";
      description = ''
        Folder of hosts. Each of its folders that holds a {file}`default.nix` becomes an
        entry of {option}`flake.nixosConfigurations`. Those whose name begins with `_` are
        built into images only, and get an entry more for each of {option}`cbox.hosts.systems`.
        With `null` there are none.
      '';
    };

    modules = mkOption {
      type = types.listOf types.deferredModule;
      default = [ ];
      example = lib.literalExpression "[ ./modules inputs.disko.nixosModules.disko ]";
      description = "NixOS modules of every host.";
    };

    specialArgs = mkOption {
      type = types.lazyAttrsOf types.raw;
      default = { };
      example = lib.literalExpression "{ inherit inputs; }";
      description = "Arguments of every NixOS module, which `imports` may use too.";
    };

    systems = mkOption {
      type = types.either (types.listOf types.str) (types.functionTo (types.listOf types.str));
      default = lib.filter (lib.hasSuffix "-linux") config.systems;
      defaultText = lib.literalMD "those of {option}`systems` that are Linux";
      example = lib.literalExpression ''host: if host == "_pi" then [ "aarch64-linux" ] else config.systems'';
      description = ''
        Systems that image hosts are built for: a list, or a function from the name of an
        image host to one.
      '';
    };

    nixosSystem = mkOption {
      type = types.raw;
      default =
        inputs.nixpkgs.lib.nixosSystem
          or (throw "cbox.hosts.nixosSystem is not set, and the flake has no input `nixpkgs` whose it could be.");
      defaultText = lib.literalExpression "inputs.nixpkgs.lib.nixosSystem";
      description = "What makes a host of its modules.";
    };
  };

  config.flake.nixosConfigurations = lib.mkIf (cfg.directory != null) (
    library.hosts.configurations {
      inherit (cfg)
        directory
        modules
        nixosSystem
        specialArgs
        systems
        ;
    }
  );
}
