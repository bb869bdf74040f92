# The one disk layout, of installed machines and of disk images: GPT, an EFI
# system partition and ext4 on the rest. No swap partition, see `zram`.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.box.diskLayout;
  isIso = options ? isoImage;
in
{
  options.box.diskLayout = {
    enable = lib.mkEnableOption "the standard disk layout";

    device = lib.mkOption {
      type = lib.types.str;
      default = "/dev/nvme0n1";
      description = ''
        Drive that `disko` partitions. It counts at installation only: the
        installed system finds its file systems by label.
      '';
    };

    labelPrefix = lib.mkOption {
      type = lib.types.strMatching "[A-Z]{1,6}";
      default = "BOX";
      description = ''
        First part of the labels of partitions and file systems. Disk images
        use another one, so that a stick in an installed machine never mounts
        the wrong root.
      '';
    };

    espMiB = lib.mkOption {
      type = lib.types.ints.positive;
      default = 1024;
      description = ''
        Size of the EFI system partition, which holds every kernel and initrd to boot
        from.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !isIso;
        message = ''
          box.diskLayout.enable and isoImage contradict each other: a live image has no
          disk of its own.
        '';
      }
    ];

    disko.devices.disk.main = {
      type = "disk";
      inherit (cfg) device;
      content = {
        type = "gpt";
        partitions = {
          esp = {
            type = "EF00";
            size = "${toString cfg.espMiB}M";
            # disko mounts by partition label; the file system carries the same
            # name for people who look at it with `lsblk -f`.
            label = "${cfg.labelPrefix}-ESP";
            content = {
              type = "filesystem";
              format = "vfat";
              extraArgs = [
                "-n"
                "${cfg.labelPrefix}-ESP"
              ];
              mountpoint = "/boot";
              # The random seed and the kernels are nobody's business but root's.
              mountOptions = [
                "fmask=0077"
                "dmask=0077"
              ];
            };
          };
          root = {
            size = "100%";
            label = "${cfg.labelPrefix}-ROOT";
            content = {
              type = "filesystem";
              format = "ext4";
              extraArgs = [
                "-L"
                "${cfg.labelPrefix}-ROOT"
              ];
              mountpoint = "/";
            };
          };
        };
      };
    };

    boot.loader.systemd-boot = {
      enable = lib.mkDefault true;
      # Bounds what the EFI system partition has to hold.
      configurationLimit = lib.mkDefault 8;
    };
    boot.loader.efi.canTouchEfiVariables = lib.mkDefault true;
  };
}
