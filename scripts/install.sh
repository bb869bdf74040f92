#!/bin/sh
# install.sh PROGRAM PREFIX: installs cbox below PREFIX, with its manual and the completions of
# bash, fish, Nushell and zsh, each where such are looked for. `make install` runs it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

[ $# = 2 ] || die "usage: scripts/install.sh PROGRAM PREFIX"
program=$1 prefix=$2

completion() { # SHELL FILE
  mkdir -p "$(dirname "$prefix/share/$2")"
  "$program" completions "$1" >"$prefix/share/$2"
}

if ! { mkdir -p "$prefix/bin" && [ -w "$prefix/bin" ]; } 2>/dev/null; then
  die "cannot write to $prefix/bin: run it as root, or name a folder of your own: make install PREFIX=\$HOME/.local"
fi
# Beside and renamed, so that one that runs is not written into.
install -m 755 "$program" "$prefix/bin/.cbox.new"
mv "$prefix/bin/.cbox.new" "$prefix/bin/cbox"
"$program" man "$prefix/share/man/man1"
completion bash bash-completion/completions/cbox
completion fish fish/vendor_completions.d/cbox.fish
completion nushell nushell/vendor/autoload/cbox.nu
completion zsh zsh/site-functions/_cbox
say "cbox is installed in $prefix/bin"
case :$PATH: in
  *:"$prefix/bin":*) ;;
  *) say "$prefix/bin is not on the PATH yet: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
