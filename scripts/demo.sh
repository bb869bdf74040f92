#!/bin/sh
# demo.sh: builds the mini box's ISO with cbox and boots it until it is ready.
# `make demo` runs it, after `demo.sh --setup` and a release build of cbox.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

if [ "${1-}" = --setup ]; then
  case $(uname -m) in aarch64) arch=aarch64 ;; *) arch=x86_64 ;; esac
  exec "$root/scripts/setup.sh" nix "qemu-$arch" parts
fi

{ [ -r "$tools/env" ] && [ -x "$root/target/release/cbox" ]; } ||
  die "Nix, QEMU or cbox is not made ready yet: run \`make demo\` in $root, which does it all"
# shellcheck source=/dev/null
. "$tools/env"
cd "$minibox"
say "building the ISO of examples/minibox: cbox appliance iso"
cbox appliance iso
say "booting it: cbox boot appliance/iso --until '^cbox-ready '"
cbox boot appliance/iso --until '^cbox-ready ' --timeout 10m
say "the image is $minibox/out/appliance-iso"
