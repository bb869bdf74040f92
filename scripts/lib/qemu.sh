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

# setup_qemu x86_64|aarch64
setup_qemu() {
  program=qemu-system-$1
  if have "$program" && have qemu-img && has_firmware "$1"; then
    say "qemu: $(command -v "$program"), the machine's own"
    return
  fi
  case $1 in
    x86_64) packages="qemu-system-x86 qemu-utils ovmf" ;;
    aarch64) packages="qemu-system-arm qemu-utils qemu-efi-aarch64" ;;
  esac
  if ! prefix_have "$program" qemu-img || ! has_firmware "$1"; then
    prefix_sources >/dev/null || die "no $program with UEFI firmware: install both by your distribution's packages (Debian's are called $packages)"
    # shellcheck disable=SC2086 # a list of words
    prefix_install $packages
    prefix_wrapper "$program" -L "$prefix/usr/share/qemu" -L "$prefix/usr/share/seabios"
    prefix_wrapper qemu-img
  fi
  say "qemu: $program in .tools, from a Debian package"
}
