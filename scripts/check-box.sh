#!/bin/sh
# check-box.sh: what other flakes take from this one, and The Box, evaluated and started, where the
# inputs can be had. Exit code 3: something was left out, which it says.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

left_out=
# part COMMAND WHAT: one of them; 3 from it: something could not be checked
part() {
  "$root/$1" || {
    code=$?
    [ "$code" = 3 ] || exit "$code"
    say "LEFT OUT: $2, see above"
    left_out=yes
  }
}

part nixos/tests/library.sh "what other flakes use was not checked, or not all of it"
part nixos/tests/evaluate.sh "The Box was not evaluated"
part tests/box/test.sh "The Box was not started"
[ -z "$left_out" ] || exit 3
