# Kubernetes on one node, for workspaces that are pods. Coder gets rights in one
# namespace, not the cluster administrator's: /run/coder-k3s/kubeconfig.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.k3s;
  k3s = config.services.k3s.package;
  namespace = "coder-workspaces";
  account = "coder";
  coderUser = config.services.coder.user;

  metadata = {
    name = account;
    inherit namespace;
  };

  kubeconfig = pkgs.writeShellApplication {
    name = "coder-k3s-kubeconfig";
    runtimeInputs = [
      k3s
      pkgs.jq
    ];
    text = lib.readFile ./kubeconfig.sh;
  };

  whenRouted = pkgs.writeShellApplication {
    name = "k3s-when-routed";
    runtimeInputs = [
      config.systemd.package
      pkgs.coreutils
      pkgs.iproute2
    ];
    text = lib.readFile ./when-routed.sh;
  };
in
{
  options.box.k3s = {
    enable = lib.mkEnableOption "single-node k3s for workspaces";

    podSecurity = lib.mkOption {
      type = lib.types.enum [
        "privileged"
        "baseline"
        "restricted"
      ];
      default = "baseline";
      description = ''
        What pods of workspaces may ask for, by Kubernetes' pod security standards. With
        `privileged` whoever may write a template, or use one that is privileged, can
        become root on this machine.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.k3s = {
      enable = true;
      role = "server";
      # Nothing here is published through an ingress, and a laptop has better
      # use for the memory.
      extraFlags = [
        "--disable=traefik"
        "--disable=servicelb"
        "--disable=metrics-server"
      ];

      manifests.coder-workspaces.content = [
        {
          apiVersion = "v1";
          kind = "Namespace";
          metadata = {
            name = namespace;
            labels."pod-security.kubernetes.io/enforce" = cfg.podSecurity;
          };
        }
        {
          apiVersion = "v1";
          kind = "ServiceAccount";
          inherit metadata;
        }
        {
          apiVersion = "rbac.authorization.k8s.io/v1";
          kind = "RoleBinding";
          inherit metadata;
          roleRef = {
            apiGroup = "rbac.authorization.k8s.io";
            kind = "ClusterRole";
            name = "admin";
          };
          subjects = [ ({ kind = "ServiceAccount"; } // metadata) ];
        }
        {
          apiVersion = "v1";
          kind = "Secret";
          type = "kubernetes.io/service-account-token";
          metadata = {
            name = "${account}-token";
            inherit namespace;
            annotations."kubernetes.io/service-account.name" = account;
          };
        }
      ];
    };

    # Pods reach Coder and the API server on the host's side of their bridge.
    networking.firewall.trustedInterfaces = [
      "cni0"
      "flannel.1"
    ];

    users.users.${coderUser} = {
      isSystemUser = true;
      group = lib.mkDefault config.services.coder.group;
    };
    users.groups.${config.services.coder.group} = { };

    # Neither the boot nor a switch waits for it, nor fails for want of a network.
    systemd.services.k3s.wantedBy = lib.mkForce [ ];
    systemd.services.k3s-when-routed = {
      description = "Start k3s when there is a network";
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "exec";
        RemainAfterExit = true;
        ExecStart = lib.getExe whenRouted;
      };
    };

    systemd.services.coder-k3s-kubeconfig = {
      description = "Kubeconfig for Coder";
      wantedBy = [ "multi-user.target" ];
      environment = {
        KUBECONFIG = "/etc/rancher/k3s/k3s.yaml";
        NAMESPACE = namespace;
        ACCOUNT = account;
        OWNER = coderUser;
      };
      serviceConfig = {
        # Started is enough for those that wait: the namespace appears some time after
        # k3s says that it is up, and without a network neither comes.
        Type = "exec";
        RemainAfterExit = true;
        ExecStart = lib.getExe kubeconfig;
        RuntimeDirectory = "coder-k3s";
        RuntimeDirectoryMode = "0711";
        Restart = "on-failure";
        RestartSec = 30;
      };
    };
  };
}
