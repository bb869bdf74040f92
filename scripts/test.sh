#!/bin/sh
# test.sh: set-up and every check. The last line says what passed and what was left out.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

case ${1-} in
  -h | --help)
    cat <<'USAGE'
usage: scripts/test.sh     as `make test` runs it

environment:
  CBOX_SKIP_NIX=1             leaves the end-to-end tests out, and sets no Nix up
  BOX_NIXPKGS, BOX_DISKO      flake references of the inputs that The Box is evaluated
                              and started with; without them it is left out
  BOX_LOCKED=1                takes the inputs that flake.lock names
  BOX_LONG=1                  starts it for the tests that take minutes, too
USAGE
    exit
    ;;
esac
cd "$root"
left_out=

if [ "${CBOX_SKIP_NIX-}" = 1 ]; then
  scripts/setup.sh shellcheck curl jq
else
  scripts/setup.sh
fi
# shellcheck source=/dev/null
. .tools/env

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
scripts/check-scripts.sh
scripts/check-packages.sh

export CBOX_REQUIRE_TOOLS=1
export INSTA_UPDATE=no # a snapshot that differs fails, and nothing is written
if [ "${CBOX_SKIP_NIX-}" = 1 ]; then
  cargo test --workspace --locked --lib --bins
  cargo test --workspace --locked --doc
  cargo test --package first-boot-tests --locked
  left_out="the end-to-end tests (CBOX_SKIP_NIX=1)"
else
  cargo test --workspace --locked
fi

scripts/check-box.sh || {
  code=$?
  [ "$code" = 3 ] || exit "$code"
  left_out="$left_out${left_out:+, }The Box, evaluated and started (no inputs named, or not the machine for it: see above)"
}

say "passed: format, lints, scripts, and all tests${left_out:+ but for what was left out: $left_out}"
