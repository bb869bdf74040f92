# What is asked of the live image, for either architecture, beside the words of
# lib/images.sh, which is sourced before.
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2016 # set by lib/checks.sh and lib/images.sh; for the shell in the machine

# live_labels: sets $iso, the file that was built, and looks at what names it
live_labels() {
  iso=$(find "$(image iso)/iso" -name '*.iso')
  check "its name" same "$(basename "$iso")" "coder-box-appliance-${system:-x86_64-linux}.iso"
  check "its volume ID" same "$(dd if="$iso" bs=1 skip=32808 count=32 status=none | tr -d ' ')" CODER_BOX_APPLIANCE
  label='NixOS [^ ]* - Coder Box Appliance'
  check "the label in GRUB's menu" in_menu /EFI/BOOT/grub.cfg "^ *menuentry '$label'"
}

# in_menu PATH PATTERN: a file of the image has such a line
in_menu() {
  rm -f "$boot/menu"
  mkdir -p "$boot"
  "$run" in xorriso -osirrox on -indev "${iso#"$tree"}" -extract "$1" /work/boot/menu &&
    grep "$2" "$boot/menu"
}

# live_boots WHICH OPTION…: the image in a machine that is new
identities=
live_boots() {
  which=$1
  shift
  comes_up "$which" iso "$@" || return
  check "$which: its architecture" same "$(in_box "uname -m")-linux" "${system:-x86_64-linux}"
  check "$which: no unit failed" no_failed_unit
  # (On aarch64 the machine names its serial line to the kernel.)
  [ -n "$system" ] ||
    check "$which: the console was chosen in its menu" cbox_said '^chose in its boot menu: Options > Serial console=ttyS0'
  check "$which: the first boot finishes" eventually "$patience" finished
  check "$which: its source is there" in_box 'test -e /etc/nixos-repo/flake.nix && test -e /etc/nixos-repo/hosts/_appliance_iso'
  check "$which: the console names it" in_box 'grep -q "Source of this image: $(basename "$(realpath /etc/nixos-repo)" | cut -c 1-32)" /etc/issue'
  check "$which: the medium is the one with the label" in_box 'findmnt -n -o SOURCE /iso && test -e /dev/disk/by-label/CODER_BOX_APPLIANCE'
  identity=$(in_box "cat /etc/machine-id $state/admin-password | sha256sum | cut -c 1-16")
  check "$which: nothing of another boot is there" sh -c 'case " $1 " in *" $2 "*) exit 1 ;; esac; test -n "$2"' sh "$identities" "$identity"
  identities="$identities $identity"
  check "$which: cbox hears it" judged
}
