#!/bin/sh
# /etc/rc: from a mounted root to a running system.
export PATH=/bin

mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
hostname -F /etc/hostname
ip link set lo up

# One after another, in the order of their names.  A unit that fails is told and does not stop the rest.
start_unit() (
  # Lines, not words, and no patterns: a value may hold spaces and stars.
  IFS='
'
  set -f
  for assignment in $(sed -n 's/^Environment="\(.*\)"$/\1/p' "$1"); do
    # shellcheck disable=SC2163 # NAME=value, as it stands in the unit
    export "$assignment"
  done
  exec "$(sed -n 's/^ExecStart=//p' "$1")"
)
for unit in /etc/systemd/system/*.service; do
  start_unit "$unit" || echo "$(basename "$unit") failed" >/dev/console
done

# For a person: what the root is, whether state lasts, how long it took.
root=$(awk '$2 == "/" { type = $3 } END { print type }' /proc/mounts)
boots=$(cat /var/lib/box/boots)
uptime=$(cut -d' ' -f1 /proc/uptime)
if [ -f /etc/nixos-repo/flake.nix ]; then repo=ok; else repo=none; fi
echo "cbox-info root=$root boots=$boots repo=$repo uptime=$uptime" >/dev/console

# For boot tests: cbox-ready <host> <arch> <hash of the baked source>
source=$(cat /etc/nixos-repo.hash 2>/dev/null || echo none)
echo "cbox-ready $(hostname) $(uname -m) $source" >/dev/console

sync
if grep -qw cbox.poweroff /proc/cmdline; then
  mount -o remount,ro / 2>/dev/null
  poweroff -f
fi
