# two image disks in one machine: the root is on the one that was started
root_on() { "$here/lib/two-disks.sh" "$tree" "$root/nixos/images/boot-disk.sh" "$1"; }
for disk in 1 2; do
  check "started from disk $disk, the root is on disk $disk" same "$(root_on $disk 2>>"$said")" "$disk"
done
check "a loader that does not say keeps nothing from starting" root_on none
