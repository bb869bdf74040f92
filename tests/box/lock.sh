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

# list NAME PACKAGE...: the packages with all that they need
list() {
  printf '  "%s": [\n' "$1"
  shift
  private_apt "$state/amd64" get install --print-uris "$@" | uri_rows
  printf '  ]'
}

apt_state "$state/amd64" amd64 <<SOURCES
deb [signed-by=$key] $main $suite main
SOURCES
private_apt "$state/amd64" get -o Acquire::Check-Valid-Until=false update >&2
kernel=$(private_apt "$state/amd64" cache depends --important linux-image-amd64 |
  sed -n 's/^ *Depends: linux-image-\([^ ]*\)$/\1/p' | head -n1)
{
  printf '{"suite": "%s", "snapshot": "%s",\n"amd64": {\n' "$suite" "$(date -u +%Y%m%dT%H%M%SZ)"
  # shellcheck disable=SC2046 # a list of words
  list tree '?essential' $(grep -v '^#' "$here/packages/debian-packages.txt")
  printf ',\n  "kernel": [\n'
  private_apt "$state/amd64" get download --print-uris "linux-base-$kernel" "linux-binary-$kernel" "linux-modules-$kernel" | uri_rows
  printf '  ]}\n}\n'
} >"$state/lock"
[ "$(grep -c '"name"' "$state/lock")" -gt 100 ] || die "apt named too few packages; $file is left as it was"
replace "$file" <"$state/lock"
say "wrote $file: $(grep -c '"name"' "$file") packages"
