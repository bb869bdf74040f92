# The whole of a system under one name, as NixOS has it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  inherit (config.system) build;
  inherit (config.system.nixos) version;
in
{
  options.system.build = mkOption {
    type = types.lazyAttrsOf types.raw;
    default = { };
  };

  config.system.build.toplevel = lib.whenAssertionsHold config.assertions (
    pkgs.runCommand "nixos-system-${config.networking.hostName}-${version}"
      {
        inherit (build) etc initrd kernel rootTree;
        inherit version;
        kernelParams = toString config.boot.kernelParams;
        hostSystem = config.nixpkgs.hostPlatform.system;
      }
      ''
        mkdir -p $out
        ln -s $kernel/vmlinuz $out/kernel
        ln -s $kernel/lib/modules $out/kernel-modules
        ln -s $initrd $out/initrd
        ln -s $etc $out/etc
        ln -s $rootTree $out/sw
        ln -s $rootTree/bin/init $out/init
        echo "$kernelParams" >$out/kernel-params
        echo "$version" >$out/nixos-version
        echo "$hostSystem" >$out/system
      ''
  );
}
