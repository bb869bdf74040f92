# The name of an image's file, with the options of nixpkgs.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.image;
  # It stands in scripts and in URLs.
  name = types.strMatching "[0-9a-zA-Z.+_-]+";
in
{
  options.image = {
    baseName = mkOption {
      type = name;
      default = "${config.networking.hostName}-${config.nixpkgs.hostPlatform.system}";
    };
    extension = mkOption { type = name; };
    fileName = mkOption {
      type = name;
      default = "${cfg.baseName}.${cfg.extension}";
    };
  };
}
