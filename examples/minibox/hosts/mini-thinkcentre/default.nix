# A small desktop machine.
{ lib, ... }:
{
  imports = [
    ../../modules/disk-layout.nix
  ]
  ++ lib.optional (builtins.pathExists ./local.nix) ./local.nix;

  hardware.facter.reportPath = lib.mkIf (builtins.pathExists ./facter.json) ./facter.json;

  environment.etc.motd.text = "The machine under the desk.\n";
  environment.etc."coder/access-url".text = "http://mini-thinkcentre.local:3000\n";

  systemd.services.inventory = {
    description = "Write down what this machine has";
    environment.REPORT = "/run/inventory";
    script = ''
      grep -c ^processor /proc/cpuinfo >"$REPORT"
      grep ^MemTotal /proc/meminfo >>"$REPORT"
    '';
  };
}
