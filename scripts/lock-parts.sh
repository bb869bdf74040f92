#!/bin/sh
# lock-parts.sh: pins the Debian parts of the mini box at the versions that the
# mirror has today, in examples/minibox/debs.lock.json. Run it when a part has left
# the mirror. apt checks the archive's signature here; from then on the SHA-256s in
# the lock are all that a build trusts.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"

case ${1-} in
  -h | --help)
    cat <<'USAGE'
usage: scripts/lock-parts.sh [SUITE]

Writes examples/minibox/debs.lock.json for the Debian suite (bookworm if not named).

environment:
  DEBIAN_MIRROR, DEBIAN_KEYRING   as for scripts/setup.sh
  KERNEL_FLAVOUR                  cloud- (the default: 26 MB; virtio and NVMe), or
                                  empty for the kernel with every driver (71 MB)
USAGE
    exit
    ;;
esac
suite=${1:-bookworm}
flavour=${KERNEL_FLAVOUR-cloud-}
lock=${CBOX_PARTS_LOCK:-$minibox/debs.lock.json}
tool_packages="xorriso mtools dosfstools e2fsprogs squashfs-tools fdisk qemu-utils grub-common"

# shellcheck source=/dev/null
[ ! -r "$tools/env" ] || . "$tools/env"
have apt-get || die "needs apt-get, to resolve what depends on what"
have nix || die "needs nix, to hash: run scripts/setup.sh nix"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
key=$(debian_keyring "$work/keyring")
main=$(debian_repository debian)
security=$(debian_repository debian-security)

# busybox_hash ARCH: of the folder bin/busybox alone, unpacked from the package
busybox_hash() {
  mkdir -p "$work/$1/download" "$work/$1/busybox/bin"
  (cd "$work/$1/download" && private_apt "$work/$1" get download busybox-static >&2 && dpkg-deb -x busybox-static_*.deb .)
  cp "$(find "$work/$1/download" -path '*bin/busybox' -type f)" "$work/$1/busybox/bin/"
  nix --extra-experimental-features nix-command hash path --sri "$work/$1/busybox"
}

# lock_arch ARCH BOOTLOADER…: the object of one architecture
lock_arch() {
  arch=$1
  shift
  say "resolving the parts for $arch in $suite of $main"
  apt_state "$work/$arch" "$arch" "$key" <<SOURCES
deb $main $suite main
deb $main $suite-updates main
deb $security $suite-security main
SOURCES
  private_apt "$work/$arch" get update >&2
  kernel=$(private_apt "$work/$arch" cache depends --important "linux-image-$flavour$arch" |
    sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n1)
  [ -n "$kernel" ] || die "$suite has no linux-image-$flavour$arch"
  hash=$(busybox_hash "$arch")
  printf '"%s": {\n  "busybox": "%s",\n  "target": [\n' "$arch" "$hash"
  private_apt "$work/$arch" get download --print-uris "$kernel" busybox-static "$@" | uri_rows
  printf '  ],\n  "tools": [\n'
  # shellcheck disable=SC2086 # a list of words
  private_apt "$work/$arch" get install --print-uris $tool_packages | uri_rows
  printf '  ]}'
}

{
  printf '{"suite": "%s",\n' "$suite"
  lock_arch amd64 grub-efi-amd64-bin grub-pc-bin
  printf ',\n'
  lock_arch arm64 grub-efi-arm64-bin
  printf '}\n'
} >"$work/lock"
[ "$(grep -c '"name"' "$work/lock")" -gt 20 ] || die "apt named too few packages; $lock is left as it was"
replace "$lock" <"$work/lock"
say "wrote $lock: $(grep -c '"name"' "$lock") parts. Next: scripts/setup.sh parts"
