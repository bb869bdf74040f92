# A virtual machine on the standard disk layout, for trying an installation.
{ modulesPath, ... }:
{
  imports = [ (modulesPath + "/profiles/qemu-guest.nix") ];

  box = {
    enable = true;
    diskLayout = {
      enable = true;
      device = "/dev/vda";
    };
  };

  nixpkgs.hostPlatform = "aarch64-linux";

  system.stateVersion = "26.05";
}
