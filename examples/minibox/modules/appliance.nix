# What every appliance image has in common, live or on a disk.
{ config, ... }:
let
  inherit (config.nixpkgs.hostPlatform) system;
  inherit (config.system.nixos) distroName version;
in
{
  imports = [ ./nixos-repo.nix ];

  image.baseName = "coder-box-appliance-${system}";
  boot.loader.grub.configurationName = "${distroName} ${version} - Coder Box Appliance";

  systemd.services.welcome = {
    description = "Say what this appliance is";
    environment.APPLIANCE = "coder-box-appliance-${system}";
    script = ''echo "This is $APPLIANCE." >/run/welcome'';
  };
}
