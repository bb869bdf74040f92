# What every script of the bench needs: where things are, messages, and what the
# machine must have. Sourced, with $here set to tests/box.
# shellcheck shell=sh
# shellcheck disable=SC2034 # used by those who source this

root=$(cd "$here/../.." && pwd)
tools=$root/.tools
minibox=$root/examples/minibox

# Shared by benches side by side: the Debian tree with its Nix store.
cache=${BENCH_CACHE:-$tools/box}
tree=$cache/debian
# One bench's own: its machines, its logs. NAME is the first part of the names of
# its network namespaces and control groups; a second machine beside it is NAME.2.
name=${BENCH_NAME:-bench}
work=${BENCH_WORK:-$cache/benches/$name}

say() { printf 'bench: %s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

case $name in
  *[!a-z0-9.-]* | -* | .*) die "BENCH_NAME is '$name': small letters, digits and - make a name" ;;
esac
[ "${#name}" -le 12 ] || die "BENCH_NAME is '$name': at most 10 characters, or its interfaces have no names"

have() { command -v "$1" >/dev/null 2>&1; }

# need_cbox: sets BENCH_CBOX to the project's own driver, unless another one is named
need_cbox() {
  BENCH_CBOX=${BENCH_CBOX:-$root/target/release/cbox}
  export BENCH_CBOX
  [ -x "$BENCH_CBOX" ] || (cd "$root" && cargo build --quiet --release --package cbox-cli)
}

# missing_needs: what this machine lacks to start a host, as words; nothing when
# it has everything.
missing_needs() {
  [ "$(id -u)" = 0 ] || echo "root"
  [ "$(uname -m)" = x86_64 ] || echo "an x86_64 processor"
  for program in python3 unshare nsenter setsid flock ip mke2fs curl apt-get dpkg-deb cargo rustc; do
    have "$program" || echo "$program"
  done
  grep -q ' cgroup2 ' /proc/self/mounts || echo "a mounted cgroup2"
  if [ ! -e "$tree/made" ]; then
    mkdir -p "$cache"
    free=$(df -Pk "$cache" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge 8 ] || echo "8 GB of free disk below $cache"
  fi
}
