# A server under a lid is still a server: nothing makes this machine sleep, neither
# idleness nor a lid, a key or an empty battery. Four things could: systemd's
# targets, logind, UPower and the power manager of the desktop.
{ config, lib, ... }:
let
  cfg = config.box.alwaysOn;

  sleeps = [
    "hibernate"
    "hybrid-sleep"
    "sleep"
    "suspend"
    "suspend-then-hibernate"
  ];

  # PowerDevil's numbers: 0 is "do nothing", 8 is "shut down".
  neverSleeps = {
    AutoSuspendAction = 0;
    LidAction = 0;
    InhibitLidActionWhenExternalMonitorPresent = false;
  };
in
{
  options.box.alwaysOn.enable = lib.mkEnableOption "a machine that never sleeps by itself";

  config = lib.mkIf cfg.enable {
    # Masked: whoever asks, nothing happens.
    systemd.targets = lib.genAttrs sleeps (_: {
      enable = false;
    });

    systemd.sleep.settings.Sleep = {
      AllowSuspend = "no";
      AllowHibernation = "no";
      AllowSuspendThenHibernate = "no";
      AllowHybridSleep = "no";
    };

    services.logind.settings.Login = {
      HandleLidSwitch = "ignore";
      HandleLidSwitchDocked = "ignore";
      HandleLidSwitchExternalPower = "ignore";
      HandleSuspendKey = "ignore";
      HandleSuspendKeyLongPress = "ignore";
      HandleHibernateKey = "ignore";
      HandleHibernateKeyLongPress = "ignore";
      IdleAction = "ignore";
    };

    # On an empty battery the database is closed properly.
    services.upower.criticalPowerAction = lib.mkDefault "PowerOff";

    environment.etc."xdg/powerdevilrc" = lib.mkIf config.services.desktopManager.plasma6.enable {
      text = lib.generators.toINI { mkSectionName = name: lib.replaceStrings [ "/" ] [ "][" ] name; } {
        "AC/SuspendAndShutdown" = neverSleeps;
        "Battery/SuspendAndShutdown" = neverSleeps;
        "LowBattery/SuspendAndShutdown" = neverSleeps;
        BatteryManagement.BatteryCriticalAction = 8;
      };
    };
  };
}
