# What the ISO and the disk image have in common: GRUB, its menu, and where its parts are.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  host = config.nixpkgs.hostPlatform;
  cfg = config.boot.loader.grub;
  params = toString config.boot.kernelParams;

  entry = title: extraParams: ''
    menuentry "${title}" {
      linux /boot/kernel ${params}${extraParams}
      initrd ${toString cfg.initrds}
    }
  '';

  parts = name: "${pkgs.part host.system name}/usr/lib/grub";
in
{
  options.boot.loader.grub = {
    configurationName = mkOption {
      type = types.strMatching "[^\"\n$\\\\]*"; # it stands between quotes in grub.cfg
      default = "${config.system.nixos.distroName} ${config.system.nixos.version}";
    };
    # Files of the boot volume which make up the initramfs together.
    initrds = mkOption { type = types.listOf types.str; };
  };

  config.system.build.grub = {
    menu = pkgs.writeText "grub.cfg" (
      ''
        if [ "$grub_platform" = pc ]; then
          serial --unit=0 --speed=115200
          terminal_input console serial
          terminal_output console serial
        fi
        set timeout=1
      ''
      + entry cfg.configurationName ""
      + entry "${cfg.configurationName} (report and power off)" " cbox.poweroff"
    );

    # What build-iso.sh and build-disk.sh need in order to call the functions of grub.sh.
    environment = {
      grubModules = [
        "boot"
        "configfile"
        "echo"
        "ext2"
        "fat"
        "halt"
        "iso9660"
        "linux"
        "minicmd"
        "normal"
        "part_gpt"
        "part_msdos"
        "reboot"
        "search"
        "search_label"
        "sleep"
        "test"
      ];
    }
    // (
      if host.isx86_64 then
        {
          efiFormat = "x86_64-efi";
          efiParts = "${parts "grub-efi-amd64-bin"}/x86_64-efi";
          efiFile = "BOOTX64.EFI";
        }
      else
        {
          efiFormat = "arm64-efi";
          efiParts = "${parts "grub-efi-arm64-bin"}/arm64-efi";
          efiFile = "BOOTAA64.EFI";
        }
    );
    biosParts = lib.optionalString host.isx86_64 "${parts "grub-pc-bin"}/i386-pc";
    functions = builtins.readFile ./grub.sh;
  };
}
