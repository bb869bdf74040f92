# QEMU with its image tool and UEFI firmware, for boots of one architecture: the machine's own, else
# Debian's packages in the private prefix.
# shellcheck shell=sh

# has_firmware ARCH: whether UEFI firmware for it is here, which every package of such describes for
# QEMU. The files themselves only cbox looks for, and in a folder that the user named.
has_firmware() {
  case ${CBOX_FIRMWARE_DIR:-$prefix/usr/share} in "$prefix/usr/share") ;; *) return 0 ;; esac
  for folder in /etc /usr/share "$prefix/usr/share"; do
    for description in "$folder"/qemu/firmware/*.json; do
      if grep -qs '"uefi"' "$description" && grep -q "\"architecture\": *\"$1\"" "$description"; then
        return 0
      fi
    done
  done
  return 1
}

# qemu_here ARCH: all of it is the machine's own; qemu_private ARCH: or in the prefix
qemu_here() { have "qemu-system-$1" && have qemu-img && has_firmware "$1"; }
qemu_private() { prefix_have "qemu-system-$1" qemu-img && has_firmware "$1"; }

# qemu_packages ARCH: the Debian packages of it
qemu_packages() {
  case $1 in
    x86_64) echo "qemu-system-x86 qemu-utils ovmf" ;;
    aarch64) echo "qemu-system-arm qemu-utils qemu-efi-aarch64" ;;
  esac
}

# check_qemu ARCH: the end of the script where setup_qemu could not do its work
check_qemu() {
  qemu_here "$1" || qemu_private "$1" || prefix_suite >/dev/null ||
    die "no qemu-system-$1 with UEFI firmware: install both by your distribution's packages (Debian's are called $(qemu_packages "$1"))"
}

# setup_qemu x86_64|aarch64
setup_qemu() {
  if qemu_here "$1"; then
    say "qemu: $(command -v "qemu-system-$1"), the machine's own"
    return
  fi
  if ! qemu_private "$1"; then
    # shellcheck disable=SC2046 # a list of words
    prefix_install $(qemu_packages "$1")
    prefix_wrapper "qemu-system-$1" -L "$prefix/usr/share/qemu" -L "$prefix/usr/share/seabios"
    prefix_wrapper qemu-img
  fi
  say "qemu: qemu-system-$1 in .tools, from a Debian package"
}
