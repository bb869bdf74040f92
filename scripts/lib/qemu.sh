# QEMU with its image tool and UEFI firmware, for boots of one architecture: the machine's own, else
# Debian's packages in the private prefix.
# shellcheck shell=sh

# setup_qemu x86_64|aarch64
setup_qemu() {
  program=qemu-system-$1
  if have "$program" && have qemu-img && firmware "$1" >/dev/null; then
    say "qemu: $(command -v "$program"), the machine's own"
    return
  fi
  case $1 in
    x86_64) packages="qemu-system-x86 qemu-utils ovmf" ;;
    aarch64) packages="qemu-system-arm qemu-utils qemu-efi-aarch64" ;;
  esac
  if ! prefix_have "$program" qemu-img || ! firmware "$1" >/dev/null; then
    prefix_sources >/dev/null || die "no $program with UEFI firmware: install both by your distribution's packages (Debian's are called $packages)"
    # shellcheck disable=SC2086 # a list of words
    prefix_install $packages
    prefix_wrapper "$program" -L "$prefix/usr/share/qemu" -L "$prefix/usr/share/seabios"
    prefix_wrapper qemu-img
  fi
  say "qemu: $program in .tools, from a Debian package"
}
