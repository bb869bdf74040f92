# Coder's address where the machine has no fixed one: the `.local` name that it
# got, which is known at run time only, or without Avahi its address.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.coder;
  environmentFile = config.services.coder.environment.file;
  directory = "/run/box-address";

  address = pkgs.writeShellApplication {
    name = "box-address";
    runtimeInputs = [
      config.systemd.package
      pkgs.coreutils
      pkgs.gnused
      pkgs.iproute2
      pkgs.jq
      pkgs.util-linux
    ];
    text = lib.readFile ./box-address.sh;
  };
in
{
  imports = [
    ../credentials
    ../mdns
  ];

  options.box.coder.addressFile = lib.mkOption {
    type = lib.types.str;
    internal = true;
    readOnly = true;
    default = "${directory}/coder.env";
    description = "Environment file with the address found out at run time.";
  };

  config = lib.mkIf (cfg.enable && cfg.accessUrl == null) {
    systemd.services.box-address = {
      description = "Follow the .local name of this machine and Coder's address";
      wantedBy = [ "multi-user.target" ];
      wants = [ "avahi-daemon.service" ];
      after = [ "avahi-daemon.service" ];
      environment = {
        BASE_NAME = config.networking.hostName;
        PORT = toString cfg.port;
        ADDRESS_FILE = cfg.addressFile;
        LOCK = config.box.credentials.lock;
        # A conflict that lasts is three probes long.
        PROBE_SECONDS = "4";
        POLL_SECONDS = "10";
      };
      serviceConfig = {
        Type = "notify";
        NotifyAccess = "all";
        ExecStart = lib.getExe address;
        Restart = "always";
        RestartSec = 5;
        StateDirectory = "box-address";
        RuntimeDirectory = "box-address";
        RuntimeDirectoryPreserve = true;
        NoNewPrivileges = true;
        PrivateTmp = true;
        ProtectHome = true;
        ProtectSystem = "strict";
      };
    };

    systemd.services.coder = {
      wants = [ "box-address.service" ];
      after = [ "box-address.service" ];
      # It wins over the address in the unit. `-`: Coder starts without it too, under
      # the configured host name.
      # Forced, since nixpkgs sets the same for its own option, which stays in force.
      serviceConfig.EnvironmentFile = lib.mkForce (
        lib.optional (environmentFile != null) environmentFile ++ [ "-${cfg.addressFile}" ]
      );
    };
  };
}
