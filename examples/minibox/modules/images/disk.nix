# system.build.diskoImages: a disk with the shared layout, whose state lasts.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (builtins) elemAt fromJSON match;
  inherit (lib) mkOption types;

  inherit (config.system) build;
  inherit (config.disko.devices.disk.main) imageSize;
  inherit (config.disko.imageBuilder) imageFormat;
  host = config.nixpkgs.hostPlatform;

  mebibyte = 1024 * 1024;
  units = {
    M = 1;
    G = 1024;
    T = 1024 * 1024;
  };
  sizePattern = "([1-9][0-9]{0,5})([MGT])";
  sizeParts = match sizePattern imageSize;
  sizeInMiB = fromJSON (elemAt sizeParts 0) * units.${elemAt sizeParts 1};

  # All in MiB, which is every drive's favourite alignment.
  espStart = 1;
  espSize = 128;
  rootStart = espStart + espSize;
  rootSize = sizeInMiB - rootStart - 1; # the last one is for the copy of the partition table
  headroom = 64; # free space that a fresh image has at least
  smallest = rootStart + 1 + 2 * headroom;

  # From the specification of discoverable partitions.
  rootType =
    if host.isx86_64 then
      "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
    else
      "B921B045-1DF0-41C3-AF44-4C6F280D3FAE";
in
{
  imports = [
    ../disk-layout.nix
    ./file-name.nix
    ./grub.nix
  ];

  options.disko = {
    imageBuilder.imageFormat = mkOption {
      type = types.enum [
        "raw"
        "qcow2"
      ];
      default = "raw";
    };
    devices.disk.main.imageSize = mkOption {
      type = types.strMatching sizePattern;
      default = "512M";
    };
  };

  config = {
    image.extension = imageFormat;

    fileSystems."/".label = "appliance-root";
    fileSystems."/boot".label = "APPL_ESP";

    boot.loader.grub.initrds = [ "/boot/initrd" ];

    assertions = [
      {
        assertion = sizeInMiB >= smallest;
        message =
          "disko.devices.disk.main.imageSize is ${imageSize}, but the disk image needs "
          + "${toString smallest}M at least: ${toString espSize}M for the EFI system partition, "
          + "the rest for the root and its headroom.";
      }
    ];

    system.build.diskoImages = pkgs.runCommand "disko-images" (
      build.grub.environment
      // {
        inherit (build) rootTree toplevel;
        inherit (build.grub) menu;
        inherit (config.image) fileName;
        inherit
          espSize
          espStart
          headroom
          imageFormat
          mebibyte
          rootSize
          rootStart
          rootType
          sizeInMiB
          ;
        espLabel = config.fileSystems."/boot".label;
        rootLabel = config.fileSystems."/".label;

        # Else it would be that of the machine, or none.
        MKE2FS_CONFIG = "${pkgs.toolsRoot}/etc/mke2fs.conf";
        E2FSPROGS_FAKE_TIME = "315532800";
        MTOOLS_SKIP_CHECK = "1";
      }
    ) (build.grub.functions + builtins.readFile ./build-disk.sh);
  };
}
