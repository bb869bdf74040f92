#!/bin/sh
# The bench, step by step. See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/box/lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"
CBOX_PARTS_LOCK=$here/packages/debs.lock.json
# shellcheck source=scripts/lib/parts.sh
. "$root/scripts/lib/parts.sh"
lock_of='the bench'
lock_by=tests/box/lock.sh
# shellcheck source=tests/box/lib/inputs.sh
. "$here/lib/inputs.sh"
# shellcheck source=tests/box/lib/tree.sh
. "$here/lib/tree.sh"
# shellcheck source=tests/box/lib/arm64.sh
. "$here/lib/arm64.sh"
# shellcheck source=tests/box/lib/machine.sh
. "$here/lib/machine.sh"
# shellcheck source=tests/box/lib/virtual.sh
. "$here/lib/virtual.sh"

usage() {
  cat <<'USAGE'
usage: tests/box/run.sh STEP …

once:
  tree                  the Debian tree: programs and tools, from the lock
  kernel                Debian's kernel, for virtual machines and images
  arm64                 programs and kernel for aarch64, for virtual machines
  switch                nixpkgs' switch-to-configuration, by cargo: hosts that are
                        built afterwards can be switched
a host in namespaces:
  build [HOST [MODULE…]]  coder-thinkcentre; MODULE: a file that is added to it
  fresh                 a new machine: the disk is empty
  start | stop          boots the one that was built last; ends it
  dhcp                  the neighbour gives addresses, as a router would
  enter COMMAND…        runs a command in the machine
  peer COMMAND…         runs a command at the neighbour
a host in QEMU, emulated:
  build-vm [HOST [LABEL]]   _appliance-disk, whose labels begin with BOXIMG
  start-vm [OPTION…]        stays until it is off
  ask COMMAND [SECONDS]     runs a command in it
images, built by cbox:
  cbox ARGUMENT…        in a copy of the repository, over the bench's packages
  image FORMAT          the path of what it built
anything:
  in COMMAND…           runs a command in the Debian tree
  clean                 removes what this bench made, but not the shared tree

environment: see tests/box/README.md
USAGE
}

# known HOST
known() {
  [ -d "$root/hosts/${1%-*-linux}" ] || die "there is no host '$1'; the hosts are $(cd "$root/hosts" && echo *)"
}

command=${1:-help}
[ $# -eq 0 ] || shift

case $command in
  enter | peer | ask | in) [ $# -gt 0 ] || die "$command: which command?" ;;
  build | build-vm | cbox) need_tree ;;
esac

case $command in
  tree) make_tree ;;
  kernel) fetch_kernel ;;
  arm64)
    make_tree
    make_arm64
    arch=arm64
    fetch_kernel
    ;;
  switch)
    find_inputs
    build_switch
    ;;
  build)
    find_inputs
    host=${1:-coder-thinkcentre}
    known "$host"
    build_host container "$host" result "$@"
    ;;
  fresh) fresh_machine ;;
  start) start_machine ;;
  dhcp) give_addresses ;;
  stop) stop_machine ;;
  enter) exec "$here/namespaces/enter.sh" "$work/machine" "$@" ;;
  peer)
    [ -e "/run/netns/$name-peer" ] || die "there is no neighbour: tests/box/run.sh start"
    exec ip netns exec "$name-peer" "$@"
    ;;
  build-vm)
    find_inputs
    host=${1:-_appliance-disk}
    known "$host"
    build_virtual "$host" "${2:-BOXIMG}"
    ;;
  start-vm) start_virtual "$@" ;;
  ask) exec python3 "$here/qemu/ask.py" "$work/vm" "$@" ;;
  cbox)
    find_inputs
    run_cbox "$@"
    ;;
  image) image_path "${1-}" ;;
  in) in_tree "$@" ;;
  clean)
    mkdir -p "$work"
    exec 9>"$work/lock"
    flock --nonblock 9 || die "checks with the name '$name' are under way: stop them first"
    stop_machine
    fresh_machine
    rm -rf "$work"
    ;;
  help | -h | --help) usage ;;
  *)
    say "there is no step '$command'"
    usage >&2
    exit 2
    ;;
esac
