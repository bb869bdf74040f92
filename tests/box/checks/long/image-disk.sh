# the disk image: made by disko's image builder, booted twice, its root grown
# shellcheck source=tests/box/lib/images.sh
. "$here/lib/images.sh"

check "cbox builds it" built raw
raw=$(find "$(image raw)/" -name '*.raw')
check "its name" same "$(basename "$raw")" coder-box-appliance-x86_64-linux.raw
check "it is sparse" sh -c 'test "$(du -m "$1" | cut -f 1)" -lt "$(($(stat -c %s "$1") / 1048576 / 2))"' sh "$raw"
partitions() { "$run" in sfdisk --json "${raw#"$tree"}"; }
check "it has a GPT" sh -c 'echo "$1" | grep -q "\"label\": *\"gpt\""' sh "$(partitions)"

# A larger drive, as it would be flashed to one: the overlay that cbox keeps, made larger.
overlay=$boot/overlay.qcow2
rm -f "$overlay"
mkdir -p "$boot"
qemu-img create -q -f qcow2 -b "$raw" -F raw "$overlay" 40G
identity() { in_box "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub $state/admin-password | sha256sum"; }
boots() {
  title=$1
  boot_image raw --keep "$overlay"
  if ! eventually 500 up; then
    verdict_failed "$title: it is running"
    failed_units
    stopped
    return 1
  fi
  verdict_ok "$title: it is running"
  check "$title: no unit failed" no_failed_unit
  check "$title: systemd-boot was asked for the console" cbox_said '^its serial console: systemd-boot'
  check "$title: the console speaks" console_has 'Reached target'
  check "$title: the first boot finishes" eventually 300 finished
  check "$title: the root fills the drive" in_box 'test "$(df --output=size -BG / | tail -n 1 | tr -dc 0-9)" -ge 36'
  check "$title: its source is there" in_box 'test -e /etc/nixos-repo/flake.nix'
  check "$title: the root is the one of the drive that it booted from" in_box 'findmnt -n -o SOURCE / | grep -q ^/dev/vda'
}
if boots "first boot"; then
  before=$(identity)
  in_box sync
  check "first boot: cbox hears it" judged
  if boots "second boot"; then
    check "second boot: it is the same machine" same "$(identity)" "$before"
    check "second boot: cbox hears it" judged
  fi
fi
rm -f "$overlay"
