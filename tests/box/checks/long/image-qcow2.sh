# the disk image for virtual machines: made by disko's image builder, booted as it is
# shellcheck source=tests/box/lib/images.sh
. "$here/lib/images.sh"

check "cbox builds it" built qcow2
[ "$failed" = 0 ] || exit 1
qcow2=$(find "$(image qcow2)/" -name '*.qcow2')
check "its name" same "$(basename "$qcow2")" coder-box-appliance-x86_64-linux.qcow2
told() { qemu-img info --output=json "$qcow2" | python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]))' "$1"; }
check "it is a qcow2" same "$(told format)" qcow2
check "the size of its disk" same "$(told virtual-size)" "$((24 * 1024 * 1024 * 1024))"
check "it needs no other file" same "$(told backing-filename)" None

if disk_boots "boot" qcow2 22; then
  check "boot: cbox hears it" judged
fi
