# Hosts and images in QEMU, by emulation.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by common.sh and inputs.sh

# build_virtual HOST LABEL: what a virtual machine boots from, below $work/vm
build_virtual() {
  busybox=/usr/bin/busybox
  if [ "$(platform_of "$1")" = aarch64-linux ]; then
    have "${BENCH_QEMU_ARM64:-qemu-system-aarch64}" || die "needs qemu-system-aarch64 9.1 or newer, for a host for aarch64"
    arch=arm64
    make_arm64
    busybox=/arm64$busybox
  fi
  fetch_kernel
  mkdir -p "$work/vm"
  echo "$arch" >"$work/vm/arch"
  build_host qemu "$1" result-vm
  in_tree sh /bench/qemu/disks.sh /work/vm "$(readlink "$work/result-vm")" /kernel "$2" "$busybox"
}

# platform_of HOST: what it is for
platform_of() {
  mkdir -p "$work"
  in_tree nix-instantiate --eval --raw /bench/host --argstr nixpkgs /nixpkgs --argstr disko /disko \
    --argstr project /project --argstr host "$1" -A config.nixpkgs.hostPlatform.system 2>"$work/build.log" || {
    tail -n 30 "$work/build.log" >&2
    die "$1 could not be evaluated; the whole log is $work/build.log"
  }
}

start_virtual() {
  [ -s "$work/vm/toplevel" ] || die "no virtual machine is built yet: tests/box/run.sh build-vm"
  rm -f "$work/vm/console.log" "$work/vm/shell.log"
  arch=$(cat "$work/vm/arch")
  case $arch in
    amd64) qemu=${BENCH_QEMU:-qemu-system-x86_64} ;;
    arm64) qemu=${BENCH_QEMU_ARM64:-qemu-system-aarch64} ;;
  esac
  ONCE=1 exec python3 "$here/qemu/qemu.py" "$work/vm" "$(echo "$(kernel_folder)"/lib/modules/*/vmlinuz)" \
    "$arch" "$qemu" "$@"
}

# write_stand_in: flakes in place of nixpkgs and disko, for a driver that evaluates purely
write_stand_in() {
  fetch_kernel
  build_first_boot
  [ "$arch" = arm64 ] || build_switch
  stand_in=$work/stand-in
  rm -rf "$stand_in"
  mkdir -p "$stand_in"
  cp -r "$here/packages" "$here/host" "$here/image" "$here/stand-ins" "$stand_in/"
  mv "$stand_in/image/stand-in-flake.nix" "$stand_in/flake.nix"
  cp "$first_boot" "$stand_in/"
  case $arch in
    amd64)
      cp "$cache/switch/switch-to-configuration" "$stand_in/"
      packages=$tree/var/lib/dpkg/status
      ;;
    arm64) packages=$arm64/made ;;
  esac
  # As debian.nix itself asks, so that hosts and images share Debian's files.
  printf '%s' "$(sha256sum <"$packages" | cut -d ' ' -f 1)" >"$stand_in/generation"
  ls "$(kernel_folder)/lib/modules" >"$stand_in/kernel-version"
  sha256sum <"$(kernel_folder)/made" | cut -d ' ' -f 1 >"$stand_in/kernel-made"
  in_tree nix flake lock path:/work/stand-in
  # disko itself, but for the two minutes that its builder gives udev: an emulated machine
  # beside others takes longer.
  rm -rf "$work/disko"
  cp -r "$disko" "$work/disko"
  chmod -R u+w "$work/disko"
  sed -i 's/udevadm settle --timeout=120/udevadm settle --timeout=900/' "$work/disko/lib/make-disk-image.nix"
}

# run_cbox ARGUMENT…: the project's own driver, in the tree and without a network:
# what is missing says so at once.
run_cbox() {
  need_cbox
  case " $* " in
    *aarch64* | *arm64*)
      arch=arm64
      make_arm64
      ;;
  esac
  write_stand_in
  install -D "$BENCH_CBOX" "$work/bin/cbox"
  mkdir -p "$work/repository"
  (cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read) |
    (cd "$work/repository" && find . -mindepth 1 -maxdepth 1 ! -name out ! -name .git -exec rm -rf {} + && tar --extract)
  in_tree sh -eu -c '
    cd /work/repository
    [ -d .git ] || git init --quiet
    git add --all
    exec unshare --net /work/bin/cbox "$@"' sh "$@" \
    --override-input nixpkgs path:/work/stand-in --override-input disko path:/work/disko
}

# image_path FORMAT: where cbox put it, on this side of the tree
image_path() {
  [ -n "$1" ] || die "which image: iso, raw or qcow2?"
  link=$work/repository/out/appliance-$1
  [ -L "$link" ] || die "no $1 was built yet: tests/box/run.sh cbox appliance $1"
  echo "$tree$(readlink "$link")"
}
