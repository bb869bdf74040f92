# The persistent image.
{
  lib,
  evaluated,
  row,
  artifact,
  ...
}:
let
  inherit (evaluated) config;
  inherit (config.disko.devices.disk) main;
  qcow2 = evaluated.extendModules {
    modules = [ { disko.imageBuilder.imageFormat = lib.mkForce "qcow2"; } ];
  };
in
[
  (row "file name, raw" config.image.fileName "${artifact}.raw")
  (row "file name, qcow2" qcow2.config.image.fileName "${artifact}.qcow2")
  (row "disko writes that name" main.imageName artifact)
  (row "size" main.imageSize "24G")
  (row "systemd-boot" config.boot.loader.systemd-boot.enable true)
  (row "partition grows" config.boot.growPartition true)
  (row "file system grows" config.fileSystems."/".autoResize true)
  (row "root by label" config.fileSystems."/".device "/dev/disk/by-partlabel/BOXIMG-ROOT")
  (row "secrets come from the drive" config.box.secrets.folder "/boot/secrets")
  (row "before what uses them" config.systemd.services.box-secrets.before [
    "NetworkManager.service"
    "box-account-password.service"
    "coder-first-boot.service"
    "sshd.service"
  ])
  (row "boot by label" config.fileSystems."/boot".device "/dev/disk/by-partlabel/BOXIMG-ESP")
]
