# The type of settings that several units share. They are merged into a unit as
# systemd's own options are, so that two of them that disagree are an error and
# lists add up; a plain `//` would let the last one win in silence.
{ lib, utils }:
let
  inherit (lib) mkOption types;
in
types.submodule {
  options = {
    environment = mkOption {
      type =
        with types;
        attrsOf (
          nullOr (oneOf [
            str
            path
            package
          ])
        );
      default = { };
      description = "Environment variables of the program.";
    };

    serviceConfig = mkOption {
      type = types.attrsOf utils.systemdUtils.unitOptions.unitOption;
      default = { };
      description = "Options of the section `[Service]`.";
    };
  };
}
