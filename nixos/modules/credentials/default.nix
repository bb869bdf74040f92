# Passwords that a machine makes for itself, and the two places where they are
# shown until they are changed: the local console and the desktop. What `first-boot` and `accounts`
# have in common; both run `coder-first-boot`.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  cfg = config.box.credentials;
  runtimeDirectory = "/run/coder-first-boot";
  inherit (config.services) getty;

  # What nixpkgs gives agetty, with another set of snippets.
  serialArguments = [
    "--login-program"
    getty.loginProgram
    "--issue-file"
    "/etc/issue:${runtimeDirectory}/serial"
  ]
  ++ lib.optionals (getty.autologinUser != null && !getty.autologinOnce) [
    "--autologin"
    getty.autologinUser
  ]
  ++ lib.optionals (getty.loginOptions != null) [
    "--login-options"
    getty.loginOptions
  ]
  ++ getty.extraArgs;
in
{
  options.box.credentials = {
    enable = lib.mkEnableOption "showing passwords made on this machine; on wherever one is made";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ../../../packages/first-boot/package.nix { };
      defaultText = lib.literalMD "`coder-first-boot` of this repository";
      description = "The program that makes and shows the passwords.";
    };

    desktopUser = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = ''
        Who sees the passwords on the desktop: the user that is logged in automatically.
      '';
    };

    show = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = ''
        Whether passwords that this machine made are shown, on the console and on the
        desktop, until they are changed. Otherwise root finds them below
        {file}`/var/lib/coder-first-boot`.
      '';
    };

    onSerialConsole = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether they are shown on serial lines too. What is printed there is recorded by
        management boards, and by clouds for everybody with rights in the account.
      '';
    };

    lock = lib.mkOption {
      type = lib.types.path;
      internal = true;
      readOnly = true;
      default = "/var/lib/coder-first-boot/lock";
      description = ''
        Lock of everything that works on Coder's users and templates; who restarts Coder
        takes it.
      '';
    };

    firstUserFlag = lib.mkOption {
      type = lib.types.path;
      internal = true;
      readOnly = true;
      default = "${runtimeDirectory}/first-user-exists";
      description = "Exists once Coder has said, in this boot, that it has a user.";
    };

    unit = lib.mkOption {
      type = import ../unit-settings.nix { inherit lib utils; };
      internal = true;
      readOnly = true;
      description = "Settings that every unit running the program shares.";
      default = {
        environment = {
          FIRST_BOOT_SHOW_PASSWORDS = if cfg.show then "yes" else "no";
          FIRST_BOOT_DESKTOP_USER = lib.mkIf (cfg.desktopUser != null) cfg.desktopUser;
        };
        serviceConfig = {
          StateDirectory = "coder-first-boot";
          StateDirectoryMode = "0700";
          RuntimeDirectory = "coder-first-boot";
          # Its folders and files say who may read what.
          RuntimeDirectoryMode = "0755";
          RuntimeDirectoryPreserve = true;
        };
      };
    };
  };

  config = lib.mkIf cfg.enable {
    # agetty looks at /etc/issue.d because NixOS has an /etc/issue; with that it
    # never looks below /run. sshd shows neither.
    environment.etc."issue.d".source = "${runtimeDirectory}/console";

    systemd.services."serial-getty@" = lib.mkIf (!cfg.onSerialConsole) {
      serviceConfig.ExecStart = lib.mkForce [
        "" # in place of the one that systemd brings
        "${lib.getExe' pkgs.util-linux "agetty"} ${lib.escapeShellArgs serialArguments} %I --keep-baud $TERM"
      ];
    };

    systemd.paths.show-credentials = {
      description = "Wait for passwords to show on the console";
      wantedBy = [ "multi-user.target" ];
      pathConfig.PathChanged = "${runtimeDirectory}/console";
    };

    systemd.services.show-credentials = {
      description = "Show passwords on the console";
      # Several files appear within a second.
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${lib.getExe' pkgs.util-linux "agetty"} --reload";
      };
    };
  };
}
