# Hosts and images in QEMU, by emulation.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by common.sh and inputs.sh

# build_virtual HOST LABEL: what a virtual machine boots from, below $work/vm
build_virtual() {
  fetch_kernel
  mkdir -p "$work/vm"
  build_host qemu "$1" result-vm
  in_tree sh /bench/qemu/disks.sh /work/vm "$(readlink "$work/result-vm")" /kernel "$2"
}

start_virtual() {
  rm -f "$work/vm/console.log" "$work/vm/shell.log"
  ONCE=1 exec python3 "$here/qemu/qemu.py" "$work/vm" "$(echo "$cache"/kernel/lib/modules/*/vmlinuz)" \
    "${BENCH_QEMU:-qemu-system-x86_64}" "$@"
}

# write_stand_in: a flake in place of nixpkgs, for a driver that evaluates purely
write_stand_in() {
  fetch_kernel
  stand_in=$work/stand-in
  rm -rf "$stand_in"
  mkdir -p "$stand_in"
  cp -r "$here/packages" "$here/host" "$here/image" "$here/stand-ins" "$stand_in/"
  mv "$stand_in/image/stand-in-flake.nix" "$stand_in/flake.nix"
  printf '%s' "$(cat "$tree/made")" >"$stand_in/generation"
  ls "$cache/kernel/lib/modules" >"$stand_in/kernel-version"
  in_tree nix flake lock path:/work/stand-in
}

# run_cbox ARGUMENT…: the project's own driver, in the tree and without a network:
# what is missing says so at once.
run_cbox() {
  write_stand_in
  install -D "${BENCH_CBOX:?cbox, built for this machine}" "$work/bin/cbox"
  mkdir -p "$work/repository"
  (cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read) |
    (cd "$work/repository" && find . -mindepth 1 -maxdepth 1 ! -name out ! -name .git -exec rm -rf {} + && tar --extract)
  in_tree sh -eu -c '
    cd /work/repository
    [ -d .git ] || git init --quiet
    git add --all
    exec unshare --net /work/bin/cbox "$@"' sh "$@" \
    --override-input nixpkgs path:/work/stand-in --override-input disko path:/disko
}

# image_path FORMAT: where cbox put it, on this side of the tree
image_path() { echo "$tree$(readlink "$work/repository/out/appliance-$1")"; }
