# mtype and fsck.vfat, with which the tests of secrets on a drive read what cbox wrote to a FAT
# filesystem: the machine's own, else Debian's packages in the private prefix.
# shellcheck shell=sh

# setup_fat: the step itself
setup_fat() {
  if have mtype && have fsck.vfat; then
    say "fat: $(command -v mtype) and $(command -v fsck.vfat), the machine's own"
    return
  fi
  if ! prefix_have mtype fsck.vfat; then
    if ! prefix_suite >/dev/null; then
      say "fat: no mtools and dosfstools here, and no Debian package to take them from: left out"
      return
    fi
    prefix_install mtools dosfstools
    ln -sfn ../sbin/fsck.fat "$prefix/usr/bin/fsck.vfat"
    prefix_wrapper mtype
    prefix_wrapper fsck.vfat
  fi
  say "fat: mtools and dosfstools in .tools, from Debian packages, for the tests alone"
}
