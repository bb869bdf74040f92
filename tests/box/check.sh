#!/bin/sh
# check.sh: starts the host that was built last and looks whether it does what it
# promises, a topic at a time. What was built stays; the machines go.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/box/lib/common.sh
. "$here/lib/common.sh"

usage() {
  cat <<'USAGE'
usage: tests/box/check.sh [TOPIC…]

Without a topic: the short ones, some ten minutes together. `--long`: all.
`--list`: the topics.

Exit code: 0 everything holds, 1 something does not, 2 wrong usage.
USAGE
}

# stop_second: the machine beside the first, where a topic had one
stop_second() {
  [ ! -d "$work/second" ] || BENCH_NAME=$name.2 BENCH_WORK=$work/second "$here/run.sh" stop
}

# topics FOLDER
topics() { (cd "$here/$1" && ls -- *.sh 2>/dev/null) | sed 's/\.sh$//'; }

wanted=
for word; do
  case $word in
    -h | --help)
      usage
      exit
      ;;
    --list)
      for topic in $(topics checks) $(topics checks/long); do
        file=$(find "$here/checks" -name "$topic.sh")
        printf '%-16s %s\n' "$topic" "$(sed -n '1s/^# //p' "$file")"
      done
      exit
      ;;
    --long) wanted="$wanted $(topics checks) $(topics checks/long)" ;;
    *)
      [ -n "$(find "$here/checks" -name "$word.sh")" ] || {
        say "there is no topic '$word'; --list shows them"
        exit 2
      }
      wanted="$wanted $word"
      ;;
  esac
done
[ -n "$wanted" ] || wanted=$(topics checks)

missing=$(missing_needs | paste -sd , | sed 's/,/, /g')
[ -z "$missing" ] || die "this machine lacks $missing"
mkdir -p "$work"
exec 9>"$work/lock"
flock --nonblock 9 || die "a bench with the name '$name' is at work; give this one another: BENCH_NAME=…"
# The topic is a child that is waited for, so that a signal is heard at once.
child=
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; "$here/run.sh" stop; stop_second' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
wrong=
: >"$work/verdicts"
for topic in $wanted; do
  began=$(date +%s)
  BENCH_HERE=$here sh -u -c 'topic=$2; . "$1/lib/checks.sh"; . "$3"; exit $failed' \
    check "$here" "$topic" "$(find "$here/checks" -name "$topic.sh")" 9>&- &
  child=$!
  wait "$child" || wrong="$wrong $topic"
  child=
  "$here/run.sh" stop
  say "$topic took $(($(date +%s) - began)) s"
done
[ -z "$wrong" ] || {
  grep '^FAILED' "$work/verdicts" >&2 || true
  say "does not hold:$wrong"
  exit 1
}
say "everything holds"
