# The appliance on a disk of its own: a virtual machine's, or a stick that keeps its state.
{ config, lib, ... }:
{
  imports = [
    ../../modules/appliance.nix
    ../../modules/images/disk.nix
  ]
  ++ lib.optional (builtins.pathExists ./local.nix) ./local.nix;

  disko.devices.disk.main.imageSize = "512M";

  environment.etc.motd.text = ''
    Coder Box Appliance on ${config.nixpkgs.hostPlatform.system}.
    The source of this system is in /etc/nixos-repo.
  '';
}
