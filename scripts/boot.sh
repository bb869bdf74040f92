#!/bin/sh
# boot.sh: boots an image in QEMU until a line appears on its serial console.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
# shellcheck source=scripts/lib/firmware.sh
. "$root/scripts/lib/firmware.sh"

build_one="Build one first: \`make appliance/iso\` in $root; its last line is the image"

usage() {
  cat <<'USAGE'
usage: scripts/boot.sh IMAGE [option…]

Boots IMAGE (a file, or a folder with one image in it) without a window, on a
throwaway overlay: the image is never written to. Prints the line it waited for.

  --arch x86_64|aarch64      of the image   (by its file name, else this machine's)
  --firmware bios|efi                       (bios for an x86_64 ISO, else efi)
  --as cdrom|usb|virtio|ahci|nvme           (cdrom for an ISO, else virtio)
  --accel tcg|kvm            emulate, or use the processor      (tcg)
  --memory MIB                                                  (1024)
  --timeout SECONDS                                             (300)
  --until REGEX              extended regular expression for a whole line of the
                             console                            (^cbox-ready )
  --log FILE                 keep the console's text there

exit codes: 0 the line appeared; 1 time was up, or QEMU ended before; 2 wrong usage
USAGE
}

die_usage() {
  say "error: $*"
  exit 2
}
wrong() { die_usage "$* (see scripts/boot.sh --help)"; }

image='' arch='' firmware='' bus='' accel=tcg memory=1024 timeout=300 until='^cbox-ready ' log=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit ;;
    --arch | --firmware | --as | --accel | --memory | --timeout | --until | --log)
      [ $# -ge 2 ] || wrong "$1 needs a value"
      case $1 in
        --arch) arch=$2 ;;
        --firmware) firmware=$2 ;;
        --as) bus=$2 ;;
        --accel) accel=$2 ;;
        --memory) memory=$2 ;;
        --timeout) timeout=$2 ;;
        --until) until=$2 ;;
        --log) log=$2 ;;
      esac
      shift 2
      ;;
    -*) wrong "no such option: $1" ;;
    *)
      [ -z "$image" ] || wrong "more than one image: $image and $1"
      image=$1
      shift
      ;;
  esac
done
[ -n "$image" ] || wrong "no image named"
if [ -d "$image" ]; then
  found=$(find -L "$image" -maxdepth 2 -type f \( -name '*.iso' -o -name '*.raw' -o -name '*.qcow2' \))
  [ -n "$found" ] || die_usage "no image in the folder $image. $build_one"
  [ "$(printf '%s\n' "$found" | wc -l)" = 1 ] || wrong "several images in the folder $image"
  image=$found
fi
[ -r "$image" ] || die_usage "no such image: $image. $build_one"
case $timeout in *[!0-9]* | '') wrong "--timeout takes whole seconds, not '$timeout'" ;; esac

# What was not said, from the file's name.
case $image in *.qcow2) format=qcow2 ;; *) format=raw ;; esac
if [ -z "$arch" ]; then
  case $(basename "$image") in
    *aarch64* | *arm64*) arch=aarch64 ;;
    *x86_64* | *amd64*) arch=x86_64 ;;
    *) arch=$(uname -m) ;;
  esac
fi
case $image in *.iso) bus=${bus:-cdrom} ;; *) bus=${bus:-virtio} ;; esac
case $arch-$image in x86_64-*.iso) firmware=${firmware:-bios} ;; *) firmware=${firmware:-efi} ;; esac

case $accel-$arch in
  kvm-*) processor=host ;;
  *-aarch64) processor=cortex-a72 ;;
  *) processor=max ;;
esac
case $arch in
  x86_64) set -- -machine "q35,accel=$accel" ;;
  aarch64) set -- -machine "virt,accel=$accel" ;;
  *) wrong "--arch is x86_64 or aarch64, not '$arch'" ;;
esac
set -- "$@" -cpu "$processor" -smp 2 -m "$memory" -display none -monitor none -parallel none -no-reboot -nic none

case $firmware-$arch in
  efi-*)
    places=$(firmware "$arch") ||
      die "no UEFI firmware for $arch: run scripts/setup.sh qemu-$arch, or set CBOX_FIRMWARE_DIR"
    set -- "$@" -drive "if=pflash,format=raw,readonly=on,file=$(printf '%s\n' "$places" | sed -n 1p)" \
      -drive "if=pflash,format=raw,snapshot=on,file=$(printf '%s\n' "$places" | sed -n 2p)"
    ;;
  bios-x86_64) ;;
  *) wrong "--firmware $firmware is not to be had on $arch" ;;
esac

file=$(printf '%s' "$image" | sed 's/,/,,/g') # a comma in a name, as QEMU wants it
case $bus in
  cdrom) set -- "$@" -drive "if=none,id=image,media=cdrom,readonly=on,format=$format,file=$file" ;;
  *) set -- "$@" -drive "if=none,id=image,snapshot=on,format=$format,file=$file" ;;
esac
case $bus-$arch in
  cdrom-x86_64) set -- "$@" -device ide-cd,drive=image,bootindex=0 ;;
  cdrom-*) set -- "$@" -device virtio-scsi-pci -device scsi-cd,drive=image,bootindex=0 ;;
  usb-*) set -- "$@" -device qemu-xhci -device usb-storage,drive=image,removable=on,bootindex=0 ;;
  virtio-*) set -- "$@" -device virtio-blk-pci,drive=image,bootindex=0 ;;
  ahci-*) set -- "$@" -device ahci,id=ahci -device ide-hd,bus=ahci.0,drive=image,bootindex=0 ;;
  nvme-*) set -- "$@" -device nvme,drive=image,serial=1,bootindex=0 ;;
  *) wrong "--as is cdrom, usb, virtio, ahci or nvme, not '$bus'" ;;
esac

PATH=$PATH:$tools/bin
qemu=qemu-system-$arch
have "$qemu" || die "no $qemu: run scripts/setup.sh qemu-$arch"

# Whatever happens, our QEMU ends with us: by the trap, and where the trap cannot
# run (kill -9), by the kernel.
work=$(mktemp -d)
pid=''
finish() {
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  fi
  [ -z "$log" ] || cp "$work/console" "$log" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
last_will=''
if setpriv --pdeathsig TERM true 2>/dev/null; then last_will='setpriv --pdeathsig TERM'; fi

# console: the serial console's lines that are complete, without colours
console() {
  { cat "$work/console"; echo; } | tr '\r' '\n' | sed -e '$d' -e 's/\x1b\[[0-9;?=]*[A-Za-z]//g'
}

say "booting $image ($arch, $firmware, as $bus, $accel), at most $timeout s"
: >"$work/console"
start=$(date +%s)
# shellcheck disable=SC2086 # nothing, or a command with its words
TMPDIR=$work $last_will "$qemu" "$@" -serial "file:$work/console" </dev/null >"$work/qemu" 2>&1 &
pid=$!
while :; do
  ended=''
  kill -0 "$pid" 2>/dev/null || ended=yes # asked before the log is read, so that its last line counts
  if line=$(console | grep -a -m 1 -E -e "$until"); then
    say "there after $(($(date +%s) - start)) s"
    printf '%s\n' "$line"
    exit 0
  fi
  seconds=$(($(date +%s) - start))
  if [ -n "$ended" ] || [ "$seconds" -ge "$timeout" ]; then
    say "the last lines of the console:"
    console | grep -a -v '^ *$' | tail -n 20 >&2
    cat "$work/qemu" >&2
    [ -z "$ended" ] || die "QEMU ended after $seconds s, before a line like $until"
    die "no line like $until within $timeout s"
  fi
  sleep 0.1
done
