#!/bin/sh
# usage: enter.sh FOLDER COMMAND...   runs a command in the machine kept there
set -eu
[ -s "$1/pid" ] || {
  echo "bench: error: no machine runs: tests/box/run.sh start" >&2
  exit 1
}
pid=$(cat "$1/pid")
shift
exec nsenter --target "$pid" --all --wdns=/ /run/current-system/sw/bin/env -i \
  PATH=/run/wrappers/bin:/run/current-system/sw/bin TERM=dumb HOME=/root USER=root "$@"
