# A machine. Its host name is the name of this folder.
{
  nixpkgs.hostPlatform = "x86_64-linux";

  # As `nixos-generate-config --show-hardware-config` says on the machine.
  fileSystems = {
    "/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
    "/boot" = {
      device = "/dev/disk/by-label/boot";
      fsType = "vfat";
      options = [ "umask=0077" ];
    };
  };
  boot.loader = {
    systemd-boot.enable = true;
    efi.canTouchEfiVariables = true;
  };

  services.openssh.enable = true;

  # The release that the machine was installed with; it stays as it is.
  system.stateVersion = "26.05";
}
