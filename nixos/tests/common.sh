# What the scripts beside it share: what is said, and copies of this repository. Sourced by them,
# with `here` as the folder that they are in and with `set -eu`.
# shellcheck shell=sh
# shellcheck disable=SC2034 # used by those who source this
# shellcheck disable=SC2154 # set by those who source this
top=$(git -C "$here" rev-parse --show-toplevel)
failures=0

say() { printf '%s\n' "$*"; }
ok() { say "ok    $*"; }
bad() {
  say "FAIL  $*"
  failures=$((failures + 1))
}

# expect_same WHAT BEFORE AFTER, expect_other WHAT BEFORE AFTER
expect_same() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: $2 became $3"; fi; }
expect_other() { if [ "$2" != "$3" ]; then ok "$1"; else bad "$1: still $2"; fi; }

# The last words of a script.
conclude() {
  if [ "$failures" -gt 0 ]; then
    say "$failures checks failed"
    exit 1
  fi
  say "everything holds"
}

nix_() { nix --extra-experimental-features 'nix-command flakes' "$@"; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

repository=git+file://$scratch/first

# The working tree as git sees it, at one moment: people go on editing.
snapshot() {
  mkdir "$scratch/first"
  git -C "$top" ls-files -z --cached --others --exclude-standard |
    (cd "$top" && tar --create --null --files-from=- --ignore-failed-read 2>/dev/null) |
    tar --extract --directory="$scratch/first"
  commit first
}

copy() { cp -R "$scratch/first" "$scratch/$1"; }

commit() {
  (
    cd "$scratch/$1" || exit
    [ -d .git ] || git init -q
    git add --all
    git -c user.name=test -c user.email=test@localhost commit -q --allow-empty -m "a commit"
  )
}
