#!/bin/sh
# usage, in the Debian tree and a user namespace of its own: emulate.sh COMMAND…
# From here on the kernel runs programs for aarch64, by QEMU's emulator, and Nix builds
# for it. Nobody outside of the namespace sees it.
set -eu
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null || {
  echo "bench: error: a host for aarch64 needs a kernel whose user namespaces have a binfmt_misc of their own (Linux 6.7, CONFIG_BINFMT_MISC)" >&2
  exit 1
}
sed 's,:/usr/bin/qemu-aarch64:,:/arm64/qemu-aarch64:,' /arm64/qemu-aarch64.conf \
  >/proc/sys/fs/binfmt_misc/register
# Their libraries have folders of their own, so both architectures fit in one /usr; of
# what both have, the tree's is seen. (The emulator could look in another folder first,
# but not in all that a program asks: a file opened there could not be renamed here.)
mount -t overlay -o lowerdir=/usr:/arm64/usr overlay /usr
# visudo, which checks settings, has a library there.
mount --bind /arm64/usr/libexec/sudo /usr/libexec/sudo
export NIX_CONFIG="extra-platforms = aarch64-linux"
exec "$@"
