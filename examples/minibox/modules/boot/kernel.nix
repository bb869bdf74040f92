# Debian's kernel, with the few of its modules that are wanted and what these depend on.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  host = config.nixpkgs.hostPlatform;
in
{
  options.boot = {
    kernelParams = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    kernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
  };

  config = {
    boot.kernelParams = [
      "console=tty0"
      # The last console is /dev/console, where /etc/rc reports: the serial one, for boot tests.
      "console=${if host.isAarch64 then "ttyAMA0" else "ttyS0,115200n8"}"
      "panic=10"
      "quiet"
    ]
    ++ (
      if host.isAarch64 then
        [ ]
      else
        # On a busy machine an emulator passes the timer's first interrupts on late, and the
        # kernel would panic over it.
        [ "no_timer_check" ]
    );

    # What this kernel does not have is passed over: the cloud flavour knows neither AHCI nor USB.
    boot.kernelModules = [
      # drives
      "ahci"
      "ata_piix"
      "nvme"
      "sd_mod"
      "sr_mod"
      "uas"
      "usb_storage"
      "virtio_blk"
      "virtio_scsi"
      "xhci_pci"
      # virtual machines
      "qemu_fw_cfg"
      "virtio_mmio"
      "virtio_net"
      "virtio_pci"
      # file systems
      "crc32c_generic"
      "ext4"
      "isofs"
      "loop"
      "nls_ascii"
      "nls_cp437"
      "overlay"
      "squashfs"
      "vfat"
    ];

    system.build.kernel = pkgs.runCommand "kernel-${host.linuxArch}" {
      package = pkgs.kernelPart host.system;
      wanted = config.boot.kernelModules;
      findModules = builtins.readFile ./wanted-modules.awk;
    } (builtins.readFile ./build-kernel.sh);
  };
}
