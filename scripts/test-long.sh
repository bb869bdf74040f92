#!/bin/sh
# test-long.sh: the long form of every test that is random or repeated, of which `make test`
# runs a short one. Says what each took; the last line says what passed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

# One line a test: what it holds against what, and the command.
list() {
  cat <<'TESTS'
git's patterns and walks without git, 500 trees with 500 lists of patterns each, against git | cargo test --locked --package cbox-source --lib against_git
every end-to-end test, with each release of Nix in CBOX_OTHER_NIX | scripts/test-releases.sh
90,000 filesystems with a few bits flipped that secrets are to go to | cargo test --locked --package cbox-driver --lib flipped_bits
a file swapped for links and pipes while it is read, for a minute | cargo test --locked --package cbox-source --lib swapped_meanwhile
a build killed with -9 at each call that changes a file, and all through the call of Nix that makes the link: 200 times, and 100 such calls that fail | cargo test --locked --package cbox-cli --test end_to_end killed:: -- --nocapture --test-threads 1
edits of what hosts read in every way that Nix has, 300 times at random, each against Nix | cargo test --locked --package cbox-cli --test end_to_end whatever_is_edited -- --nocapture
the audit of files that are made to take long, 4 MB each | cargo test --locked --package cbox-source --lib a_file_of_nothing_but_words
the audit of nixpkgs' nixos/, if BOX_NIXPKGS names it: under 10 false findings | cargo test --locked --package cbox-source --lib nixos_has_few_false -- --nocapture
text from outside on every command in every way, in a pipe, on a terminal and as a CI job (CBOX_STRINGS=FILE adds a collection of strings) | cargo test --locked --package cbox-cli --test end_to_end hostile::
bytes that somebody has spoilt, ten minutes for each parser (CBOX_FUZZ_SECONDS=N: other times) | cargo test --locked --profile fuzz --package cbox-fuzz
200 builds killed (-9) at random moments: processes and folders that stay, and what is linked | cargo test --locked --package cbox-cli --test end_to_end faults::sigkill::at_random_moments
TESTS
}

case ${1-} in
  -h | --help)
    cat <<'USAGE'
usage: scripts/test-long.sh [WORD]     as `make test-long` runs it; only what WORD is in

runs, each with CBOX_LONG=1:
USAGE
    list | sed 's/^\(.*\) | \(.*\)$/  \1\n    \2/'
    exit
    ;;
esac
cd "$root"
[ ! -r .tools/env ] || . .tools/env
export CBOX_LONG=1

count=0
list | grep -F -e "${1-}" >"${TMPDIR:-/tmp}/test-long.$$" || die "no long test has \`${1-}\` in it: --help lists them"
trap 'rm -f "${TMPDIR:-/tmp}/test-long.$$"' EXIT
while IFS='|' read -r what command; do
  say "$what"
  start=$(date +%s)
  # shellcheck disable=SC2086 # words
  $command </dev/null
  say "passed in $(($(date +%s) - start)) s: $what"
  count=$((count + 1))
done <"${TMPDIR:-/tmp}/test-long.$$"
say "passed: $count long tests"
