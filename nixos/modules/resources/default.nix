# The share of the machine that stays with Coder and its database, whatever
# workspaces do, and a word on the console when there is too little for them. Three sides: Coder and PostgreSQL have a slice of their own that
# goes first, pods leave room for it, and so does the user of Podman's containers.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.resources;
  inherit (config.box)
    coder
    credentials
    k3s
    podman
    ;

  # k3s' own part of what is kept from pods.
  k3sMemoryMiB = cfg.reservedMemoryMiB / 4;
  k3sMilliCpu = cfg.reservedMilliCpu / 4;

  quantities = milliCpu: memoryMiB: "cpu=${toString milliCpu}m,memory=${toString memoryMiB}Mi";

  preferred = {
    Slice = "box.slice";
    # Among what the kernel would end for want of memory they are the last.
    OOMScoreAdjust = -500;
  };

  podmanLimits = pkgs.writeShellApplication {
    name = "box-podman-limits";
    runtimeInputs = [
      config.systemd.package
      pkgs.coreutils
      pkgs.gnused
    ];
    text = lib.readFile ./podman-limits.sh;
  };

  scarcity = pkgs.writeShellApplication {
    name = "box-scarcity";
    runtimeInputs = [
      pkgs.coreutils
      pkgs.gnused
    ];
    text = lib.readFile ./scarcity.sh;
  };
in
{
  imports = [
    ../coder
    ../credentials
    ../k3s
    ../podman
  ];

  options.box.resources = {
    enable = lib.mkEnableOption "a share of the machine that stays with Coder";

    reservedMemoryMiB = lib.mkOption {
      type = lib.types.ints.between 512 65536;
      default = 2048;
      description = ''
        Memory that workspaces never get. Half of it is Coder's and its database's even
        while the rest of the system has too little.
      '';
    };

    reservedMilliCpu = lib.mkOption {
      type = lib.types.ints.between 100 64000;
      default = 1000;
      description = ''
        Computing time that pods leave to Coder and the system, in thousandths of a
        processor. A processor that nobody else wants is theirs all the same.
      '';
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      (lib.mkIf coder.enable {
        systemd.slices.box = {
          description = "Coder and its database";
          # Beside `system.slice`, `user.slice` and the pods', which have 100 or, for the
          # pods, somewhat more on a machine with many processors.
          sliceConfig = {
            CPUWeight = 1000;
            IOWeight = 1000;
            MemoryMin = "${toString (cfg.reservedMemoryMiB / 2)}M";
            MemoryLow = "${toString (cfg.reservedMemoryMiB * 3 / 4)}M";
          };
        };

        systemd.services.coder.serviceConfig = preferred;
        systemd.services.postgresql.serviceConfig = lib.mkIf config.services.coder.database.createLocally preferred;
      })

      (lib.mkIf credentials.enable {
        systemd.services.box-scarcity = {
          description = "Say on the console what this machine has too little of";
          wantedBy = [ "multi-user.target" ];
          environment = {
            RESERVED_MIB = toString cfg.reservedMemoryMiB;
            PODMAN_USER = lib.mkIf podman.enable "coder-podman";
            DISKS = "/:/nix:/var";
            POLL_SECONDS = "10";
          };
          serviceConfig = {
            ExecStart = lib.getExe scarcity;
            Restart = "always";
            RestartSec = 30;
            # Of the program whose notices stand beside its own.
            inherit (credentials.unit.serviceConfig)
              RuntimeDirectory
              RuntimeDirectoryMode
              RuntimeDirectoryPreserve
              ;
            # Whoever is short of something still gets to say so.
            Slice = "box.slice";
            OOMScoreAdjust = -500;
            MemoryMax = "64M";
            NoNewPrivileges = true;
            PrivateTmp = true;
            ProtectHome = "read-only";
            ProtectSystem = "strict";
          };
        };
      })

      (lib.mkIf k3s.enable {
        services.k3s.extraFlags = [
          "--kubelet-arg=kube-reserved=${quantities k3sMilliCpu k3sMemoryMiB}"
          "--kubelet-arg=system-reserved=${
            quantities (cfg.reservedMilliCpu - k3sMilliCpu) (cfg.reservedMemoryMiB - k3sMemoryMiB)
          }"
        ];
      })

      (lib.mkIf podman.enable {
        # Among what the kernel would end for want of memory containers are the first: before
        # the Podman that they belong to, and the manager of its user. Kubernetes sees to
        # that for pods.
        virtualisation.containers.containersConf.settings.containers.oom_score_adj = 500;

        # Its number, and with it the name of its slice, is known on the machine only.
        systemd.services.box-podman-limits = {
          description = "Limits of all workspaces in Podman together";
          wantedBy = [ "multi-user.target" ];
          environment = {
            PODMAN_USER = "coder-podman";
            RESERVED_MIB = toString cfg.reservedMemoryMiB;
          };
          serviceConfig = {
            Type = "oneshot";
            RemainAfterExit = true;
            ExecStart = lib.getExe podmanLimits;
          };
        };
      })
    ]
  );
}
