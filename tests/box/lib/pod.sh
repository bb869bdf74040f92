#!/bin/sh
# What a pod of the template k3s-podman is to the programs in it: a user that is not
# root, two capabilities to be had, what Kubernetes hides of /proc, no device for
# overlays, a volume where Podman would keep its images, and the template's settings.
# Runs a script in it.
#
#   pod.sh TREE TEMPLATE HOME SCRIPT     HOME: the folder that outlives the pod
set -eu
if [ -z "${POD_ROOM-}" ]; then
  POD_ROOM=$(mktemp -d)
  export POD_ROOM
  trap 'rmdir "$POD_ROOM"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # What is mounted there goes with the namespaces.
  unshare --mount --pid --fork --ipc --uts --net --kill-child -- "$0" "$@"
  exit
fi

tree=$1 template=$2 home=$3 script=$4
room=$POD_ROOM
mount -t tmpfs tmpfs "$room"
mkdir "$room/up" "$room/work" "$room/root"
mount -t overlay -o "lowerdir=$tree,upperdir=$room/up,workdir=$room/work" overlay "$room/root"
cd "$room/root"

# The image: its user, and Podman's settings for containers in containers.
echo 'podman:x:1000:1000::/home/podman:/bin/sh' >>etc/passwd
echo 'podman:x:1000:' >>etc/group
printf 'podman:1:999\npodman:1001:64535\n' | tee etc/subuid >etc/subgid
chmod u-s usr/bin/newuidmap usr/bin/newgidmap
chroot . setcap cap_setuid=ep /usr/bin/newuidmap
chroot . setcap cap_setgid=ep /usr/bin/newgidmap
mkdir -p etc/containers etc/coder-podman home/podman .old
cat >etc/containers/containers.conf <<'CONF'
[containers]
netns="host"
userns="host"
ipcns="host"
utsns="host"
cgroupns="host"
cgroups="disabled"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger="file"
runtime="crun"
CONF
printf '[storage]\ndriver = "overlay"\n[storage.options.overlay]\nmount_program = "/usr/bin/fuse-overlayfs"\n' \
  >etc/containers/storage.conf

# The template's: the text between the marks of each file.
for file in storage.conf containers.conf; do
  sed -n "/\"$file\" *= <<-EOT/,/^ *EOT/p" "$template" | sed '1d; $d; s/^ *//; s#${local.home}#/home/podman#' \
    >"etc/coder-podman/$file"
done

mount --bind "$home" home/podman
mkdir -p home/podman/.local/share/containers
mount -t tmpfs -o mode=777 tmpfs home/podman/.local/share/containers
mount -t proc proc proc
for path in bus fs irq sys; do
  mount --bind "proc/$path" "proc/$path"
  mount -o remount,bind,ro "proc/$path"
done
for path in kcore keys timer_list; do
  [ ! -e "proc/$path" ] || mount --bind /dev/null "proc/$path"
done
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o ro tmpfs sys/firmware
mount -t cgroup2 -o ro cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs run

pivot_root . .old
umount --lazy /.old
exec /usr/bin/env -i PATH=/usr/bin:/usr/sbin HOME=/home/podman PODMAN_IGNORE_CGROUPSV1_WARNING=1 \
  CONTAINERS_STORAGE_CONF=/etc/coder-podman/storage.conf \
  CONTAINERS_CONF_OVERRIDE=/etc/coder-podman/containers.conf \
  setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all --bounding-set=-all,+setuid,+setgid \
  sh -c "cd; $script"
