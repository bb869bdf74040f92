#!/bin/sh
# usage, in the Debian tree and a user namespace of its own: emulate.sh COMMAND…
# From here on the kernel runs programs for aarch64, by QEMU's emulator, which looks
# for their files below this folder first. Nobody outside of the namespace sees it.
set -eu
folder=/usr/gnemul/qemu-aarch64
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null || {
  echo "bench: error: a host for aarch64 needs a kernel whose user namespaces have a binfmt_misc of their own (Linux 6.7, CONFIG_BINFMT_MISC)" >&2
  exit 1
}
sed "s,:/usr/bin/qemu-aarch64:,:$folder/qemu-aarch64:," "$folder/qemu-aarch64.conf" \
  >/proc/sys/fs/binfmt_misc/register
# What goes from / on step by step begins in this folder then.
for place in nix tmp; do mount --rbind "/$place" "$folder/$place"; done
exec "$@"
