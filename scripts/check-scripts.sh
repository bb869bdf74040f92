#!/bin/sh
# check-scripts.sh: shellcheck over every script, when there is one.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
PATH=$PATH:$tools/bin
if ! have shellcheck; then
  say "left out: no shellcheck here"
  exit
fi
cd "$root"
say "shellcheck over every script"
shellcheck -x -a scripts/*.sh .ci/run # and what they source
shellcheck -x tests/errors/record.sh
shellcheck -x packages/first-boot/coder-first-boot nixos/tests/*.sh .github/*.sh
# Texts of programs that Nix writes, which have no first line of their own.
shellcheck -s bash nixos/modules/*/*.sh nixos/images/*.sh
