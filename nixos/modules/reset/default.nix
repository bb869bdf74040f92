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

  # What it stopped, until it is over.
  stopped = "/run/coder-first-boot/reset-stopped";

  variables = lib.mkMerge [
    firstBoot.unit.environment
    {
      FIRST_USER_FLAG = credentials.firstUserFlag;
      LOCK = credentials.lock;
      STOPPED = stopped;
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

    # A unit of its own: what was killed with everything in it cleans up nothing.
    systemd.services.coder-reset-recover = {
      description = "Bring back what a reset had stopped that did not end";
      # The next reset waits for it.
      before = [ "coder-reset.service" ];
      unitConfig.ConditionPathExists = stopped;
      environment = variables;
      serviceConfig = lib.mkMerge [
        firstBoot.unit.serviceConfig
        {
          Type = "oneshot";
          ExecStart = "${lib.getExe reset} recover";
        }
      ];
    };

    systemd.services.coder-reset = {
      description = "Back to a freshly installed Coder: database, data, tokens and workspaces go";
      onFailure = [ "coder-reset-recover.service" ];
      onSuccess = [ "coder-reset-recover.service" ];
      # Started by hand only. Not `requires`: a PostgreSQL that is stopped in the
      # middle would end the reset without a word.
      wants = [ "postgresql.target" ];
      after = [ "postgresql.target" ];
      environment = variables;
      serviceConfig = lib.mkMerge [
        firstBoot.unit.serviceConfig
        {
          Type = "oneshot";
          ExecStart = "${lib.getExe reset} reset";
          # Each step that waits has a bound of its own.
          TimeoutStartSec = "infinity";
        }
      ];
    };
  };
}
