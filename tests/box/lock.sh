#!/bin/sh
# lock.sh: pins the Debian packages of the bench at the versions that the mirror has
# today, in packages/debs.lock.json. apt checks the archive's signature here; from
# then on the SHA-256s in the lock are all that is trusted. The suite's systemd is to
# be the nearest to that of nixpkgs; its packages leave the mirror within weeks, and
# are then taken from snapshot.debian.org at the moment that the lock names.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/box/lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"

case ${1-} in
  -h | --help)
    echo "usage: tests/box/lock.sh [SUITE]   (forky if not named)"
    exit
    ;;
esac
suite=${1:-forky}
file=$here/packages/debs.lock.json
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
key=$(debian_keyring "$state/keyring")
main=$(debian_repository debian)
security=$(debian_repository debian-security)

# list ARCH NAME PACKAGE...: the packages with all that they need
list() {
  printf '  "%s": [\n' "$2"
  list_arch=$1
  shift 2
  private_apt "$state/$list_arch" get install --print-uris "$@" | uri_rows
  printf '  ]'
}

# alone ARCH NAME PACKAGE...: the packages themselves
alone() {
  printf ',\n  "%s": [\n' "$2"
  list_arch=$1
  shift 2
  private_apt "$state/$list_arch" get download --print-uris "$@" | uri_rows
  printf '  ]'
}

# kernel ARCH: the packages of Debian's
kernel() {
  version=$(private_apt "$state/$1" cache depends --important "linux-image-$1" |
    sed -n 's/^ *Depends: linux-image-\([^ ]*\)$/\1/p' | head -n1)
  alone "$1" kernel "linux-base-$version" "linux-binary-$version" "linux-modules-$version"
}

# packages FILE...
packages() { (cd "$here/packages" && cat "$@") | grep -v '^#'; }

for arch in amd64 arm64; do
  apt_state "$state/$arch" "$arch" "$key" <<SOURCES
deb $main $suite main
SOURCES
  private_apt "$state/$arch" get -o Acquire::Check-Valid-Until=false update >&2
done
# shellcheck disable=SC2046 # lists of words
{
  printf '{"suite": "%s", "snapshot": "%s",\n"amd64": {\n' "$suite" "$(date -u +%Y%m%dT%H%M%SZ)"
  list amd64 tree '?essential' $(packages programs.txt tools.txt)
  kernel amd64
  # It needs nothing: it is linked statically.
  alone amd64 user qemu-user
  # What it needs is in the tree, with that for x86_64.
  alone amd64 machine qemu-system-arm
  printf '},\n"arm64": {\n'
  list arm64 programs '?essential' $(packages programs.txt)
  kernel arm64
  # What it depends on installs it, which nobody does.
  alone arm64 images grub-efi-arm64-bin
  # The firmware of a virtual machine, which is the same file on every processor.
  alone arm64 firmware qemu-efi-aarch64
  printf '}\n}\n'
} >"$state/lock"
[ "$(grep -c '"name"' "$state/lock")" -gt 500 ] || die "apt named too few packages; $file is left as it was"
replace "$file" <"$state/lock"
say "wrote $file: $(grep -c '"name"' "$file") packages"
