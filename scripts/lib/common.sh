# Shared by all scripts: messages, paths, small helpers. Sourced, never run;
# the caller has set $root (the top of the repository) and runs with `set -eu`.
# shellcheck shell=sh
# shellcheck disable=SC2034 # used by those who source this

tools=$root/.tools             # everything that setup.sh makes lives here
minibox=$root/examples/minibox # the flake whose parts and image we handle

# say TEXT…: one line on stderr about what is going on
say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

# die TEXT…: say why, and give up
die() {
  say "error: $*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# check_with TOOL TEXT…: begin a check of the repository, or leave it out where there is no TOOL
check_with() {
  PATH=$PATH:$tools/bin
  if ! have "$1"; then
    say "left out: no $1 here"
    exit
  fi
  cd "$root"
  shift
  say "$*"
}

# quoted TEXT: as one word of the shell, whatever is in it
quoted() { printf '%s\n' "$1" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/"; }

# at_least VERSION WANTED: the first two numbers of VERSION are those of WANTED or later
at_least() {
  case $1 in [0-9]*.[0-9]*) ;; *) return 1 ;; esac
  set -- "${1%%.*}" "${1#*.}" "${2%%.*}" "${2#*.}"
  set -- "$1" "${2%%[!0-9]*}" "$3" "${4%%[!0-9]*}"
  [ "$1" -gt "$3" ] || { [ "$1" -eq "$3" ] && [ "$2" -ge "$4" ]; }
}

# replace FILE: write stdin to FILE in one step, so that nobody sees half of it
replace() {
  cat >"$1.new.$$"
  mv -f "$1.new.$$" "$1"
}

# without_dir DIR: $PATH less DIR
without_dir() { printf '%s' "$PATH" | tr : '\n' | grep -vxF "$1" | paste -sd: -; }
