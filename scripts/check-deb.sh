#!/bin/sh
# check-deb.sh: a Debian package of cbox on bare Debian 12 and 13: installed, called, its manual and
# completions found, and removed without a rest.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"

usage() {
  cat <<'USAGE'
usage: scripts/check-deb.sh FILE.deb [SUITE…]     on bookworm and trixie, if none is named

It needs root and debootstrap, which makes a minimal Debian in .tools/debian-SUITE, once.
The package goes to a layer above it, in namespaces without network, and is gone at the
end. Nothing is installed into the system.

environment:
  DEBIAN_MIRROR     mirror to use instead of apt's own (has debian/ under it)
  DEBIAN_KEYRING    file with Debian's archive keys
USAGE
}

case ${1-} in
  -h | --help)
    usage
    exit
    ;;
  *.deb) ;;
  *)
    usage >&2
    exit 2
    ;;
esac
deb=$1
shift
[ -f "$deb" ] || die "there is no $deb: scripts/release.sh makes one"
[ "$(id -u)" = 0 ] || die "only root can enter another Debian: run it with sudo"
for program in debootstrap dpkg-deb unshare; do
  have "$program" || die "$program is missing here. On Debian and Ubuntu: apt-get install debootstrap"
done
version=$(dpkg-deb --field "$deb" Version)
version=${version%-*} # less the number of the package
mkdir -p "$tools"

# What a bare Debian does not have, and a person who reads manuals and completes words does.
readers=bash-completion,fish,man-db,zsh

# bare SUITE: the folder of that Debian, made when it is not there
bare() {
  folder=$tools/debian-$1
  if [ ! -e "$folder" ]; then
    say "making a minimal Debian $1 in $folder"
    rm -rf "$folder.new"
    keyring=$(debian_keyring "$tools/keyring")
    unshare --mount --pid --fork debootstrap --variant=minbase --include="$readers" --keyring="$keyring" \
      "$1" "$folder.new" "$(debian_repository debian)" >"$tools/debian-$1.log" 2>&1 ||
      die "debootstrap failed: see $tools/debian-$1.log"
    rm -rf "$folder.new/var/cache/apt/archives" "$folder.new/var/lib/apt/lists"
    mv "$folder.new" "$folder"
  fi
  printf '%s\n' "$folder"
}

# What is done in there. Each line that starts with "ok" is a thing that was seen.
# shellcheck disable=SC2016 # for the shell in there
steps='
fail() { printf "failed: %s\n" "$*"; exit 1; }
seen() { printf "ok: %s\n" "$*"; }
# All files, but for what dpkg writes down of each day, and the index of man.
files() {
  find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /tmp -o -path /run \
    -o -path /var/log -o -path /var/cache/man -o -path "/var/lib/dpkg/*-old" \) -prune -o -print | LC_ALL=C sort
}
# expect WHAT WANTED SAID
expect() { case $3 in *"$2"*) seen "$1" ;; *) fail "$1: no \"$2\" in: $3" ;; esac; }

! command -v cbox || fail "it is there already"
files >/tmp/before
dpkg --install /tmp/cbox.deb || fail "dpkg --install"
said=$(dpkg-query --show --showformat="\${Status}" cbox)
expect "installed and configured, and nothing else was needed" "install ok installed" "$said"
cd / # where there is no flake
expect "cbox --version" "cbox $1" "$(cbox --version)"
expect "it needs no library" "statically linked" "$(ldd /usr/bin/cbox 2>&1 | sed "s/not a dynamic executable/statically linked/")"
code=0
said=$(cbox doctor 2>&1) || code=$?
[ "$code" != 0 ] || fail "cbox doctor finds a Nix here"
expect "cbox doctor says that Nix is missing" "Nix" "$said"
expect "man --path cbox" /usr/share/man/man1/cbox.1.gz "$(man --path cbox)"
expect "man cbox-boot" "cbox-boot - " "$(man cbox-boot | cat)"
expect "whatis finds the manual" "cbox (1)" "$(mandb --quiet && whatis cbox)"
expect "bash completes" "verify-hosts" "$(bash --norc -c "
  . /usr/share/bash-completion/bash_completion
  _completion_loader cbox
  entry=(\$(complete -p cbox))
  for ((i = 0; i < \${#entry[@]}; i++)); do [ \${entry[i]} != -F ] || call=\${entry[i + 1]}; done
  COMP_WORDS=(cbox ver) COMP_CWORD=1 COMP_LINE=\"cbox ver\" COMP_POINT=8 COMP_TYPE=9
  \$call cbox ver cbox
  printf \"%s\\n\" \"\${COMPREPLY[@]}\"")"
expect "zsh has a function for it" "_cbox" "$(zsh -fc "autoload -Uz compinit; compinit -D -u; print \$_comps[cbox]")"
expect "fish completes" "verify-hosts" "$(fish --command "complete --do-complete \"cbox ver\"")"
for word in Expat Apache-2.0 gitleaks; do
  grep -q "$word" /usr/share/doc/cbox/copyright || fail "the copyright says nothing of $word"
done
grep -q "^==== clap" /usr/share/doc/cbox/notices || fail "no notices of libraries"
seen "licenses and notices"
dpkg --verify cbox || fail "dpkg --verify"
dpkg --purge cbox || fail "dpkg --purge"
! command -v cbox || fail "cbox is still there"
rest=$(files | LC_ALL=C comm -13 /tmp/before -)
[ -z "$rest" ] || fail "removing leaves $rest"
[ -z "$(files | LC_ALL=C comm -23 /tmp/before -)" ] || fail "removing takes what it did not bring"
seen "removed without a rest"
'

# try FOLDER: the steps in there, in a layer that ends with them
try() {
  # shellcheck disable=SC2016 # for the shell in the namespaces
  unshare --mount --pid --fork --net --ipc --uts sh -euc '
    mount -t tmpfs none /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" none /mnt/root
    mount -t proc proc /mnt/root/proc
    mount -t tmpfs none /mnt/root/tmp
    mount --bind /dev /mnt/root/dev
    cp "$2" /mnt/root/tmp/cbox.deb
    exec chroot /mnt/root /usr/bin/env -i HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb \
      DEBIAN_FRONTEND=noninteractive sh -euc "$3" sh "$4"
  ' sh "$1" "$(readlink -f "$deb")" "$steps" "$version"
}

[ $# != 0 ] || set -- bookworm trixie
for suite in "$@"; do
  folder=$(bare "$suite")
  say "Debian $(cat "$folder/etc/debian_version") ($suite)"
  try "$folder" >"$tools/debian-$suite.log" 2>&1 || {
    cat "$tools/debian-$suite.log" >&2
    die "$deb does not do on $suite what it should: see above"
  }
  grep '^ok: ' "$tools/debian-$suite.log"
done
say "$deb is as it should be"
