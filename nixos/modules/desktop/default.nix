# KDE Plasma, and on images a session that is there without a log-in.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.desktop;
  inherit (config.box)
    accounts
    coder
    credentials
    firstBoot
    ;

  # By the loopback address: it is right under every name the network gives
  # this machine, and before there is a network.
  dashboard = "http://localhost:${toString coder.port}";

  showPasswords = pkgs.writeShellApplication {
    name = "show-box-passwords";
    runtimeInputs = [
      pkgs.coreutils
      pkgs.kdePackages.kdialog
    ];
    runtimeEnv.AWAITED =
      if firstBoot.enable && firstBoot.admin.passwordFile == null then
        "coder.txt"
      else
        "account-${accounts.user}.txt";
    text = lib.readFile ./show-passwords.sh;
  };

  # Once for each person: whoever wants it again has Firefox, whose home page it is.
  openCoder = pkgs.writeShellApplication {
    name = "open-coder-page";
    runtimeInputs = [
      pkgs.coreutils
      pkgs.curl
      pkgs.xdg-utils
    ];
    runtimeEnv.DASHBOARD = dashboard;
    text = lib.readFile ./open-coder-page.sh;
  };

  coderItem = pkgs.makeDesktopItem {
    name = "coder-page";
    desktopName = "Coder";
    icon = "applications-development";
    exec = lib.getExe openCoder;
  };

  passwordsItem = pkgs.makeDesktopItem {
    name = "box-passwords";
    desktopName = "Passwords of this machine";
    icon = "dialog-password";
    exec = lib.getExe showPasswords;
  };
in
{
  imports = [
    ../accounts
    ../coder
    ../credentials
    ../first-boot
  ];

  options.box.desktop = {
    enable = lib.mkEnableOption "the KDE Plasma desktop";
    autologin = lib.mkEnableOption "a desktop session without a log-in, for images";
  };

  config = lib.mkMerge [
    {
      assertions = [
        {
          assertion = cfg.autologin -> cfg.enable;
          message = ''
            box.desktop.autologin is true, but box.desktop.enable is false: there is no
            desktop to log in to.
          '';
        }
        {
          assertion = cfg.autologin -> accounts.enable;
          message = ''
            box.desktop.autologin is true, but box.accounts.enable is false: there is nobody
            to log in.
          '';
        }
      ];
    }

    (lib.mkIf cfg.enable {
      services.desktopManager.plasma6.enable = true;
      services.displayManager = {
        sddm = {
          enable = lib.mkDefault true;
          wayland.enable = lib.mkDefault true;
        };
        defaultSession = lib.mkDefault "plasma";
      };

      programs.firefox = {
        enable = lib.mkDefault true;
        policies.Homepage = lib.mkIf coder.enable {
          URL = dashboard;
          StartPage = "homepage";
        };
      };

      environment.systemPackages = lib.mkIf coder.enable [
        (pkgs.makeAutostartItem {
          name = "coder-page";
          package = coderItem;
        })
      ];
    })

    (lib.mkIf (cfg.enable && cfg.autologin) {
      services.displayManager.autoLogin = {
        enable = true;
        inherit (accounts) user;
      };

      # A screen that locks would ask for a password that is on another console.
      environment.etc."xdg/kscreenlockerrc".text = lib.generators.toINI { } {
        Daemon = {
          Autolock = false;
          LockOnResume = false;
        };
      };

      # Whoever sits at the machine is logged in already, so the passwords may
      # be shown there; elsewhere the console shows them.
      box.credentials.desktopUser = accounts.user;
      environment.systemPackages = lib.mkIf credentials.enable [
        passwordsItem
        (pkgs.makeAutostartItem {
          name = "box-passwords";
          package = passwordsItem;
        })
      ];
    })
  ];
}
