#!/bin/sh
# check-box.sh: evaluates The Box and starts it, where its inputs can be had. Exit code 3:
# something was left out, which it says.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

left_out=
# part COMMAND WHAT: one of the two; 3 from it: nothing could be checked
part() {
  "$root/$1" || {
    code=$?
    [ "$code" = 3 ] || exit "$code"
    say "LEFT OUT: The Box was not $2, see above"
    left_out=yes
  }
}

part nixos/tests/evaluate.sh evaluated
part tests/box/test.sh started
[ -z "$left_out" ] || exit 3
