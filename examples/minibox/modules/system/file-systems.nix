# What is mounted where.  A host without a root file system is a live image, which brings its own.
{ config, lib, ... }:
let
  inherit (lib) mkIf mkOption types;

  fileSystem.options = {
    # By label, not by device: it boots whatever the drive is called there.
    label = mkOption { type = types.strMatching "[A-Za-z0-9_-]+"; };
    fsType = mkOption { type = types.enum [ "ext4" "vfat" ]; };
  };

  cfg = config.fileSystems;
in
{
  options.fileSystems = mkOption {
    type = types.attrsOf (types.submodule fileSystem);
    default = { };
  };

  config = {
    environment.etc.fstab.text = lib.concatMapStrings (
      place: "LABEL=${cfg.${place}.label} ${place} ${cfg.${place}.fsType} defaults 0 0\n"
    ) (builtins.attrNames cfg);

    boot.kernelParams = mkIf (cfg ? "/") [ "root=LABEL=${cfg."/".label}" "rw" ];
  };
}
