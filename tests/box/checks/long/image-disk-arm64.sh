# the disk image for aarch64: made on this x86_64 machine, booted twice, its root grown
system=aarch64-linux
serial=/dev/ttyAMA0
patience=1200
# shellcheck source=tests/box/checks/long/image-disk.sh
. "$here/checks/long/image-disk.sh"
