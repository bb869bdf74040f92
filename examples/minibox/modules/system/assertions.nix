# Conditions that a configuration has to meet; toplevel.nix and root-tree.nix check them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.assertions = mkOption {
    type = types.listOf (types.attrsOf types.anything);
    default = [ ];
    # [ { assertion = false; message = "You cannot have both."; } ]
  };
}
