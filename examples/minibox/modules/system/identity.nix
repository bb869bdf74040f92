# What a host is called, and which version of what it is.
{ config, lib, ... }:
let
  inherit (lib) mkIf mkOption optionalString types;

  inherit (config.system) configurationBranch configurationRevision;
  inherit (config.system.nixos) distroName version;
in
{
  options = {
    networking.hostName = mkOption {
      # It is a part of file names and of derivation names too.
      type = types.strMatching "[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?";
      default = "nixos";
    };
    system = {
      nixos.distroName = mkOption {
        type = types.str;
        default = "Mini box";
      };
      nixos.version = mkOption {
        type = types.strMatching "[0-9a-zA-Z.+_-]+";
        default = "1.0";
      };
      # Null unless someone asks for a stamp: a revision in a derivation makes every commit a rebuild.
      configurationRevision = mkOption {
        type = types.nullOr types.str;
        default = null;
      };
      configurationBranch = mkOption {
        type = types.nullOr types.str;
        default = null;
      };
    };
  };

  config.environment.etc = {
    hostname.text = config.networking.hostName + "\n";
    os-release.text = ''
      NAME="${distroName}"
      PRETTY_NAME="${distroName} ${version}"
      ID=coder-box
      VERSION_ID=${version}
    '';
    box-revision = mkIf (configurationRevision != null || configurationBranch != null) {
      text =
        optionalString (configurationRevision != null) "revision ${configurationRevision}\n"
        + optionalString (configurationBranch != null) "branch ${configurationBranch}\n";
    };
  };
}
