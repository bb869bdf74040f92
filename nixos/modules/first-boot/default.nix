# From a Coder server that has just come up to one that people can use: the
# first user, a session token, the templates. The work is done by the program
# `coder-first-boot`; what it promises is in packages/first-boot/README.md.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  cfg = config.box.firstBoot;
  inherit (config.box) coder credentials;

  hasPasswordFile = cfg.admin.passwordFile != null;

  hardening = {
    NoNewPrivileges = true;
    PrivateTmp = true;
    # The owner may keep the password at home.
    ProtectHome = if hasPasswordFile then "read-only" else true;
    ProtectSystem = "strict";
  };

  untilDone = pkgs.writeShellApplication {
    name = "coder-first-boot-until-done";
    runtimeInputs = [
      credentials.package
      pkgs.coreutils
    ];
    text = lib.readFile ./until-done.sh;
  };

  # Exit codes that no second try mends.
  final = "64 65 77 78";
in
{
  imports = [
    ../coder
    ../credentials
  ];

  options.box.firstBoot = {
    enable = lib.mkEnableOption "the first boot: Coder's first user, token and templates";

    unit = lib.mkOption {
      type = import ../unit-settings.nix { inherit lib utils; };
      internal = true;
      readOnly = true;
      description = "What every unit needs that runs the program for Coder's first user.";
      default = {
        environment = lib.mkMerge [
          credentials.unit.environment
          {
            FIRST_BOOT_CODER_URL = "http://127.0.0.1:${toString coder.port}";
            FIRST_BOOT_ADMIN_USER = cfg.admin.user;
            FIRST_BOOT_ADMIN_EMAIL = cfg.admin.email;
            FIRST_BOOT_TEMPLATES = cfg.templates;
          }
          (lib.mkIf (coder.accessUrl != null) {
            FIRST_BOOT_ACCESS_URL = coder.accessUrl;
          })
          (lib.mkIf hasPasswordFile {
            # Not as a credential of the unit: without the file it would not start, and
            # nobody would say why.
            FIRST_BOOT_ADMIN_PASSWORD_FILE = cfg.admin.passwordFile;
          })
        ];
        serviceConfig = lib.mkMerge [
          credentials.unit.serviceConfig
          (lib.mkIf (coder.accessUrl == null) {
            EnvironmentFile = "-${coder.addressFile}";
          })
        ];
      };
    };

    templates = lib.mkOption {
      type = lib.types.path;
      default = pkgs.emptyDirectory;
      defaultText = lib.literalMD "an empty folder";
      description = "Folder of template folders to deploy.";
    };

    admin = {
      user = lib.mkOption {
        type = lib.types.strMatching "[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*";
        default = "admin";
        description = "User name of Coder's first user.";
      };

      email = lib.mkOption {
        type = lib.types.strMatching "[^@[:space:]]+@[^@[:space:]]+";
        default = "admin@coder-box.local";
        description = ''
          Mail address of Coder's first user, which is the log-in name of the dashboard.
        '';
      };

      passwordFile = lib.mkOption {
        type = lib.types.nullOr (lib.types.strMatching "/.*");
        default = null;
        example = "/etc/secrets/coder-admin";
        description = ''
          File on the machine that holds the owner's password. Unset, the
          machine makes one. A string, not a Nix path, which would copy the
          password to the store for all to read. Coder gets no user before
          there is the file, and does not look at it once it has one.
        '';
      };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = coder.enable;
        message = ''
          box.firstBoot.enable is true, but box.coder.enable is false: there is no server
          to set up.
        '';
      }
      {
        assertion = !(lib.hasPrefix builtins.storeDir (toString cfg.admin.passwordFile));
        message = ''
          box.firstBoot.admin.passwordFile is in ${builtins.storeDir}, which everybody on
          the machine can read.
        '';
      }
    ];

    box.credentials.enable = true;

    systemd.services.coder-first-boot = {
      description = "First user, session token and templates of Coder";
      wantedBy = [ "multi-user.target" ];
      # Not `wants`: a Coder that somebody stopped stays so.
      # Neither after the network nor after k3s, which waits for it: the first user
      # needs none of them, and templates that come too early are retried.
      after = [ "coder.service" ];
      inherit (cfg.unit) environment;
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = lib.mkMerge [
        cfg.unit.serviceConfig
        hardening
        {
          # Done is what has exited: neither the boot nor a switch waits for it.
          Type = "exec";
          ExecStart = lib.getExe untilDone;
          RemainAfterExit = true;
          # One that was killed; the rest it repeats by itself.
          Restart = "on-failure";
          RestartPreventExitStatus = final;
          RestartSec = 5;
        }
      ];
    };

    # Coder caps the life of a token (7 days for owners), so it is replaced when
    # half of that is over.
    systemd.services.coder-first-boot-renew = {
      description = "Renew Coder's session token";
      after = [ "coder-first-boot.service" ];
      inherit (cfg.unit) environment;
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = lib.mkMerge [
        cfg.unit.serviceConfig
        hardening
        {
          Type = "oneshot";
          ExecStart = "${lib.getExe credentials.package} renew";
          Restart = "on-failure";
          RestartPreventExitStatus = final;
          RestartSec = 60;
          RestartSteps = 5;
          RestartMaxDelaySec = 3600;
        }
      ];
    };
    systemd.timers.coder-first-boot-renew = {
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = "daily";
        Persistent = true;
        RandomizedDelaySec = "1h";
      };
    };
  };
}
