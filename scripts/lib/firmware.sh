# UEFI firmware for QEMU: where distributions keep it.
# shellcheck shell=sh

# firmware ARCH: the two files (code, then variables) on two lines; non-zero when
# there are none. CBOX_FIRMWARE_DIR is looked at first.
firmware() {
  for share in ${CBOX_FIRMWARE_DIR:+"$CBOX_FIRMWARE_DIR"} "$root/.tools/debian/usr/share" /usr/share; do
    while read -r arch code variables; do
      if [ "$arch" = "$1" ] && [ -r "$share/$code" ] && [ -r "$share/$variables" ]; then
        printf '%s\n' "$share/$code" "$share/$variables"
        return
      fi
    done <<'PLACES'
x86_64  OVMF/OVMF_CODE_4M.fd                 OVMF/OVMF_VARS_4M.fd
x86_64  edk2/x64/OVMF_CODE.4m.fd             edk2/x64/OVMF_VARS.4m.fd
x86_64  edk2/ovmf/OVMF_CODE.fd               edk2/ovmf/OVMF_VARS.fd
x86_64  qemu/ovmf-x86_64-code.bin            qemu/ovmf-x86_64-vars.bin
x86_64  qemu/edk2-x86_64-code.fd             qemu/edk2-i386-vars.fd
aarch64 AAVMF/AAVMF_CODE.fd                  AAVMF/AAVMF_VARS.fd
aarch64 edk2/aarch64/QEMU_EFI-pflash.raw     edk2/aarch64/vars-template-pflash.raw
aarch64 edk2/aarch64/QEMU_CODE.fd            edk2/aarch64/QEMU_VARS.fd
aarch64 qemu/aavmf-aarch64-code.bin          qemu/aavmf-aarch64-vars.bin
aarch64 qemu/edk2-aarch64-code.fd            qemu/edk2-arm-vars.fd
PLACES
  done
  return 1
}
