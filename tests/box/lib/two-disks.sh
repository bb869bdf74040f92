#!/bin/sh
# Two disks with the labels of an image, under Debian's udev, in namespaces of
# their own. Prints to which of them the root's label leads, once the first stage has
# looked for the disk with the boot loader.
#
#   two-disks.sh TREE SCRIPT LOADER      LOADER: 1 or 2, the disk that was started, or none
set -eu
if [ "${TWO_DISKS_INSIDE-}" != yes ]; then
  TWO_DISKS_INSIDE=yes exec unshare --mount --net -- "$0" "$@"
fi

tree=$1 script=$2 loader=$3
room=$(mktemp -d)
udev='' loops=''
leave() {
  [ -z "$udev" ] || kill "$udev"
  for loop in $loops; do
    inside partx --delete "$loop" 2>/dev/null || true
    losetup --detach "$loop"
  done
  umount --recursive --lazy "$room"
  rmdir "$room"
}
mount -t tmpfs tmpfs "$room"
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What the firmware and the loader would have left.
mount -t tmpfs tmpfs /sys/firmware
variables=/sys/firmware/efi/efivars
mkdir -p "$variables" "$room/up" "$room/work" "$room/root"
mount -t overlay -o "lowerdir=$tree,upperdir=$room/up,workdir=$room/work" overlay "$room/root"
mount --rbind /sys "$room/root/sys"
mount -t proc proc "$room/root/proc"
mount -t tmpfs tmpfs "$room/root/run"
mount -t tmpfs -o mode=755 tmpfs "$room/root/dev"
mknod -m 666 "$room/root/dev/null" c 1 3
cp "$script" "$room/root/run/first-stage.sh"

inside() { SYSTEMD_IGNORE_CHROOT=1 PATH=/usr/bin:/usr/sbin chroot "$room/root" "$@"; }

node() {
  number=$(cat "/sys/class/block/$1/dev")
  mknod "$room/root/dev/$1" b "${number%:*}" "${number#*:}"
}

nodes='' first='' wanted=''
for disk in 1 2; do
  truncate --size 64M "$room/root/run/$disk.img"
  inside sfdisk --quiet "/run/$disk.img" <<'TABLE'
label: gpt
size=16M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=BOXIMG-ESP
type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=BOXIMG-ROOT
TABLE
  if [ "$disk" = "$loader" ]; then
    wanted=$(inside sfdisk --part-uuid "/run/$disk.img" 1)
  fi
  loop=$(losetup --find --show "$room/root/run/$disk.img")
  loops="$loops $loop"
  : "${first:=$loop}"
  whole=${loop#/dev/}
  node "$whole"
  # A kernel that looks for partitions itself has them already.
  [ -e "/sys/class/block/${whole}p1" ] || inside partx --add "$loop"
  node "${whole}p1"
  node "${whole}p2"
  nodes="$nodes $whole ${whole}p1 ${whole}p2"
done
if [ -n "$wanted" ]; then
  python3 -c 'import sys; sys.stdout.buffer.write(b"\6\0\0\0" + (sys.argv[1] + "\0").upper().encode("utf-16-le"))' \
    "$wanted" >"$variables/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
fi

# Not `inside`: what is ended is to be the program and not a shell around it.
SYSTEMD_IGNORE_CHROOT=1 chroot "$room/root" /usr/lib/systemd/systemd-udevd >"$room/udev.log" 2>&1 &
udev=$!
until inside udevadm control --ping --timeout=5 2>/dev/null; do sleep 0.2; done
for name in $nodes; do
  inside udevadm trigger --action=add --settle "/sys/class/block/$name"
done

inside sh -e /run/first-stage.sh >&2
case $(readlink "$room/root/dev/disk/by-partlabel/BOXIMG-ROOT") in
  "../../${first#/dev/}p2") echo 1 ;;
  *) echo 2 ;;
esac
