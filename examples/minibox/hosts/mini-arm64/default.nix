# An ARM machine, most often a virtual one.
{ lib, ... }:
{
  imports = [
    ../../modules/disk-layout.nix
  ]
  ++ lib.optional (builtins.pathExists ./local.nix) ./local.nix;

  nixpkgs.hostPlatform = "aarch64-linux";
  hardware.facter.reportPath = lib.mkIf (builtins.pathExists ./facter.json) ./facter.json;

  environment.etc.motd.text = "The machine that is not there.\n";
  environment.etc."coder/access-url".text = "http://mini-arm64.local:3000\n";

  systemd.services.device-tree = {
    description = "Write down which board this is";
    environment.REPORT = "/run/board";
    script = ''
      cat /proc/device-tree/model >"$REPORT" 2>/dev/null || echo unknown >"$REPORT"
    '';
  };
}
