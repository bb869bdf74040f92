#!/bin/sh
# test.sh: set-up and every check. The last line says what passed and what was left out, or which
# check failed.
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
  BOX_FLAKE_PARTS             flake-parts, that its module for it is evaluated with
  BOX_LOCKED=1                takes the inputs that flake.lock names, and flake-parts from the network
  BOX_LONG=1                  starts it for the tests that take minutes, too
  CBOX_OTHER_NIX=DIR[:DIR…]   other releases of Nix, as the folders of their programs: the
                              tests of stores run with each. Without it, the one that
                              `scripts/setup.sh other-nix` fetched
USAGE
    exit
    ;;
esac
cd "$root"
left_out=

# Before anything is downloaded.
wanted=all
[ "${CBOX_SKIP_NIX-}" != 1 ] || wanted="shellcheck curl jq"
# shellcheck disable=SC2086 # a list of words
scripts/setup.sh --check rust $wanted
for part in fmt clippy; do
  cargo "$part" --version >/dev/null 2>&1 ||
    die "\`cargo $part\`, one of the checks, is missing here. Run: rustup component add rustfmt clippy"
done

doing="the set-up"
failed() {
  code=$?
  [ "$code" = 0 ] || say "failed: $doing, for the reason above; when it is mended, run \`make test\` again"
}
trap failed EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck disable=SC2086 # a list of words
scripts/setup.sh $wanted
# shellcheck source=/dev/null
. .tools/env

doing="the format (\`cargo fmt --all\` mends it)"
cargo fmt --all --check
doing="the lints of Rust"
cargo clippy --workspace --all-targets --locked -- -D warnings
doing="packages/first-boot"
scripts/check-first-boot.sh
doing="the lints of scripts"
scripts/check-scripts.sh
doing="the packages of the crates"
scripts/check-packages.sh

doing="a test"
export CBOX_REQUIRE_TOOLS=1
if [ -z "${CBOX_OTHER_NIX-}" ] && [ -x .tools/other-nix/bin/nix ]; then
  export CBOX_OTHER_NIX="$root/.tools/other-nix/bin"
fi
# Where tests say what they left out: a line each, its name and the reason.
CBOX_LEFT_OUT=$root/.tools/left-out
export CBOX_LEFT_OUT
: >"$CBOX_LEFT_OUT"
export INSTA_UPDATE=no # a snapshot that differs fails, and nothing is written
if [ "${CBOX_SKIP_NIX-}" = 1 ]; then
  cargo test --workspace --locked --lib --bins
  cargo test --workspace --locked --doc
  cargo test --package first-boot-tests --locked
  left_out="the end-to-end tests (CBOX_SKIP_NIX=1)"
else
  cargo test --workspace --locked
fi

reasons=$(sed 's/^[^\t]*\t//' "$CBOX_LEFT_OUT" | LC_ALL=C sort | uniq -c |
  awk '{ count = $1; $1 = ""; print (count == 1 ? "1 test" : count " tests") " (" substr($0, 2) ")" }' | paste -sd ';' | sed 's/;/, /g')
left_out="$left_out${left_out:+${reasons:+, }}$reasons"

doing="The Box, or what other flakes use"
scripts/check-box.sh || {
  code=$?
  [ "$code" = 3 ] || exit "$code"
  left_out="$left_out${left_out:+, }a part of The Box and of what other flakes use (no inputs named, or not the machine for it: see above)"
}

say "passed: format, lints, scripts, and all tests${left_out:+ but for what was left out: $left_out}; \`make install\` installs cbox, and \`make demo\` shows it"
