# Two disks with such an image in one machine: the root is on the one that the
# firmware booted from, see boot-disk.sh.
{ lib, pkgs, ... }:
let
  newIds = pkgs.writeShellApplication {
    name = "box-new-disk-ids";
    runtimeInputs = [
      pkgs.coreutils
      pkgs.gptfdisk
      pkgs.util-linux
    ];
    text = lib.readFile ./new-disk-ids.sh;
  };

  mounting = [
    "local-fs-pre.target"
    "sysroot.mount"
    "systemd-fsck-root.service"
  ];
in
{
  boot.initrd.systemd.services.box-boot-disk = {
    description = "Find the disk that the firmware booted from";
    wantedBy = [ "initrd.target" ];
    wants = [ "local-fs-pre.target" ];
    before = mounting;
    after = [
      "systemd-udevd.service"
      "systemd-udev-trigger.service"
    ];
    unitConfig = {
      DefaultDependencies = false;
      # Without it there is no loader that would say so.
      ConditionPathExists = "/sys/firmware/efi";
    };
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    script = lib.readFile ./boot-disk.sh;
  };

  systemd.services.box-new-disk-ids = {
    description = "Numbers of this disk's own";
    wantedBy = [ "multi-user.target" ];
    # It writes the partition table, too.
    after = [ "growpart.service" ];
    unitConfig = {
      ConditionPathExists = "!/var/lib/box-image/own-disk-ids";
      # There it has no disk of its own.
      ConditionVirtualization = "!container";
    };
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      StateDirectory = "box-image";
      ExecStart = lib.getExe newIds;
    };
  };
}
