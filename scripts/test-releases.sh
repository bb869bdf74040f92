#!/bin/sh
# test-releases.sh: the end-to-end tests, once with each release of Nix in CBOX_OTHER_NIX: folders
# of its programs, separated by colons.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
cd "$root"

if [ -z "${CBOX_OTHER_NIX-}" ] && [ -x .tools/other-nix/bin/nix ]; then
  CBOX_OTHER_NIX=$root/.tools/other-nix/bin
fi
[ -n "${CBOX_OTHER_NIX-}" ] || { say "LEFT OUT: CBOX_OTHER_NIX names no other release of Nix"; exit; }
printf '%s\n' "$CBOX_OTHER_NIX" | tr : '\n' | while read -r folder; do
  [ -x "$folder/nix" ] || die "there is no $folder/nix, which CBOX_OTHER_NIX names"
  say "with $("$folder/nix" --version)"
  PATH=$folder:$PATH cargo test --locked --package cbox-cli --test end_to_end </dev/null
done
