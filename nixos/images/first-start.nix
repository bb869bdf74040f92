# What must not be the same on two machines made from one image. SSH host keys
# are made by sshd when it first starts; the rest comes from installing the
# loader while the image is built, so it goes right after that. The free space
# is measured there too, on the real file system.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.image;

  finish = pkgs.writeShellApplication {
    name = "box-finish-image";
    runtimeInputs = [ pkgs.coreutils ];
    text = lib.readFile ./finish-image.sh;
  };

  arguments = [
    config.boot.loader.efi.efiSysMountPoint
    cfg.headroomMiB
    cfg.sizeGiB
  ];
in
{
  boot.loader.systemd-boot.extraInstallCommands = ''
    ${lib.getExe finish} ${lib.escapeShellArgs arguments}
  '';
}
