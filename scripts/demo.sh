#!/bin/sh
# demo.sh: builds the mini box's ISO with cbox and boots it until it is ready.
# `make demo` runs it, after `demo.sh --check`, `demo.sh --setup` and a release build of cbox.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

case $(uname -m) in aarch64) arch=aarch64 ;; *) arch=x86_64 ;; esac
case ${1-} in
  --check) exec "$root/scripts/setup.sh" --check rust nix "qemu-$arch" parts ;;
  --setup) exec "$root/scripts/setup.sh" nix "qemu-$arch" parts ;;
esac

{ [ -r "$tools/env" ] && [ -x "$root/target/release/cbox" ]; } ||
  die "Nix, QEMU or cbox is not made ready yet: run \`make demo\` in $root, which does it all"
# shellcheck source=/dev/null
. "$tools/env"
cd "$minibox"
say "building the ISO of examples/minibox: cbox appliance iso"
cbox appliance iso
say "building it again, which has to give the same: cbox reproduce appliance iso"
cbox reproduce appliance iso
say "booting it: cbox boot appliance/iso --until '^cbox-ready '"
cbox boot appliance/iso --until '^cbox-ready ' --timeout 10m
say "done: cbox has built examples/minibox/out/appliance-iso and booted it until it was ready; \`. .tools/env && cd examples/minibox && cbox list\` shows what else there is, \`cbox init\` starts in a flake of your own, and \`make undo\` takes all of it back"
