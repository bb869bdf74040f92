# A hardware report, as nixos-facter writes it: of it the mini box takes the architecture.
{ config, lib, ... }:
let
  inherit (lib) mkDefault mkIf mkOption types;

  inherit (config.hardware.facter) reportPath;
  report = builtins.fromJSON (builtins.readFile reportPath);
in
{
  options.hardware.facter.reportPath = mkOption {
    type = types.nullOr types.path;
    default = null;
  };

  config = mkIf (reportPath != null) {
    nixpkgs.hostPlatform = mkDefault report.system;
    environment.etc."facter-system".text = report.system + "\n";
  };
}
