# The root of the running system: busybox under all its names, kernel modules, /etc.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.system) build;
  host = config.nixpkgs.hostPlatform;
in
{
  # Images are made of this, so they are checked here and not in toplevel.nix alone.
  system.build.rootTree = lib.whenAssertionsHold config.assertions (
    pkgs.runCommand "root-tree"
      {
        busybox = pkgs.part host.system "busybox-static";
        inherit (build) kernel etc;
      }
      ''
        mkdir -p $out
        cd $out
        mkdir -p bin boot dev home nix proc root run sys tmp usr var/lib
        cp $(find $busybox -name busybox -type f -perm -1 | head -n1) bin/busybox
        # Asked of the busybox that runs this: the host's may be of another architecture.
        for applet in $(busybox --list | grep -v '^busybox$'); do ln -s busybox bin/$applet; done
        ln -s bin sbin
        ln -s ../bin usr/bin
        ln -s ../bin usr/sbin
        cp -r $kernel/lib lib
        cp -r $etc etc
      ''
  );
}
