# The live appliance: boots from a CD or a stick, forgets everything on reboot.
{ config, lib, ... }:
{
  imports = [
    ../../modules/appliance.nix
    ../../modules/images/iso.nix
  ]
  ++ lib.optional (builtins.pathExists ./local.nix) ./local.nix;

  isoImage.volumeID = "CODER_BOX_APPLIANCE";

  environment.etc.motd.text = ''
    Coder Box Appliance, live on ${config.nixpkgs.hostPlatform.system}.
    Nothing that you change here outlives a reboot.
  '';
}
