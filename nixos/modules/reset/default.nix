# `systemctl start coder-reset`: back to a freshly installed Coder.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.reset;
  inherit (config.box) credentials exposure firstBoot;
  inherit (config.services.coder) database homeDir user;

  reset = pkgs.writeShellApplication {
    name = "coder-reset";
    runtimeInputs = [
      config.systemd.package
      config.services.postgresql.finalPackage
      credentials.package
      pkgs.coreutils
      pkgs.findutils
      pkgs.getent
      pkgs.iproute2
      pkgs.util-linux
    ]
    ++ lib.optional config.box.k3s.enable config.services.k3s.package;
    text = lib.readFile ./coder-reset.sh;
  };
in
{
  imports = [
    ../coder
    ../credentials
    ../exposure
    ../first-boot
    ../k3s
    ../podman
  ];

  options.box.reset.enable = lib.mkEnableOption "the unit that starts Coder over";

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.box.coder.enable;
        message = ''
          box.reset.enable is true, but box.coder.enable is false: there is nothing to
          reset.
        '';
      }
      {
        assertion = config.services.coder.database.createLocally;
        message = ''
          box.reset.enable is true, but services.coder.database.createLocally is false: a
          database elsewhere is not dropped from here.
        '';
      }
    ];

    systemd.services.coder-reset = {
      description = "Back to a freshly installed Coder: database, data, tokens and workspaces go";
      # Started by hand only. Not `requires`: a PostgreSQL that is stopped in the
      # middle would end the reset without a word.
      wants = [ "postgresql.target" ];
      after = [ "postgresql.target" ];
      environment = lib.mkMerge [
        firstBoot.unit.environment
        {
          FIRST_USER_FLAG = credentials.firstUserFlag;
          LOCK = credentials.lock;
          # Empty where nobody watches over the port.
          FOLLOW_PORT = lib.optionalString (exposure.follow != null) exposure.follow;
          DATABASE = database.database;
          DATABASE_OWNER = user;
          CODER_HOME = homeDir;
          # Empty where that kind of workspace is not in use.
          KUBECONFIG = lib.optionalString config.box.k3s.enable "/etc/rancher/k3s/k3s.yaml";
          NAMESPACE = "coder-workspaces";
          PODMAN_USER = lib.optionalString config.box.podman.enable "coder-podman";
        }
      ];
      serviceConfig = lib.mkMerge [
        firstBoot.unit.serviceConfig
        {
          ExecStart = "${lib.getExe reset} reset";
          ExecStopPost = "${lib.getExe reset} recover";
          # Each step that waits has a bound of its own.
          TimeoutStartSec = "infinity";
        }
      ];
    };
  };
}
