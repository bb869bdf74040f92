# The words that checks of images are written in, beside those of lib/checks.sh.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by lib/checks.sh

need_cbox
boot=$work/boot
repository=$work/repository
# A topic may say before: the system that is built for, where it is not the machine's own;
# its first serial line; seconds until it runs.
system=${system-}
serial=${serial-/dev/ttyS0}
patience=${patience-500}

# built FORMAT: by cbox, over the bench's packages
built() { "$run" cbox appliance "$1" ${system:+"$system"}; }
image() { "$run" image "$1${system:+-$system}"; }
# recorded FORMAT KEY: of the manifest
recorded() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$repository/out/appliance-$1${system:+-$system}.json" "$2"; }
# same_again FORMAT PATTERN: removes what the image is made of, where the name fits, builds
# it once more, and compares. (`nix-store --check` builds elsewhere where there is no sandbox,
# and the image has a number that comes from its path.)
same_again() {
  # shellcheck disable=SC2016 # for the shell in the tree
  "$run" in sh -eu -c '
    parts=$(nix-store --query --requisites "$1" | grep -E "$2")
    outputs=$(nix-store --query --outputs $parts)
    hashes() { for output in $outputs; do echo "$(nix-store --dump "$output" | sha256sum | cut -c 1-16) $output"; done; }
    before=$(hashes)
    nix-store --delete --ignore-liveness $outputs
    nix-store --realise $parts
    after=$(hashes)
    test "$before" = "$after" || {
      printf "%s\n" "$before" "$after" | sort | uniq -u
      exit 1
    }' sh "$(recorded "$1" drvPath)" "$2"
}

# boot_image FORMAT OPTION…: cbox boots it, and its second serial line takes commands.
# cbox waits for a line that `judged` prints.
boot_image() {
  format=$1
  shift
  mkdir -p "$boot"
  rm -f "$boot/shell" "$boot/console.log" "$boot/cbox.log"
  (
    cd "$repository" && exec "$BENCH_CBOX" boot "appliance/$format${system:+/$system}" --store "$tree" \
      --until '^bench-judged$' --timeout 40m "$@" -- \
      -chardev "socket,id=bench,path=$boot/shell,server=on,wait=off" -serial chardev:bench
  ) >"$boot/console.log" 2>"$boot/cbox.log" &
  booting=$!
  echo "$booting" >"$boot/pid"
  in_qemu=$boot
}
# judged: the machine says on its serial console that all was looked at, cbox hears it and
# ends well
judged() {
  in_box "sleep 1; printf '\nbench-judged\n' >$serial" || true
  if wait "$booting"; then return; fi
  tail -n 3 "$boot/cbox.log"
  return 1
}
# stopped: ends a boot that did not get there
stopped() {
  kill "$booting" 2>/dev/null || true
  wait "$booting" || true
}

# comes_up WHICH FORMAT OPTION…: boots it, and says in a line whether it gets to run; where
# it does not, it is ended.
comes_up() {
  which=$1
  shift
  part=$(echo "$which" | tr ' ' -)
  boot_image "$@"
  if eventually "$patience" up_or_over >"$said" 2>&1 && not over; then
    verdict_ok "$which: it is running"
    return
  fi
  why_not_up >"$said" 2>&1
  verdict_failed "$which: it is running"
  stopped
  return 1
}
up_or_over() { up || over; }
over() { cbox_said '^error: ' || console_has 'Kernel panic'; }
# A console that speaks is the system's: firmware and boot loader take what comes over a
# serial line, also the second one, for keys.
speaks() { console_has 'Reached target'; }
up() { speaks && in_box "systemctl is-system-running --wait" | grep -q running; }
why_not_up() {
  tail -n 3 "$boot/cbox.log" "$boot/console.log"
  # (Running without a failed unit it may be degraded: by an ordering cycle.)
  not speaks || in_box "systemctl is-system-running; systemctl --failed --no-legend; journalctl --boot --output=cat --no-pager | grep 'ordering cycle'"
}

# disk_boots WHICH FORMAT GIB OPTION…: boots a disk image, whose root is to have that size at
# least, and asks what must hold in each boot
disk_boots() {
  which=$1 format=$2 size=$3
  shift 3
  comes_up "$which" "$format" "$@" || return 1
  check "$which: no unit failed" no_failed_unit
  # (On aarch64 the machine names its serial line to the kernel.)
  [ -n "$system" ] || check "$which: systemd-boot was asked for the console" cbox_said '^its serial console: systemd-boot'
  check "$which: the first boot finishes" eventually "$patience" finished
  check "$which: the root fills the drive" in_box "test \"\$(df --output=size -BG / | tail -n 1 | tr -dc 0-9)\" -ge $size"
  check "$which: its source is there" in_box 'test -e /etc/nixos-repo/flake.nix'
  check "$which: the root is the one of the drive that it booted from" in_box 'findmnt -n -o SOURCE / | grep -q ^/dev/vda'
}

console_has() { grep -s -q -- "$1" "$boot/console.log"; }
cbox_said() { grep -s -q -- "$1" "$boot/cbox.log"; }
