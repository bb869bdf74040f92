# Secrets that were put on the drive with an image (`cbox flash --secret`), for the
# parts of The Box that take a password, keys or a network. They are used on the first
# boot and go from the drive, which is not encrypted. The work is done by the program
# `coder-first-boot`; what it promises is in packages/first-boot/README.md.
#
# Images alone switch it on: on an installed machine whose root is encrypted, whoever
# can write to the EFI system partition could set a password here.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  cfg = config.box.secrets;
  inherit (config.box) accounts credentials firstBoot;
  inherit (config.networking) networkmanager;

  takesPassword =
    accounts.enable && accounts.hashedPassword == null && accounts.hashedPasswordFile == null;
  takesKeys = accounts.enable && config.services.openssh.enable;
  # A file that the owner named wins.
  takesCoder = firstBoot.enable && firstBoot.admin.passwordFile == null;

  # Beside the files that NixOS makes, which are links into the store.
  keysFolder = "/etc/ssh/authorized_keys.given";
in
{
  imports = [
    ../accounts
    ../credentials
    ../first-boot
  ];

  options.box.secrets = {
    enable = lib.mkEnableOption ''
      taking secrets from the drive, where `cbox flash --secret` puts them. Disk images have
      it on; on an installed machine whose root is encrypted, whoever can write to the EFI
      system partition could set a password here'';

    folder = lib.mkOption {
      type = lib.types.strMatching "/.*[^/]";
      default = "${config.boot.loader.efi.efiSysMountPoint}/secrets";
      defaultText = lib.literalExpression ''"''${config.boot.loader.efi.efiSysMountPoint}/secrets"'';
      description = "Folder with a file for each secret. It is gone once they are taken.";
    };
  };

  config = lib.mkIf cfg.enable {
    box.credentials.enable = true;

    services.openssh.authorizedKeysFiles = lib.mkIf takesKeys [ "${keysFolder}/%u" ];

    systemd.services.box-secrets = {
      description = "Take the secrets that came with the drive";
      wantedBy = [ "multi-user.target" ];
      before = [
        "NetworkManager.service"
        "box-account-password.service"
        "coder-first-boot.service"
        "sshd.service"
      ];
      unitConfig = {
        RequiresMountsFor = [ cfg.folder ];
        ConditionPathExists = "|${cfg.folder}";
        # What a cut left over is with root already.
        ConditionDirectoryNotEmpty = "|/var/lib/coder-first-boot/secrets/waiting";
      };
      environment = lib.mkMerge [
        credentials.unit.environment
        {
          FIRST_BOOT_SECRETS = cfg.folder;
          FIRST_BOOT_SECRETS_ACCOUNT = lib.optionalString takesPassword accounts.user;
          FIRST_BOOT_SECRETS_KEYS = lib.optionalString takesKeys "${keysFolder}/${accounts.user}";
          FIRST_BOOT_SECRETS_CODER = if takesCoder then "yes" else "no";
          FIRST_BOOT_SECRETS_NETWORKS = lib.optionalString networkmanager.enable "/etc/NetworkManager/system-connections";
        }
      ];
      serviceConfig = lib.mkMerge [
        credentials.unit.serviceConfig
        {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${lib.getExe credentials.package} take-secrets";
          PrivateNetwork = true;
          PrivateTmp = true;
          ProtectHome = true;
        }
      ];
    };
  };
}
