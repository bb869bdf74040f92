# the disk image: made by disko's image builder, booted twice, its root grown
# shellcheck source=tests/box/lib/images.sh
. "$here/lib/images.sh"

check "cbox builds it" built raw
[ "$failed" = 0 ] || exit 1
raw=$(find "$(image raw)/" -name '*.raw')
check "its name" same "$(basename "$raw")" "coder-box-appliance-${system:-x86_64-linux}.raw"
check "it is sparse" sh -c 'test "$(du -m "$1" | cut -f 1)" -lt "$(($(stat -c %s "$1") / 1048576 / 2))"' sh "$raw"
partitions() { "$run" in sfdisk --json "${raw#"$tree"}"; }
check "it has a GPT" sh -c 'echo "$1" | grep -q "\"label\": *\"gpt\""' sh "$(partitions)"
# lacks PATH: the root file system in the image has no such file
root_begins=$(partitions | python3 -c 'import json, sys; print(json.load(sys.stdin)["partitiontable"]["partitions"][1]["start"] * 512)')
lacks() { "$run" in debugfs -R "stat $1" "${raw#"$tree"}?offset=$root_begins" 2>&1 | grep 'File not found'; }
check_not "its root is looked at" lacks /etc/nixos-repo
for identity in /etc/machine-id /etc/ssh/ssh_host_ed25519_key "$state"; do
  check "it has no $identity of its own" lacks "$identity"
done

# A larger drive, as it would be flashed to one: the overlay that cbox keeps, made larger.
overlay=$boot/overlay.qcow2
rm -f "$overlay"
mkdir -p "$boot"
qemu-img create -q -f qcow2 -b "$raw" -F raw "$overlay" 40G
identity() { in_box "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub $state/admin-password | sha256sum"; }
if disk_boots "first boot" raw 36 --keep "$overlay"; then
  before=$(identity)
  in_box sync
  check "first boot: cbox hears it" judged
  if disk_boots "second boot" raw 36 --keep "$overlay"; then
    check "second boot: it is the same machine" same "$(identity)" "$before"
    check "second boot: cbox hears it" judged
  fi
fi
rm -f "$overlay"
