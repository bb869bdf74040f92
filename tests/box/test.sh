#!/bin/sh
# test.sh: the bench as a test. It starts every host of the flake that this machine
# can start, where the inputs are given and the machine has what it takes; otherwise
# it says in one sentence what is missing, and that nothing was started.
#
# BOX_LONG=1 adds what takes minutes: bad days, hosts in QEMU.
# Exit code: 0 everything holds, 1 something does not, 3 nothing was started.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/box/lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=tests/box/lib/inputs.sh
. "$here/lib/inputs.sh"

left_out() {
  say "LEFT OUT  The Box was not started: $1"
  exit 3
}

have_inputs ||
  left_out "set BOX_NIXPKGS and BOX_DISKO to flake references of nixpkgs and disko, or BOX_LOCKED=1"
missing=$(missing_needs | paste -sd , | sed 's/,/, /g')
[ -z "$missing" ] || left_out "this machine lacks $missing"

say "this takes half an hour on two processors; copying the inputs to the store comes first"
"$here/run.sh" tree
# Every topic on one host; on the others what a host must do at all.
wrong=
start() { # start HOST TOPIC…
  host=$1
  shift
  say "== $host: building it"
  "$here/run.sh" build "$host"
  BENCH_FAILED=$work/failed/$host "$here/check.sh" "$@" || wrong="$wrong $host"
  say "== $host: done"
}
start _appliance_iso first-boot
start _appliance-disk first-boot
start coder-thinkcentre ${BOX_LONG:+--long}
[ -z "$wrong" ] || {
  say "does not do what it must:$wrong"
  exit 1
}
