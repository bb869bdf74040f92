# the live image for aarch64: made on this x86_64 machine, its labels, UEFI
system=aarch64-linux
serial=/dev/ttyAMA0
patience=1200
# shellcheck source=tests/box/lib/images.sh
. "$here/lib/images.sh"
# shellcheck source=tests/box/lib/live.sh
. "$here/lib/live.sh"

check "cbox builds it" built iso
[ "$failed" = 0 ] || exit 1
live_labels
live_boots "CD by UEFI"
