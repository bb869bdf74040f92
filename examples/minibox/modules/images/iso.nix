# system.build.isoImage: a live image, for a CD or a USB stick, whose state is gone on reboot.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault mkOption types;

  inherit (config.system) build;
  cfg = config.isoImage;
in
{
  imports = [
    ./file-name.nix
    ./grub.nix
  ];

  options.isoImage = {
    # The older door to image.fileName.
    isoName = mkOption {
      type = types.strMatching "[0-9a-zA-Z.+_-]+";
      default = "${config.image.baseName}.iso";
    };
    volumeID = mkOption {
      type = types.strMatching "[0-9A-Z_]{1,32}"; # ISO 9660 allows no others
      default = "BOX_ISO";
    };
  };

  config = {
    image.extension = "iso";
    image.fileName = mkDefault cfg.isoName;

    boot.loader.grub.initrds = [
      "/boot/initrd"
      "/live/root.img"
    ];

    system.build.squashfs =
      pkgs.runCommand "root.squashfs" { inherit (build) rootTree; }
        ''
          mksquashfs $rootTree $out -noappend -all-root -no-xattrs -no-progress \
            -comp zstd -Xcompression-level 19 -processors 2 >&2
        '';

    system.build.isoImage = pkgs.runCommand config.image.fileName (
      build.grub.environment
      // {
        inherit (build) squashfs toplevel;
        inherit (build.grub) biosParts menu;
        inherit (config.image) fileName;
        inherit (cfg) volumeID;
      }
    ) (build.grub.functions + builtins.readFile ./build-iso.sh);
  };
}
