# The persistent image, as a raw disk or for a virtual machine.
{
  imports = [ ../../nixos/images/disk.nix ];

  system.stateVersion = "26.05";
}
