# the live image: built twice alike, its labels, BIOS and UEFI, CD and stick, no state
# shellcheck source=tests/box/lib/images.sh
. "$here/lib/images.sh"
# shellcheck source=tests/box/lib/live.sh
. "$here/lib/live.sh"

check "cbox builds it" built iso
[ "$failed" = 0 ] || exit 1
check "twice the same" same_again iso '(squashfs|efi-image|efi-directory|\.iso)[^/]*\.drv$'
live_labels
check "the label in isolinux' menu" in_menu /isolinux/isolinux.cfg "MENU LABEL $label\$"

# The same image in four machines, each of which is new.
live_boots "CD by UEFI"
live_boots "stick by UEFI" --as usb
live_boots "CD by BIOS" --bios
live_boots "stick by BIOS" --bios --as usb
