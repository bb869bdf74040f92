#!/bin/sh
# other-nix.sh: a newer release of Nix, of Debian's unstable, in .tools/other-nix, for the tests
# that run with several. Nothing else uses it. `scripts/setup.sh other-nix` runs this.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
tools=$tools/other-nix
# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"
# shellcheck source=scripts/lib/prefix.sh
. "$root/scripts/lib/prefix.sh"

if ! { have apt-get && have dpkg-deb; } || [ "$(os ID)-${DEBIAN_MIRROR:+mirror}" = ubuntu- ]; then
  say "no Debian package to take another Nix from: left out"
  exit
fi
prefix_suite() { echo sid; }
if ! prefix_have nix nix-store; then
  prefix_install nix-bin patchelf
  prefix_patch nix
  for link in "$prefix"/usr/bin/nix-*; do
    ln -sfn "$prefix/usr/bin/nix" "$tools/bin/$(basename "$link")"
  done
fi
say "$("$tools/bin/nix" --version) in .tools/other-nix, from a Debian package"
