# The live image.
{
  evaluated,
  row,
  system,
  artifact,
  ...
}:
let
  inherit (evaluated) config;
  inherit (config.system.nixos) distroName label;
in
[
  (row "file name" config.image.fileName "${artifact}.iso")
  (row "volume ID" config.isoImage.volumeID "CODER_BOX_APPLIANCE")
  (row "menu label" "${distroName} ${label}${config.isoImage.appendToMenuLabel}"
    "NixOS ${label} - Coder Box Appliance"
  )
  (row "menu label: nothing before" config.isoImage.prependToMenuLabel "")
  (row "EFI boot" config.isoImage.makeEfiBootable true)
  (row "BIOS boot on x86 only" config.isoImage.makeBiosBootable (system == "x86_64-linux"))
  (row "USB stick" config.isoImage.makeUsbBootable true)
  (row "systemd-boot" config.boot.loader.systemd-boot.enable false)
  (row "no disk layout" (builtins.attrNames config.disko.devices.disk) [ ])
  (row "root is in memory" config.fileSystems."/".fsType "tmpfs")
  (row "store is an overlay" config.fileSystems."/nix/store".fsType "overlay")
]
