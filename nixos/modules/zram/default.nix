# Compressed swap in memory. The disk layout has no swap partition: a workshop
# machine should slow down under load, not wear out its drive.
{ config, lib, ... }:
let
  cfg = config.box.zram;
in
{
  options.box.zram = {
    enable = lib.mkEnableOption "compressed swap in memory";

    memoryPercent = lib.mkOption {
      type = lib.types.ints.between 1 200;
      default = 50;
      description = "Size of the swap device, uncompressed, in percent of the memory.";
    };
  };

  config = lib.mkIf cfg.enable {
    zramSwap = {
      enable = true;
      inherit (cfg) memoryPercent;
    };

    # Swap in memory is far cheaper than reading a page back from the drive.
    boot.kernel.sysctl."vm.swappiness" = lib.mkDefault 150;
  };
}
