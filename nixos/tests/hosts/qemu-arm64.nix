# What this machine is known for: the standard layout, on another architecture.
{ config, row, ... }:
let
  inherit (config) fileSystems;
in
[
  (row "platform" config.nixpkgs.hostPlatform.system "aarch64-linux")
  (row "drive" config.disko.devices.disk.main.device "/dev/vda")
  (row "root by label" fileSystems."/".device "/dev/disk/by-partlabel/BOX-ROOT")
  (row "root: type" fileSystems."/".fsType "ext4")
  (row "boot by label" fileSystems."/boot".device "/dev/disk/by-partlabel/BOX-ESP")
  (row "boot: type" fileSystems."/boot".fsType "vfat")
  (row "EFI system partition" config.disko.devices.disk.main.content.partitions.esp.size "1024M")
]
