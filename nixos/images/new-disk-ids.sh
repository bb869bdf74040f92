# Copies of one image have the same numbers on their disks and partitions, by which
# the loader says where it is. So each gets its own on its first start. Nothing is
# found by them: the old ones count until the next start.
root=$(findmnt --noheadings --output SOURCE /)
disk=/dev/$(lsblk --noheadings --output PKNAME "$root")
sgdisk --randomize-guids "$disk"
touch "$STATE_DIRECTORY/own-disk-ids"
