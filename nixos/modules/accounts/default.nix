# The Unix account of the person at the machine. Without a password from its
# owner it gets one of its own on first boot.
{ config, lib, ... }:
let
  cfg = config.box.accounts;
  inherit (config.box) credentials;
  ownPassword = cfg.hashedPassword != null || cfg.hashedPasswordFile != null;

  account = {
    inherit (credentials.unit) environment;
    serviceConfig = lib.mkMerge [
      credentials.unit.serviceConfig
      {
        Type = "oneshot";
        ExecStart = "${lib.getExe credentials.package} unix-password ${cfg.user}";
      }
    ];
  };
in
{
  imports = [ ../credentials ];

  options.box.accounts = {
    enable = lib.mkEnableOption "the account of the person at the machine";

    user = lib.mkOption {
      type = lib.types.strMatching "[a-z][a-z0-9-]{0,30}";
      default = "box";
      description = "Name of the account.";
    };

    authorizedKeys = lib.mkOption {
      type = lib.types.listOf lib.types.singleLineStr;
      default = [ ];
      description = "Public keys that may log in over SSH.";
    };

    hashedPassword = lib.mkOption {
      type = lib.types.nullOr (lib.types.passwdEntry lib.types.str);
      default = null;
      description = ''
        The owner's password, hashed with {command}`mkpasswd`. Belongs into
        {file}`local.nix`.
      '';
    };

    hashedPasswordFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "File on the machine that holds the owner's password, hashed.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.hashedPassword == null || cfg.hashedPasswordFile == null;
        message = ''
          box.accounts.hashedPassword and box.accounts.hashedPasswordFile are both set;
          only one of them can be the password.
        '';
      }
      {
        assertion = ownPassword || config.users.mutableUsers;
        message = ''
          users.mutableUsers is false and neither box.accounts.hashedPassword nor
          box.accounts.hashedPasswordFile is set: a password made on first boot would be
          lost.
        '';
      }
    ];

    box.credentials.enable = lib.mkIf (!ownPassword) true;

    users.users.${cfg.user} = {
      isNormalUser = true;
      description = "The Box";
      extraGroups = [
        "wheel"
        "systemd-journal"
      ]
      ++ lib.optional config.networking.networkmanager.enable "networkmanager";
      openssh.authorizedKeys.keys = cfg.authorizedKeys;
      inherit (cfg) hashedPassword hashedPasswordFile;
    };

    systemd.services.box-account-password = lib.mkIf (!ownPassword) (
      lib.mkMerge [
        account
        {
          description = "Password of ${cfg.user}";
          wantedBy = [ "multi-user.target" ];
          before = [
            "getty.target"
            "display-manager.service"
          ];
          serviceConfig.RemainAfterExit = true;
        }
      ]
    );

    # Shown no longer than it is true.
    systemd.services.box-account-password-changed = lib.mkIf (!ownPassword) (
      lib.mkMerge [
        account
        {
          description = "See whether the password of ${cfg.user} was changed";
          unitConfig.StartLimitIntervalSec = 0;
          after = [ "box-account-password.service" ];
        }
      ]
    );
    systemd.paths.box-account-password-changed = lib.mkIf (!ownPassword) {
      description = "Wait for passwords to change";
      # What it starts comes after box-account-password.service. It itself may not: a
      # path is there before basic.target, so that would be a cycle.
      wantedBy = [ "multi-user.target" ];
      pathConfig.PathChanged = "/etc/shadow";
    };
  };
}
