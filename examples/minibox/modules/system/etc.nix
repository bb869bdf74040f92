# environment.etc -> /etc
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  entry = {
    options = {
      text = mkOption {
        type = types.nullOr types.lines;
        default = null;
      };
      # A store path, instead of a text.
      source = mkOption {
        type = types.nullOr types.path;
        default = null;
      };
      # Not a full mode: the Nix store keeps no other bit of it.
      executable = mkOption {
        type = types.bool;
        default = false;
      };
    };
  };

  # A derivation for each file, so that a change of one is a change of one.
  sourceOf =
    name: entry:
    let
      write = if entry.executable then pkgs.writeScript else pkgs.writeText;
    in
    if entry.source != null then entry.source else write "etc-${baseNameOf name}" entry.text;

  entries = config.environment.etc;

  checksOf = name: [
    {
      assertion = builtins.match "[0-9a-zA-Z/._+-]+" name != null;
      message = "environment.etc.${builtins.toJSON name} is no name for a file in an image.";
    }
    {
      assertion = entries.${name}.text != null || entries.${name}.source != null;
      message = "environment.etc.${builtins.toJSON name} has neither a text nor a source.";
    }
  ];
in
{
  options.environment.etc = mkOption {
    type = types.attrsOf (types.submodule entry);
    default = { };
  };

  config = {
    assertions = builtins.concatMap checksOf (builtins.attrNames entries);

    system.build.etc = pkgs.runCommand "etc" { } (
      "mkdir -p $out\n"
      + lib.concatMapStrings (name: ''
        mkdir -p $out/$(dirname ${name})
        cp -r ${sourceOf name entries.${name}} $out/${name}
      '') (builtins.attrNames entries)
    );
  };
}
