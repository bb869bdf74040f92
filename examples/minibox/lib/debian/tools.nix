# The programs that make images: Debian's, run from the store on their own libraries.
{ parts, applets, runBusybox }:
let
  unpack =
    name: debs:
    runBusybox name { debs = map parts.fetch debs; } ''
      mkdir -p $out
      for deb in $debs; do dpkg-deb -x $deb $out; done
      cd $out && rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/info
    '';

  root = unpack "debian-tools-root" parts.tools;
in
{
  inherit root unpack;

  wrapped = runBusybox "debian-tools" {
    inherit root;
    shell = "${applets}/bin/sh";
    programs = [
      "debugfs"
      "grub-mkimage"
      "mcopy"
      "mkfs.ext4"
      "mkfs.vfat"
      "mksquashfs"
      "qemu-img"
      "sfdisk"
      "xorriso"
    ];
  } (builtins.readFile ./wrap-tools.sh);
}
