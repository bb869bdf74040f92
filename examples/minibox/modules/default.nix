# What every host is made of.  Images and the disk layout are imported by the hosts which want them.
{
  imports = [
    ./nixpkgs.nix
    ./boot/initrd.nix
    ./boot/kernel.nix
    ./services/boot-counter.nix
    ./system/assertions.nix
    ./system/etc.nix
    ./system/facter.nix
    ./system/file-systems.nix
    ./system/identity.nix
    ./system/init.nix
    ./system/root-tree.nix
    ./system/services.nix
    ./system/toplevel.nix
  ];
}
