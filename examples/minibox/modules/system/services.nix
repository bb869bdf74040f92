# systemd.services -> /etc/systemd/system/<name>.service, with a script that it starts.
#
# There is no systemd here: /etc/rc reads these files and runs each once, in the order of their names.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  service.options = {
    description = mkOption {
      type = types.strMatching "[^\n]*";
      default = "";
    };
    environment = mkOption {
      # The value stands between quotes in one line of the unit.
      type = types.attrsOf (types.strMatching "[^\"\n]*");
      default = { };
    };
    script = mkOption { type = types.lines; };
  };

  scriptPath = name: "systemd/scripts/${name}-start";

  unitText =
    name: service:
    ''
      [Unit]
      Description=${service.description}

      [Service]
      Type=oneshot
    ''
    + lib.concatMapStrings (variable: ''
      Environment="${variable}=${service.environment.${variable}}"
    '') (builtins.attrNames service.environment)
    # Not the script's store path: the root tree of a mini box is a copy, without a /nix/store.
    + "ExecStart=/etc/${scriptPath name}\n";

  entriesOf = name: service: {
    "systemd/system/${name}.service".source =
      pkgs.writeText "unit-${name}.service" (unitText name service);
    ${scriptPath name}.source = pkgs.writeScript "unit-script-${name}-start" (
      "#!/bin/sh -eu\n" + service.script
    );
  };
in
{
  options.systemd.services = mkOption {
    type = types.attrsOf (types.submodule service);
    default = { };
  };

  config.environment.etc = lib.mkMerge (lib.mapAttrsToList entriesOf config.systemd.services);
}
