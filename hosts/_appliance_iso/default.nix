# The live image: boots from a stick or a DVD and keeps nothing.
{
  imports = [ ../../nixos/images/iso.nix ];

  system.stateVersion = "26.05";
}
