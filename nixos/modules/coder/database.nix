# Coder's PostgreSQL on bad days. nixpkgs gives PostgreSQL five tries in ten
# minutes and its set-up one: a disk that was full for a moment would leave both
# off, and Coder with them, until somebody comes. Here each tries for as long as it
# takes, in growing steps, and none of them waits for another to succeed.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.coder;
  inherit (config.services) postgresql;
  inherit (postgresql) dataDir;
  # Beside the folder, since `initdb` takes an empty one only.
  unfinished = lib.escapeShellArg "${dataDir}.unfinished";
  # Elsewhere the unit may not write beside it.
  usualPlace = dataDir == "/var/lib/postgresql/${postgresql.package.psqlSchema}";

  systemctl = lib.getExe' config.systemd.package "systemctl";

  waitForDatabase = pkgs.writeShellApplication {
    name = "coder-wait-for-database";
    runtimeInputs = [
      pkgs.coreutils
      postgresql.finalPackage
    ];
    text = ''
      for _ in $(seq 60); do
        if pg_isready --quiet --host=/run/postgresql; then
          exit 0
        fi
        sleep 1
      done
      echo "PostgreSQL takes no connections yet; Coder is started all the same" >&2
    '';
  };

  forever = {
    unitConfig.StartLimitIntervalSec = lib.mkForce 0;
    serviceConfig = {
      RestartSec = 1;
      RestartSteps = 6;
      RestartMaxDelaySec = 60;
    };
  };
in
{
  config.systemd.services = lib.mkMerge [
    (lib.mkIf cfg.enable {
      coder = lib.mkMerge [
        forever
        { serviceConfig.Restart = lib.mkForce "always"; }
      ];
    })

    (lib.mkIf (cfg.enable && config.services.coder.database.createLocally) {
      # Not `requires`: what failed once would keep Coder from starting, and a
      # restart of the database would stop it. Not `wants` either: each of Coder's
      # tries would be one of the database's.
      coder.after = [ "postgresql.target" ];
      # A switch starts both anew, each by a job of its own, so no order holds between
      # them; a Coder that finds no database would make the switch fail.
      coder.serviceConfig.ExecStartPre = lib.getExe waitForDatabase;

      postgresql = lib.mkMerge [
        forever
        {
          # nixpkgs lets it want its target, which requires it: systemd then starts it
          # again at once, and no step between two tries grows. It starts the target
          # when it is up.
          wants = lib.mkForce [ ];
          serviceConfig.ExecStartPost = "+${systemctl} start --no-block postgresql.target";

          # `initdb` writes PG_VERSION first, so a power cut in its middle leaves a
          # folder that is taken for a database ever after.
          preStart = lib.mkIf usualPlace (
            lib.mkMerge [
              (lib.mkBefore ''
                if test -e ${unfinished}; then
                  echo "An earlier start was cut off while it made the database: starting over"
                  find ${lib.escapeShellArg dataDir} -mindepth 1 -delete
                fi
                test -e ${lib.escapeShellArg dataDir}/PG_VERSION || : >${unfinished}
              '')
              (lib.mkAfter "rm -f ${unfinished}")
            ]
          );
        }
      ];

      postgresql-setup = lib.mkMerge [
        forever
        { serviceConfig.Restart = "on-failure"; }
      ];
    })
  ];
}
