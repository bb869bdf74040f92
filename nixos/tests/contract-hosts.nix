# What one host of this repository is known for.
{
  lib,
  config,
  row,
}:
let
  inherit (config) fileSystems;
  uuid = "/dev/disk/by-uuid/";
in
{
  coder-thinkcentre = [
    (row "platform" config.nixpkgs.hostPlatform.system "x86_64-linux")
    (row "root by UUID" fileSystems."/".device "${uuid}49f72dbb-d0cf-4c1c-8646-7fcf20e48ed0")
    (row "root: type" fileSystems."/".fsType "ext4")
    (row "boot by UUID" fileSystems."/boot".device "${uuid}3B76-D99A")
    (row "boot: type" fileSystems."/boot".fsType "vfat")
    (row "Intel" (lib.elem "kvm-intel" config.boot.kernelModules) true)
    (row "systemd-boot" config.boot.loader.systemd-boot.enable true)
    (row "EFI variables" config.boot.loader.efi.canTouchEfiVariables true)
  ];

  qemu-arm64 = [
    (row "platform" config.nixpkgs.hostPlatform.system "aarch64-linux")
    (row "drive" config.disko.devices.disk.main.device "/dev/vda")
    (row "root by label" fileSystems."/".device "/dev/disk/by-partlabel/BOX-ROOT")
    (row "root: type" fileSystems."/".fsType "ext4")
    (row "boot by label" fileSystems."/boot".device "/dev/disk/by-partlabel/BOX-ESP")
    (row "boot: type" fileSystems."/boot".fsType "vfat")
    (row "EFI system partition" config.disko.devices.disk.main.content.partitions.esp.size "1024M")
  ];
}
