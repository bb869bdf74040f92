#!/bin/sh
# setup.sh: makes a bare machine ready to build, boot and test the mini box.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"
# shellcheck source=scripts/lib/prefix.sh
. "$root/scripts/lib/prefix.sh"
# shellcheck source=scripts/lib/nix.sh
. "$root/scripts/lib/nix.sh"
# shellcheck source=scripts/lib/qemu.sh
. "$root/scripts/lib/qemu.sh"
# shellcheck source=scripts/lib/ssh.sh
. "$root/scripts/lib/ssh.sh"
# shellcheck source=scripts/lib/fat.sh
. "$root/scripts/lib/fat.sh"
# shellcheck source=scripts/lib/parts.sh
. "$root/scripts/lib/parts.sh"
# shellcheck source=scripts/lib/rust.sh
. "$root/scripts/lib/rust.sh"
# shellcheck source=scripts/lib/undo.sh
. "$root/scripts/lib/undo.sh"

usage() {
  cat <<'USAGE'
usage: scripts/setup.sh [STEP…]     make these ready (all, if none is named)
       scripts/setup.sh --check STEP…
                                    only look whether that can be done, and say
                                    what is missing; changes nothing
       scripts/setup.sh --undo      take everything back

steps:
  nix                         Nix 2.26 or later
  qemu-x86_64, qemu-aarch64   QEMU and UEFI firmware, to boot images (qemu: both)
  parts-amd64, parts-arm64    the Debian packages that the mini box is made of,
                              in the Nix store (parts: both)
  shellcheck                  the checker of these scripts
  curl, jq                    what the tests of the first boot run
  ssh                         ssh and its server, for the tests of stores on other
                              machines (10 MB, unpacked)
  fat                         what reads FAT filesystems, for the tests of secrets on a
                              drive (1 MB)
  zstd, minisign              what packs and signs a release, for `make release-rehearsal`
                              (only if they are named)
  valgrind                    what counts the instructions of cbox's own code, for
                              `make bench-instructions` (only if it is named)
  other-nix                   a newer release of Nix beside it, with which the tests of
                              stores then run too (200 MB; only if it is named)
  rust                        Rust and a C compiler, to compile cbox: looked for,
                              and never installed

What the machine has already is used as it is. The rest is downloaded as Debian
packages by apt and unpacked under .tools/, without root; nothing is installed
into the system. The only folder outside the repository is /nix. Every step may be
run again at any time, and says what it does. `. .tools/env` puts it all on PATH.

environment:
  DEBIAN_MIRROR       mirror to use instead of apt's own (has debian/ and
                      debian-security/ under it)
  DEBIAN_KEYRING      file with Debian's archive keys
  CBOX_SUBSTITUTERS   binary caches of the private Nix (empty: none)
USAGE
}

# setup_tool NAME: a program from the Debian package of its name
setup_tool() {
  if have "$1"; then
    say "$1: $(command -v "$1"), the machine's own"
    return
  fi
  if ! prefix_have "$1"; then
    if ! prefix_suite >/dev/null; then
      say "$1: none here, and no Debian package to take it from: left out"
      return
    fi
    prefix_install "$1"
    if [ -e "$prefix/usr/bin/$1.bin" ]; then # what is called so is a script that wants the system's
      prefix_wrapper "$1.bin"
      ln -sfn "$1.bin" "$tools/bin/$1"
    else
      prefix_wrapper "$1"
    fi
  fi
  say "$1: in .tools, from a Debian package"
}

# write_env: .tools/env, which says in shell words where everything is
write_env() {
  {
    echo "# Made by scripts/setup.sh. Use it as:  . .tools/env"
    dirs=$root/target/release
    [ ! -e "$tools/nix-dir" ] || dirs=$(cat "$tools/nix-dir"):$dirs
    [ ! -d "$tools/bin" ] || dirs=$tools/bin:$dirs
    # shellcheck disable=SC2016 # whoever reads the file expands it
    printf 'case :$PATH: in *:%s:*) ;; *) PATH=%s:$PATH ;; esac\nexport PATH\n' \
      "$(quoted "$dirs")" "$(quoted "$dirs")"
    if [ -e "$tools/bin/nix" ]; then
      printf 'export NIX_CONF_DIR=%s\n' "$(quoted "$nix_private/conf")"
      printf 'export NIX_CACHE_HOME=%s NIX_STATE_HOME=%s\n' \
        "$(quoted "$nix_private/cache")" "$(quoted "$nix_private/state")"
    fi
    if [ -d "$prefix/usr/share/qemu/firmware" ]; then
      printf 'export CBOX_FIRMWARE_DIR=%s\n' "$(quoted "$prefix/usr/share")"
    fi
    if [ -d "$prefix/usr/libexec/valgrind" ]; then
      printf 'export VALGRIND_LIB=%s\n' "$(quoted "$prefix/usr/libexec/valgrind")"
    fi
  } | replace "$tools/env"
}

case ${1-} in -h | --help) usage; exit ;; esac
PATH=$(without_dir "$tools/bin") # to see what the machine itself has
if [ "${1-}" = --undo ]; then
  undo
  exit
fi
check=
if [ "${1-}" = --check ]; then
  check=yes
  shift
fi

wanted=
for step in "${@:-all}"; do
  case $step in
    all) wanted="$wanted nix qemu-x86_64 qemu-aarch64 shellcheck curl jq ssh fat parts-amd64 parts-arm64" ;;
    qemu) wanted="$wanted qemu-x86_64 qemu-aarch64" ;;
    parts) wanted="$wanted nix parts-amd64 parts-arm64" ;;
    parts-amd64 | parts-arm64) wanted="$wanted nix $step" ;;
    nix | qemu-x86_64 | qemu-aarch64 | shellcheck | curl | jq | zstd | minisign | ssh | fat | valgrind | other-nix | rust) wanted="$wanted $step" ;;
    *)
      usage >&2
      die "no such step: $step"
      ;;
  esac
done
wants() { case " $wanted " in *" $1 "*) ;; *) return 1 ;; esac; }

# Before anything is downloaded.
case $root in *:*) die "the PATH takes no folder whose name has a colon: move this repository, $root" ;; esac
if wants rust; then check_rust; fi
if wants nix; then check_nix; fi
for arch in x86_64 aarch64; do
  if wants "qemu-$arch"; then check_qemu "$arch"; fi
done
for arch in amd64 arm64; do
  if wants "parts-$arch"; then check_parts "$arch"; fi
done
[ -z "$check" ] || exit 0

mkdir -p "$tools"
if have flock; then # two at once would be in each other's way
  exec 9>"$tools/lock"
  flock 9
fi
if wants nix; then setup_nix; fi
if wants qemu-x86_64; then setup_qemu x86_64; fi
if wants qemu-aarch64; then setup_qemu aarch64; fi
for tool in shellcheck curl jq zstd minisign valgrind; do
  if wants "$tool"; then setup_tool "$tool"; fi
done
if wants ssh; then setup_ssh; fi
if wants fat; then setup_fat; fi
if wants other-nix; then "$root/scripts/other-nix.sh"; fi
write_env
# shellcheck source=/dev/null
. "$tools/env"
if wants parts-amd64; then setup_parts amd64; fi
if wants parts-arm64; then setup_parts arm64; fi
say "ready; to have it all in a shell: . .tools/env"
