# What this machine is known for: it was installed before the standard layout.
{
  lib,
  config,
  row,
}:
let
  inherit (config) fileSystems;
  uuid = "/dev/disk/by-uuid/";
in
[
  (row "platform" config.nixpkgs.hostPlatform.system "x86_64-linux")
  (row "root by UUID" fileSystems."/".device "${uuid}49f72dbb-d0cf-4c1c-8646-7fcf20e48ed0")
  (row "root: type" fileSystems."/".fsType "ext4")
  (row "boot by UUID" fileSystems."/boot".device "${uuid}3B76-D99A")
  (row "boot: type" fileSystems."/boot".fsType "vfat")
  (row "Intel" (lib.elem "kvm-intel" config.boot.kernelModules) true)
  (row "systemd-boot" config.boot.loader.systemd-boot.enable true)
  (row "EFI variables" config.boot.loader.efi.canTouchEfiVariables true)
]
