# What the network may reach. Coder's port is the delicate one: until the first
# user exists, whoever gets there first becomes the owner of the machine. So it
# opens when the first boot says that somebody has, and closes with a reset.
{
  config,
  lib,
  ...
}:
let
  cfg = config.box.exposure;
  inherit (config.box) coder credentials;
  opens = coder.enable && cfg.coder == "after-first-user";
  systemctl = lib.getExe' config.systemd.package "systemctl";
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
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.networking.firewall.enable;
        message = ''
          box.exposure.enable is true, but networking.firewall.enable is false: Coder
          would be open to the network before it has a first user.
        '';
      }
      {
        assertion = opens -> config.box.firstBoot.enable;
        message = ''
          box.exposure.coder is "after-first-user", but box.firstBoot.enable is false:
          nothing would ever say that there is one. Set box.exposure.coder = "never" or
          enable the first boot.
        '';
      }
    ];

    networking.firewall = {
      enable = lib.mkDefault true;
      # The rule is part of the firewall, so that a restart of the firewall or a
      # `nixos-rebuild` neither opens the port early nor closes it again.
      extraCommands = lib.mkIf opens ''
        if [ -e ${credentials.firstUserFlag} ]; then
          ip46tables -A nixos-fw -p tcp --dport ${toString coder.port} -j nixos-fw-accept
        fi
      '';
    };

    systemd.paths.coder-port = lib.mkIf opens {
      description = "Wait for Coder's first user";
      wantedBy = [ "multi-user.target" ];
      pathConfig.PathExists = credentials.firstUserFlag;
    };

    systemd.services.coder-port = lib.mkIf opens {
      description = "Let the network reach Coder";
      after = [ "firewall.service" ];
      requisite = [ "firewall.service" ];
      serviceConfig = {
        Type = "oneshot";
        # Or the path unit would start it again and again.
        RemainAfterExit = true;
        ExecStart = "${systemctl} reload firewall.service";
      };
    };
  };
}
