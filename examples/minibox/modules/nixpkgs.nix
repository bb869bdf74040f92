# What a host runs on, what it is built on, and `pkgs` to build it with.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;

  # As in nixpkgs: "x86_64-linux", or a set with a `system`.
  platform = types.either types.str (types.attrsOf types.anything);
  elaborate =
    given:
    let
      system = given.system or given;
    in
    {
      inherit system;
      linuxArch = builtins.head (builtins.split "-" system);
      isx86_64 = system == "x86_64-linux";
      isAarch64 = system == "aarch64-linux";
    };

  cfg = config.nixpkgs;
in
{
  options.nixpkgs = {
    hostPlatform = mkOption {
      type = platform;
      apply = elaborate;
    };
    # Cross-building is free here: nothing of the target is ever run, it is only put together.
    buildPlatform = mkOption {
      type = platform;
      default = cfg.hostPlatform.system;
      apply = elaborate;
    };
  };

  config._module.args.pkgs = import ../lib/debian {
    lock = builtins.fromJSON (builtins.readFile ../debs.lock.json);
    buildSystem = cfg.buildPlatform.system;
  };
}
