# What a machine can say about the source it was built from. Nothing by default:
# a commit alone must not change what is built.
{ config, lib, ... }:
let
  cfg = config.box.source;
  revision = config.system.configurationRevision;

  # The digest in a store path is a hash of the content and the fixed name. As
  # mere text, or everything that shows it would depend on the source.
  digestOf = path: builtins.unsafeDiscardStringContext (builtins.substring 0 32 (baseNameOf path));

  lines =
    lib.optional (cfg.digest != null) "SOURCE=${cfg.digest}"
    ++ lib.optional (cfg.branch != null) "BRANCH=${cfg.branch}"
    ++ lib.optional (revision != null) "REVISION=${revision}";
in
{
  options.box.source = {
    branch = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "main";
      description = ''
        Branch of the source. Set by release builds together with
        {option}`system.configurationRevision` (`cbox --stamp`).
      '';
    };

    baked = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      description = "Source tree to carry at {file}`/etc/nixos-repo`.";
    };

    inputs = lib.mkOption {
      type = lib.types.listOf lib.types.path;
      default = [ ];
      internal = true;
      description = ''
        Sources of the flake's inputs. Beside a baked source they are kept in the
        store, so that it can be evaluated without a network.
      '';
    };

    digest = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      readOnly = true;
      default = if cfg.baked == null then null else digestOf cfg.baked;
      defaultText = lib.literalMD "hash of {option}`box.source.baked`";
      description = "What tells one source from another without a commit.";
    };
  };

  config = {
    environment.etc = {
      "nixos-repo" = lib.mkIf (cfg.baked != null) { source = cfg.baked; };
      "box-release" = lib.mkIf (lines != [ ]) { text = lib.concatLines lines; };
    };
    system.extraDependencies = lib.mkIf (cfg.baked != null) cfg.inputs;
  };
}
