# shellcheck shell=bash
# Log lines and the exit codes. Everything goes to stderr, and no caller hands
# a secret to these functions.

readonly exit_usage=64 exit_broken_template=65 exit_no_input=66 exit_bug=70 \
  exit_io=74 exit_later=75 exit_locked_out=77 exit_config=78

log() {
  printf 'first-boot: %s\n' "$*" >&2
}

# die CODE MESSAGE: not to be called inside $(...), where it would only end the
# subshell.
die() {
  log "$2"
  tell_person "$1" "$2"
  exit "$1"
}

die_usage() {
  log "$1 (see --help)"
  exit "$exit_usage"
}
