#!/bin/sh
# /init of the initramfs.
export PATH=/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /etc/modules); do modprobe -q $module 2>/dev/null; done

root=
for word in $(cat /proc/cmdline); do
  case $word in root=*) root=${word#root=} ;; esac
done

# Live: GRUB has put the squashfs into this very file system, so no driver is needed for whatever it
# was started from.  Changes go to memory and are gone with it.
mount_live() {
  mount -t squashfs -o loop,ro /root.squashfs /ro
  mount -t tmpfs tmpfs /rw
  mkdir /rw/upper /rw/work
  mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /mnt
}

# Drives may take a while to show up.
mount_disk() {
  tries=60
  until device=$(findfs "$root" 2>/dev/null) || [ $tries = 0 ]; do
    tries=$((tries - 1))
    sleep 0.5
  done
  mount -t ext4 "$device" /mnt
}

if [ -f /root.squashfs ]; then mount_live; else mount_disk; fi

if [ ! -x /mnt/bin/busybox ]; then
  echo "cbox-failed no root ($root)"
  exec sh
fi
for folder in proc sys dev; do mount --move /$folder /mnt/$folder; done
exec switch_root /mnt /bin/init
