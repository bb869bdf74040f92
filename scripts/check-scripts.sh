#!/bin/sh
# check-scripts.sh: shellcheck over every script, and zizmor over every workflow, when there is one.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
check_with shellcheck "shellcheck over every script"
shellcheck -x -a scripts/*.sh .ci/run # and what they source
shellcheck -x tests/errors/record.sh
shellcheck -x nixos/tests/*.sh coderd/shared/*.sh
shellcheck -x .github/*.sh .github/actions/*/*.sh
# Texts of programs that Nix writes, which have no first line of their own.
shellcheck -s bash nixos/modules/*/*.sh nixos/images/*.sh
shellcheck -x tests/box/*.sh tests/box/namespaces/*.sh tests/box/qemu/*.sh
# What these source, or Nix's builders: set by those who use them.
shellcheck -s sh -e SC2154,SC2034 tests/box/lib/*.sh
# Topics hand texts to other shells, which are meant to expand them (SC2016).
find tests/box/checks -name '*.sh' -exec shellcheck -s sh -e SC2154,SC2034,SC2016,SC1091 {} +
shellcheck -s bash -e SC2154 tests/box/packages/*.sh
check_with zizmor "zizmor over every workflow"
zizmor --offline --quiet action.yml .github
