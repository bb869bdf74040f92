# The machine's name on the local network: `<host>.local`. Avahi renames a
# machine whose name is taken (`coder-box-2`), so each box has a unique one.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  options.box.mdns.enable = lib.mkEnableOption "a `.local` name, unique on the network";

  config = lib.mkIf config.box.mdns.enable {
    # nixpkgs leaves one that died where it is. Its file of the process outlives it,
    # and it has not the right to remove that.
    systemd.services.avahi-daemon = {
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = {
        ExecStartPre = "+${lib.getExe' pkgs.coreutils "rm"} -f /run/avahi-daemon/pid";
        Restart = "always";
        RestartSec = 2;
      };
    };

    services.avahi = {
      enable = true;
      openFirewall = true;
      nssmdns4 = true;
      # Addresses of the bridges of k3s and Podman lead nowhere from outside.
      denyInterfaces = [
        "cni0"
        "flannel.1"
        "podman0"
      ];
      publish = {
        enable = true;
        addresses = true;
        workstation = true;
      };
    };
  };
}
