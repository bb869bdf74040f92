# The root file system is found by a label, which every disk with such an image has.
# Of two in one machine the one that the firmware booted from is meant: its partitions
# win the links below /dev/disk, here and in the system that comes, whose labels stay
# what they are.

variable=/sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
if [ ! -e "$variable" ]; then
  mount -t efivarfs efivarfs "${variable%/*}" 2>/dev/null || true
fi
if [ ! -e "$variable" ]; then
  echo "The boot loader does not say which disk it is on; the labels alone decide"
  exit 0
fi

# Four bytes of attributes, then UTF-16 in capitals.
loader=$(tail -c +5 "$variable" | tr -d '\0' | tr 'A-F' 'a-f')

# A stick may come late.
udevadm wait --timeout=60 "/dev/disk/by-partuuid/$loader" || true
udevadm settle

property() { udevadm info --query=property --property="$1" --value "$2"; }

disks=
for file in /sys/class/block/*/partition; do
  partition=${file%/partition}
  if [ "$(property ID_PART_ENTRY_UUID "$partition")" = "$loader" ]; then
    disks="$disks $(property ID_PART_ENTRY_DISK "$partition")"
  fi
done

# Word splitting is meant: device numbers.
# shellcheck disable=SC2086
set -- $disks
if [ $# -eq 0 ]; then
  echo "The disk with the boot loader (partition $loader) is not there; the labels alone decide" >&2
  exit 0
fi
if [ $# -gt 1 ]; then
  echo "Disks$disks are copies of each other that were never started alone: the root may be" \
    "on the wrong one. Start once with one of them only." >&2
fi

mkdir -p /run/udev/rules.d
cat >/run/udev/rules.d/99-box-boot-disk.rules <<RULE
SUBSYSTEM=="block", ENV{ID_PART_ENTRY_DISK}=="$1", OPTIONS+="link_priority=100"
RULE
udevadm control --reload
udevadm trigger --settle --action=change --subsystem-match=block
