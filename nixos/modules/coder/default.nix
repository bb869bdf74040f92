# The Coder server, on nixpkgs' own `services.coder` and its PostgreSQL.
{
  config,
  lib,
  ...
}:
let
  cfg = config.box.coder;
in
{
  imports = [
    ./address.nix
    ./database.nix
    ./terraform.nix
  ];

  options.box.coder = {
    enable = lib.mkEnableOption "the Coder server";

    port = lib.mkOption {
      type = lib.types.port;
      default = 3000;
      description = "Port of dashboard and API. Who may reach it is decided by `box.exposure`.";
    };

    accessUrl = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "https://coder.example.org";
      description = ''
        Address under which people and workspaces reach Coder. Unset, it is
        the `.local` name that this machine has on its network, which
        {option}`box.mdns.enable` finds out at run time.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        # Without an access URL Coder opens a public tunnel to itself.
        assertion = cfg.accessUrl != null || config.box.mdns.enable;
        message = ''
          box.coder.accessUrl is not set and box.mdns.enable is false: Coder would have no
          address of its own. Set one of them.
        '';
      }
    ];

    services.coder = {
      enable = true;
      # Both address families; the firewall decides who gets there.
      listenAddress = "[::]:${toString cfg.port}";
      accessUrl =
        if cfg.accessUrl != null then
          cfg.accessUrl
        else
          "http://${config.networking.hostName}.local:${toString cfg.port}";
      environment.extra = {
        CODER_TELEMETRY_ENABLE = "false";
        # Updates come with the next `nixos-rebuild`.
        CODER_UPDATE_CHECK = "false";
      };
    };

    # Coder runs Terraform, whose licence (BSL) is not free. By name, so that
    # nothing else slips in with it.
    nixpkgs.config.allowUnfreePackages = [ "terraform" ];
  };
}
