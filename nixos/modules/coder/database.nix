# Coder's PostgreSQL on bad days. nixpkgs gives PostgreSQL five tries in ten
# minutes and its set-up one: a disk that was full for a moment would leave both
# off, and Coder with them, until somebody comes. Here each tries for as long as it
# takes, in growing steps, and none of them waits for another to succeed.
{ config, lib, ... }:
let
  cfg = config.box.coder;
  inherit (config.services) postgresql;
  inherit (postgresql) dataDir;
  # Beside the folder, since `initdb` takes an empty one only.
  unfinished = lib.escapeShellArg "${dataDir}.unfinished";
  # Elsewhere the unit may not write beside it.
  usualPlace = dataDir == "/var/lib/postgresql/${postgresql.package.psqlSchema}";

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
      # restart of the database would stop it.
      coder.wants = [ "postgresql.target" ];
      coder.after = [ "postgresql.target" ];

      postgresql = lib.mkMerge [
        forever
        {
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
