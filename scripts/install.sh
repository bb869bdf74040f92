#!/bin/sh
# install.sh: installs cbox below a folder, with its manual and the completions of bash, fish, Nushell
# and zsh, each where such are looked for, and removes it again. `make install` and `make uninstall`
# run it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
umask 022

usage() {
  cat <<'USAGE'
usage: scripts/install.sh PROGRAM PREFIX [DESTDIR]      installs PROGRAM, which is cbox
       scripts/install.sh --check PREFIX [DESTDIR]      only looks whether that could be done
       scripts/install.sh --uninstall PREFIX [DESTDIR]  removes what was installed there

PREFIX is where cbox will be found; DESTDIR, for those who make packages, stands before
it. What is installed is written down in PREFIX/share/cbox/installed.
USAGE
}

# expanded NAME FOLDER: the folder, with a leading ~ that no shell has expanded
expanded() {
  # shellcheck disable=SC2088 # not to be expanded: it is what is looked for
  case $2 in
    '~' | '~/'*)
      [ -n "${HOME-}" ] || die "$1=$2 is in your home folder, and HOME is not set: name the folder in full"
      printf '%s\n' "$HOME${2#'~'}"
      ;;
    '~'*) die "$1=$2: only a shell knows that folder, and none has expanded it: name it in full" ;;
    *) printf '%s\n' "$2" ;;
  esac
}

# writable: the end of the script where nothing could be written there
writable() {
  for folder in "$place/bin" "$place/share"; do
    until [ -e "$folder" ]; do folder=$(dirname "$folder"); done
    if [ ! -d "$folder" ] || [ ! -w "$folder" ]; then
      die "cannot write to $folder: name a folder of your own, make install PREFIX=\$HOME/.local; or run \`make build\`, then as root: scripts/install.sh target/release/cbox $(quoted "$prefix")"
    fi
  done
}

# stage: all that is installed, as it will lie below PREFIX, in $work
stage() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$work/bin"
  cp "$program" "$work/bin/cbox"
  "$program" man "$work/share/man/man1"
  for completion in bash:bash-completion/completions/cbox fish:fish/vendor_completions.d/cbox.fish \
    nushell:nushell/vendor/autoload/cbox.nu zsh:zsh/site-functions/_cbox; do
    file=$work/share/${completion#*:}
    mkdir -p "$(dirname "$file")"
    "$program" completions "${completion%%:*}" >"$file"
  done
  mkdir -p "$work/share/cbox"
}

# missing_folders: those that installing makes, each with a / at its end
missing_folders() {
  folder=$prefix
  while [ -n "$folder" ] && [ ! -d "$destdir$folder" ]; do
    printf '%s/\n' "$folder"
    folder=${folder%/*}
  done
  (cd "$work" && find . -mindepth 1 -type d) | while IFS= read -r folder; do
    [ -d "$place/$folder" ] || printf '%s/\n' "$prefix/${folder#./}"
  done
}

install_all() {
  [ -x "$program" ] || die "there is no program $program: run \`make build\`"
  stage
  files=$(cd "$work" && find . -type f | sed 's,^\./,,')
  # Written down before it is made, and with what an earlier run made.
  {
    [ ! -e "$record" ] || cat "$record"
    missing_folders
    printf '%s\n' "$files" | while IFS= read -r file; do printf '%s\n' "$prefix/$file"; done
  } | LC_ALL=C sort -u >"$work/installed"
  mkdir -p "$place/share/cbox"
  replace "$record" <"$work/installed"
  printf '%s\n' "$files" | while IFS= read -r file; do
    mkdir -p "$(dirname "$place/$file")"
    case $file in bin/*) mode=755 ;; *) mode=644 ;; esac
    # Beside and renamed, so that a program that runs is not written into.
    install -m "$mode" "$work/$file" "$place/$file.new"
    mv -f "$place/$file.new" "$place/$file"
  done
  [ -n "$destdir" ] || case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) say "$prefix/bin is not on the PATH yet: export PATH=$(quoted "$prefix/bin"):\"\$PATH\"" ;;
  esac
  say "cbox is installed in $place/bin; \`cbox init\` in a flake is a start, and \`make uninstall$same\` removes it"
}

uninstall_all() {
  if [ ! -e "$record" ]; then
    [ ! -e "$place/bin/cbox" ] ||
      die "$place/bin/cbox is not from this \`make install\`, which would have left $record: install over it with \`make install$same\` first, or remove it the way it came"
    say "nothing to uninstall: \`make install\` with this PREFIX and DESTDIR has left nothing in $place"
    return
  fi
  [ -w "$place/share/cbox" ] ||
    die "cannot write to $place/share/cbox: run as root: scripts/install.sh --uninstall $(quoted "$prefix")${destdir:+ $(quoted "$destdir")}"
  made=$(cat "$record")
  printf '%s\n' "$made" | grep -v '/$' | while IFS= read -r file; do
    rm -f "$destdir$file"
  done
  rm -f "$record"
  # Those inside come first; what has something of others in it stays.
  printf '%s\n' "$made" | grep '/$' | LC_ALL=C sort -r | while IFS= read -r folder; do
    rmdir "$destdir$folder" 2>/dev/null || true
  done
  say "cbox is uninstalled: all $(printf '%s\n' "$made" | grep -vc '/$') files that \`make install\` put below $place are removed, with the folders that it made for them"
}

case ${1-} in -h | --help) usage; exit ;; esac
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  usage >&2
  exit 2
fi
program=$1
prefix=$(expanded PREFIX "$2")
destdir=$(expanded DESTDIR "${3-}")
same=
[ "$prefix" = /usr/local ] || same=" PREFIX=$(quoted "$prefix")"
[ -z "$destdir" ] || same="$same DESTDIR=$(quoted "$destdir")"
case $prefix in '' | /*) ;; *) prefix=$([ -n "$destdir" ] || pwd)/$prefix ;; esac
prefix=${prefix%/}
place=$destdir$prefix
record=$place/share/cbox/installed
case $program in
  --check) writable ;;
  --uninstall) uninstall_all ;;
  *)
    writable
    install_all
    ;;
esac
