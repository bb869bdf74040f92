# Coder's address where the machine has no fixed one: the `.local` name that it
# got, which is known at run time only. The name is remembered, so that two
# boxes do not swap names with the order they are switched on.
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
      pkgs.gnugrep
      pkgs.jq
    ];
    text = lib.readFile ./box-address.sh;
  };
in
{
  imports = [ ../mdns ];

  options.box.coder.addressFile = lib.mkOption {
    type = lib.types.str;
    internal = true;
    readOnly = true;
    default = "${directory}/coder.env";
    description = "Environment file with the address found out at run time.";
  };

  config = lib.mkIf (cfg.enable && cfg.accessUrl == null) {
    systemd.services.box-address = {
      description = "Find the .local name of this machine and Coder's address";
      wants = [ "avahi-daemon.service" ];
      after = [ "avahi-daemon.service" ];
      environment = {
        BASE_NAME = config.networking.hostName;
        PORT = toString cfg.port;
        ADDRESS_FILE = cfg.addressFile;
      };
      serviceConfig = {
        Type = "oneshot";
        ExecStart = lib.getExe address;
        StateDirectory = "box-address";
        RuntimeDirectory = "box-address";
        RuntimeDirectoryPreserve = true;
        NoNewPrivileges = true;
        PrivateTmp = true;
        ProtectHome = true;
        ProtectSystem = "strict";
      };
    };

    # A second box may appear, or the network come up, at any time.
    systemd.timers.box-address = {
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnActiveSec = 30;
        OnUnitInactiveSec = 60;
      };
    };

    systemd.services.coder = {
      wants = [ "box-address.service" ];
      after = [ "box-address.service" ];
      # It wins over the address in the unit. `-`: a first start without Avahi
      # still works, under the configured host name.
      # Forced, since nixpkgs sets the same for its own option, which stays in force.
      serviceConfig.EnvironmentFile = lib.mkForce (
        lib.optional (environmentFile != null) environmentFile ++ [ "-${cfg.addressFile}" ]
      );
    };
  };
}
