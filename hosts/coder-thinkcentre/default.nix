# Lenovo ThinkCentre M70q Gen 2: Core i7-11700T, 16 GB, NVMe. Installed before
# the standard disk layout was there, so its file systems are found by UUID.
{
  box.enable = true;

  nixpkgs.hostPlatform = "x86_64-linux";

  boot = {
    loader.systemd-boot.enable = true;
    loader.efi.canTouchEfiVariables = true;
    initrd.availableKernelModules = [
      "xhci_pci"
      "ahci"
      "nvme"
      "usbhid"
      "usb_storage"
      "sd_mod"
    ];
    kernelModules = [ "kvm-intel" ];
  };

  fileSystems = {
    "/" = {
      device = "/dev/disk/by-uuid/49f72dbb-d0cf-4c1c-8646-7fcf20e48ed0";
      fsType = "ext4";
    };
    "/boot" = {
      device = "/dev/disk/by-uuid/3B76-D99A";
      fsType = "vfat";
      options = [
        "fmask=0077"
        "dmask=0077"
      ];
    };
  };

  hardware = {
    cpu.intel.updateMicrocode = true;
    enableRedistributableFirmware = true;
  };

  system.stateVersion = "26.05";
}
