# The first root, in memory: loads modules, finds and mounts the real one.
{ config, pkgs, ... }:
{
  system.build.initrd = pkgs.runCommand "initrd" {
    inherit (config.system.build) kernel;
    busybox = pkgs.part config.nixpkgs.hostPlatform.system "busybox-static";
    modules = config.boot.kernelModules;
    init = builtins.readFile ./init.sh;
    passAsFile = [ "init" ];
  } (builtins.readFile ./build-initrd.sh);
}
