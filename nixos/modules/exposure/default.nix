# What the network may reach. Coder's port is the delicate one: until the first
# user exists, whoever gets there first becomes the owner of the machine.
#
# Two have to agree before a packet gets there. The firewall lets the port
# through always. Before it, a table of our own drops what comes from outside
# until the first boot says that somebody owns Coder, and again from a reset on.
# Nothing that happens to the firewall (a start or reload that fails, a stop)
# touches that table, and Coder does not start without it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.exposure;
  inherit (config.box) coder credentials;
  opens = cfg.coder == "after-first-user";

  follow = pkgs.writeShellApplication {
    name = "coder-port";
    runtimeInputs = [
      pkgs.nftables
      pkgs.util-linux
    ];
    runtimeEnv = {
      FIRST_USER_FLAG = lib.optionalString opens credentials.firstUserFlag;
      INTERFACES = toString (lib.unique ([ "lo" ] ++ config.networking.firewall.trustedInterfaces));
      PORT = toString coder.port;
      RUNTIME_LOCK = "/run/coder-port.lock";
    };
    text = lib.readFile ./coder-port.sh;
  };
in
{
  imports = [
    ../coder
    ../credentials
    ../first-boot
  ];

  options.box.exposure = {
    enable = lib.mkEnableOption "the firewall, with Coder's port opened when that is safe";

    coder = lib.mkOption {
      type = lib.types.enum [
        "after-first-user"
        "never"
      ];
      default = "after-first-user";
      description = "When the network may reach Coder's port.";
    };

    follow = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      internal = true;
      readOnly = true;
      default = if cfg.enable && coder.enable then lib.getExe follow else null;
      description = "Program that opens or closes Coder's port, as things are now.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.networking.firewall.enable;
        message = ''
          box.exposure.enable is true, but networking.firewall.enable is false: what else
          runs here would be open to the network.
        '';
      }
      {
        assertion = coder.enable && opens -> config.box.firstBoot.enable;
        message = ''
          box.exposure.coder is "after-first-user", but box.firstBoot.enable is false:
          nothing would ever say that there is one. Set box.exposure.coder = "never" or
          enable the first boot.
        '';
      }
    ];

    networking.firewall = {
      enable = lib.mkDefault true;
      # Not a rule that comes and goes: a stopped firewall stays stopped, and a
      # reload loses nothing.
      allowedTCPPorts = lib.mkIf (coder.enable && opens) [ coder.port ];
    };

    systemd.services = lib.mkIf coder.enable {
      coder-port = {
        description = "Keep Coder's port closed until Coder has an owner";
        wantedBy = [ "multi-user.target" ];
        wants = [ "network-pre.target" ];
        before = [
          "coder.service"
          "network-pre.target"
        ];
        # A restart would take Coder along.
        reloadIfChanged = true;
        unitConfig.DefaultDependencies = false;
        after = [ "systemd-modules-load.service" ];
        conflicts = [ "shutdown.target" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = cfg.follow;
          ExecReload = cfg.follow;
        };
      };

      coder.requires = [ "coder-port.service" ];
      coder.after = [ "coder-port.service" ];

      # Started by the path unit below.
      coder-port-follow = lib.mkIf opens {
        description = "Open or close Coder's port to the network";
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = {
          Type = "oneshot";
          ExecStart = cfg.follow;
        };
      };
    };

    # On changes, unlike `PathExists`: that starts its unit for as long as there is
    # the file, again and again.
    systemd.paths.coder-port-follow = lib.mkIf (coder.enable && opens) {
      description = "Wait for Coder's first user";
      wantedBy = [ "multi-user.target" ];
      before = [ "coder-first-boot.service" ];
      pathConfig.PathChanged = credentials.firstUserFlag;
    };
  };
}
