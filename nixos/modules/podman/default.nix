# Rootless Podman for workspaces. Containers belong to a user of their own, not
# to Coder's: who breaks out of a workspace finds neither Coder's database nor
# its tokens. Coder reaches them over /run/coder-podman/podman.sock.
{ config, lib, ... }:
let
  cfg = config.box.podman;
  inherit (config.services) coder;
  user = "coder-podman";
  directory = "/run/coder-podman";

  # The user manager runs these for every user otherwise.
  onlyForThisUser.ConditionUser = user;
in
{
  options.box.podman.enable = lib.mkEnableOption "rootless Podman for workspaces";

  config = lib.mkIf cfg.enable {
    virtualisation.podman.enable = true;

    # Who may use the socket.
    users.groups.${user}.members = lib.optional coder.enable coder.user;

    users.users.${user} = {
      description = "Owner of the workspace containers";
      isSystemUser = true;
      group = user;
      home = "/var/lib/coder-podman";
      createHome = true;
      autoSubUidGidRange = true;
      # A user manager from boot on, which gives Podman its runtime folder and
      # the right to make control groups.
      linger = true;
    };

    systemd.tmpfiles.settings.coder-podman.${directory}.d = {
      mode = "0750";
      inherit user;
      group = user;
    };

    systemd.user.sockets.coder-podman = {
      description = "Podman API for workspaces";
      unitConfig = onlyForThisUser;
      wantedBy = [ "sockets.target" ];
      listenStreams = [ "${directory}/podman.sock" ];
      socketConfig.SocketMode = "0660";
    };

    systemd.user.services.coder-podman = {
      description = "Podman API for workspaces";
      unitConfig = onlyForThisUser;
      # `newuidmap` is a wrapper with capabilities, so it is not in the store.
      environment.PATH = lib.mkForce "/run/wrappers/bin:/run/current-system/sw/bin";
      serviceConfig = {
        ExecStart = "${lib.getExe config.virtualisation.podman.package} system service";
        # Containers outlive the API, which ends when nobody asks it anything.
        KillMode = "process";
        Delegate = true;
      };
    };
  };
}
