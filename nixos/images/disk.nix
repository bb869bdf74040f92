# The persistent image, made by disko's image builder with the shared layout.
{
  config,
  lib,
  ...
}:
let
  cfg = config.box.image;
  layout = config.box.diskLayout;
  mib = gib: gib * 1024;
in
{
  imports = [
    ../modules/disk-layout
    ../modules/secrets
    ./boot-disk.nix
    ./disko-vm.nix
    ./first-start.nix
    ./turn-key.nix
  ];

  options.box.image = {
    sizeGiB = lib.mkOption {
      type = lib.types.ints.positive;
      default = 24;
      description = ''
        Size of the disk in the image. Both formats are sparse; a machine with a larger
        drive grows the root partition on its first boot.
      '';
    };

    headroomMiB = lib.mkOption {
      type = lib.types.ints.positive;
      default = 6144;
      description = ''
        Space that must be left on the root file system once everything is in it; the
        build fails otherwise.
      '';
    };
  };

  config = {
    assertions = [
      {
        assertion = mib cfg.sizeGiB > layout.espMiB + cfg.headroomMiB;
        message = ''
          box.image.sizeGiB is ${toString cfg.sizeGiB}, which is used up by
          box.diskLayout.espMiB (${toString layout.espMiB}) and box.image.headroomMiB
          (${toString cfg.headroomMiB}) alone.
        '';
      }
    ];

    box.diskLayout = {
      enable = true;
      # The device in the virtual machine that builds the image.
      device = "/dev/vda";
      # A stick with this image in an installed machine has other labels.
      labelPrefix = "BOXIMG";
    };

    # Only who flashes a drive puts any there; a machine that is installed has none.
    box.secrets.enable = lib.mkDefault true;

    disko.devices.disk.main = {
      imageName = config.image.baseName;
      imageSize = "${toString cfg.sizeGiB}G";
    };
    disko.memSize = 2048;
    disko.imageBuilder.name = config.image.baseName;

    image.extension = config.disko.imageBuilder.imageFormat;

    # `bootctl` copies the loader to the removable path (EFI/BOOT) in any case,
    # and that is where every machine looks.
    boot.loader.efi.canTouchEfiVariables = lib.mkForce false;

    boot.growPartition = true;
    fileSystems."/".autoResize = true;
  };
}
