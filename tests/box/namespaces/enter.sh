#!/bin/sh
# usage: enter.sh FOLDER COMMAND...   runs a command in the machine kept there
set -eu
pid=$(cat "$1/pid" 2>/dev/null || true)
if ! kill -0 "$pid" 2>/dev/null; then
  echo "bench: error: no machine runs: tests/box/run.sh start" >&2
  exit 1
fi
shift
exec nsenter --target "$pid" --all --wdns=/ /run/current-system/sw/bin/env -i \
  PATH=/run/wrappers/bin:/run/current-system/sw/bin TERM=dumb HOME=/root USER=root "$@"
