#!/bin/sh
# Shows what this flake promises to others: its library, its module for flake-parts, and the
# flake that `nix flake init -t` makes. By evaluation alone.
#
#   BOX_NIXPKGS=git+file:///src/nixpkgs BOX_FLAKE_PARTS=git+file:///src/flake-parts \
#     nixos/tests/library.sh [GROUP...]
#
# The two variables are flake references; BOX_LOCKED=1 takes what they do not name from the
# network: nixpkgs as it is locked, and flake-parts. CBOX is the program; without it, the one that
# cargo built. What lacks something is left out, and says so. Groups: see `groups` below.
#
# Exit code: 0 everything asked for holds, 1 something does not, 2 wrong usage, 3 something was
# left out.
set -eu

# pure      the library's functions, without nixpkgs
# refused   what it refuses, and in which words
# template  the flake of the template: its hosts evaluate, and cbox does what its README says
# parts     the same flake, by the module for flake-parts
groups="pure refused template parts"

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=nixos/tests/common.sh
. "$here/common.sh"

# A release that the module is known to work with.
flake_parts=${BOX_FLAKE_PARTS-}
[ -n "$flake_parts" ] || [ -z "${BOX_LOCKED-}" ] ||
  flake_parts=github:hercules-ci/flake-parts/427bf4bd9435fdf21321c8cc628c24efc14c0f7a

for group in "$@"; do
  case " $groups " in
    *" $group "*) ;;
    *)
      say "library.sh: there is no group '$group'; the groups are: $groups" >&2
      exit 2
      ;;
  esac
done
wanted=${*:-$groups}

left=
left_out() {
  say "LEFT OUT  $1: $2"
  left=yes
}

command -v nix >/dev/null || {
  for group in $wanted; do left_out "$group" "there is no nix"; done
  exit 3
}

# write FILE: standard input, in a file below $scratch
write() {
  mkdir -p "$(dirname "$scratch/$1")"
  cat >"$scratch/$1"
}

# A flake's folder with hosts, and with what is no host or not baked.
fixture() {
  hosts=$1/hosts
  say "{ }" | write "$1/flake.nix"
  say "not baked" | write "$1/README.md"
  say "{ }" | write "$hosts/file.nix"
  say "{ }" | write "$hosts/no-host/other.nix"
  say "{ }" | write "$hosts/plain/default.nix"
  say '{ environment.etc.mine.text = "mine"; }' | write "$hosts/plain/local.nix"
  say "not at the top" | write "$hosts/plain/README.md"
  say '{ networking.hostName = "another"; }' | write "$hosts/named/default.nix"
  say '{ "system": "aarch64-linux" }' | write "$hosts/named/facter.json"
  say '{ nixpkgs.hostPlatform = "x86_64-linux"; }' | write "$hosts/_image/default.nix"
  say "built" | write "$hosts/_image/disk.raw"
  say "built" | write "$hosts/_image/result"
  say "{ }" | write "$hosts/only-local/local.nix"
  mkdir "$scratch/$hosts/empty"
}

# judge ARGUMENTS…: of an evaluation whose text says which expectations do not hold
judge() {
  if nix_ eval --raw "$@" >"$scratch/judged" 2>"$scratch/error"; then
    count=$(sed -n 's/^expectations //p' "$scratch/judged")
    wrong=$(sed -n 's/^wrong //p' "$scratch/judged")
    if [ -n "$count" ] && [ -z "$wrong" ]; then
      ok "all $count expectations hold"
    else
      bad "of ${count:-no} expectations:
$wrong"
    fi
  else
    bad "the expectations do not evaluate:"
    tail -n 20 "$scratch/error"
  fi
}

pure() {
  say "== the functions of the library, without nixpkgs"
  fixture somewhere
  fixture elsewhere
  judge --file "$here/library.nix" --apply \
    "f: f { fixture = $scratch/somewhere; elsewhere = $scratch/elsewhere; }"
}

# refuses WHAT DIRECTORY WORDS: the hosts of a folder fail with these words
refuses() {
  if nix_ eval --file "$top/nixos/lib" --apply \
    "l: builtins.attrNames (l.hosts.configurations { directory = $2; nixosSystem = x: x; })" \
    >/dev/null 2>"$scratch/error"; then
    bad "$1 is taken"
  elif grep -qF -- "$3" "$scratch/error"; then
    ok "$1: $(grep -F -- "$3" "$scratch/error" | tail -n 1 | sed 's/^ *//; s/^error: //')"
  else
    bad "$1: nothing about '$3'"
    tail -n 3 "$scratch/error"
  fi
}

refused() {
  say "== what the library refuses"
  say "{ }" | write clash/_image/default.nix
  say "{ }" | write clash/_image-aarch64-linux/default.nix
  refuses "no folder of hosts" "$scratch/nowhere" "There is no folder $scratch/nowhere"
  refuses "a host with the name of another's attribute" "$scratch/clash" \
    "$scratch/clash/_image-aarch64-linux has the name that _image has"
}

# locked INPUT: the flake reference of an input as this repository has locked it
locked() {
  nix_ eval --raw --impure --expr "
    let inherit ((builtins.fromJSON (builtins.readFile $top/flake.lock)).nodes.$1) locked;
    in \"github:\${locked.owner}/\${locked.repo}/\${locked.rev}\""
}

# lock [ARGUMENT…]: flake.lock of the flake in $scratch/mine, with this repository in the place of
# the address that is left open
lock() {
  nixpkgs=${BOX_NIXPKGS:-$(locked nixpkgs)}
  commit mine
  (
    cd "$scratch/mine"
    nix_ flake lock --override-input nixpkgs "$nixpkgs" \
      --override-input cbox "$repository" "$@"
  ) >"$scratch/said" 2>&1 || {
    bad "nix flake lock:"
    tail -n 20 "$scratch/said"
    return 1
  }
  commit mine
}

# make_flake: `nix flake init`, once, in $scratch/mine
make_flake() {
  [ ! -d "$scratch/mine" ] || return 0
  snapshot
  mkdir "$scratch/mine"
  # Nothing stands in for the inputs of this repository, which are not fetched for this.
  (cd "$scratch/mine" && nix_ flake init -t "$repository") >"$scratch/said" 2>&1 || {
    bad "nix flake init:"
    cat "$scratch/said"
    return 1
  }
  expect_same "nix flake init copies the template, and git ignores nothing of it" \
    "$(git -C "$top" ls-files --cached --others --exclude-standard templates/default |
      sed 's|^templates/default/||' | LC_ALL=C sort)" \
    "$(commit mine && git -C "$scratch/mine" ls-files | LC_ALL=C sort)"
  expect_same "one address is left open, at one place" 1 \
    "$(grep -rhoE --exclude-dir=.git '\bOWNER\b' "$scratch/mine" | wc -l)"
  lock
}

# drv HOST: what plain Nix builds of a host in $scratch/mine
drv() {
  case $1 in _*) attribute=isoImage ;; *) attribute=toplevel ;; esac
  (cd "$scratch/mine" && nix_ eval --raw \
    ".#nixosConfigurations.$1.config.system.build.$attribute.drvPath") 2>"$scratch/error" ||
    tail -n 20 "$scratch/error"
}

# drvs FILE: of one host of each kind, into a file
drvs() {
  for host in server _live-aarch64-linux; do
    say "$host $(drv "$host")"
  done >"$scratch/$1"
}

find_cbox() {
  for cbox in "${CBOX-}" "$top/target/debug/cbox" "$top/target/release/cbox"; do
    [ ! -x "$cbox" ] || return 0
  done
  return 1
}

# prints WHAT WORDS COMMAND…: in $scratch/mine, cbox prints these words
prints() {
  what=$1 words=$2
  shift 2
  if ! (cd "$scratch/mine" && "$cbox" "$@") >"$scratch/said" 2>&1; then
    bad "$what: cbox $* fails:"
    tail -n 20 "$scratch/said"
  elif grep -qF -- "$words" "$scratch/said"; then
    ok "$what"
  else
    bad "$what: cbox $* does not say '$words':"
    tail -n 20 "$scratch/said"
  fi
}

template() {
  say "== the flake that nix flake init makes"
  expect_same "its workflow has the actions of this repository" "" \
    "$(grep -ho 'uses: .*' "$top"/templates/*/.github/workflows/* | sort -u |
      while read -r action; do
        grep -qF -- "$action" "$top"/.github/workflows/* || say "$action"
      done)"
  make_flake || return 0
  drvs before
  expect_same "its hosts evaluate" "server _live-aarch64-linux " \
    "$(sed -n 's|/nix/store/.*\.drv$||p' "$scratch/before" | tr -d '\n')"
  with_cbox
  # After cbox, which has a link to this commit.
  say "more" >>"$scratch/first/nixos/lib/more.nix"
  say "more" >>"$scratch/first/README.md"
  commit first
  lock || return 0
  drvs after
  expect_same "another commit of cbox changes no host" "$(cat "$scratch/before")" \
    "$(cat "$scratch/after")"
}

with_cbox() {
  find_cbox || {
    left_out "template, with cbox" "there is no program: set CBOX, or run cargo build"
    return 0
  }
  prints "cbox list" "live/iso" list
  prints "cbox list has the machine" "hosts/server" list
  prints "cbox matrix has the images" "live-iso-aarch64-linux" matrix
  prints "the image is what plain Nix builds" \
    "$(sed -n 's/^_live-aarch64-linux //p' "$scratch/before")" live iso aarch64 --drv
  prints "the machine is what plain Nix builds" \
    "$(sed -n 's/^server //p' "$scratch/before")" build server --drv
  prints "cbox accept" "server" accept
  commit mine
  prints "cbox verify-hosts" "unchanged  server" verify-hosts
  prints "cbox source audit" "" source audit
}

# flake_of_page: the block of the page about the library that shows flake-parts
flake_of_page() {
  awk '
    /^```nix$/ { block = ""; inside = 1; next }
    /^```$/ { if (inside && block ~ /mkFlake/) printf "%s", block; inside = 0 }
    inside { block = block $0 "\n" }' "$top/docs/nix-library.md"
}

parts() {
  say "== the same flake by flake-parts"
  [ -n "$flake_parts" ] || {
    left_out "parts" "BOX_FLAKE_PARTS does not name flake-parts (BOX_LOCKED=1 takes it from the network)"
    return 0
  }
  make_flake || return 0
  [ -s "$scratch/before" ] || drvs before
  flake_of_page >"$scratch/mine/flake.nix"
  lock --override-input flake-parts "$flake_parts" || return 0
  drvs by-parts
  expect_same "it has the same hosts" "$(cat "$scratch/before")" "$(cat "$scratch/by-parts")"

  say "== the options of the module"
  fixture mine/folder
  # Without an input called nixpkgs.
  write mine/flake.nix <<'NIX'
{
  inputs.lib.url = "github:NixOS/nixpkgs";
  inputs.flake-parts.inputs.nixpkgs-lib.follows = "lib";
  outputs = inputs@{ self, flake-parts, cbox, ... }: {
    text = import "${cbox}/nixos/tests/flake-parts.nix" {
      inherit self inputs flake-parts cbox;
      folder = ./folder/hosts;
    };
  };
}
NIX
  rm "$scratch/mine/flake.lock"
  lock --override-input flake-parts "$flake_parts" --override-input lib "$nixpkgs" || return 0
  judge "git+file://$scratch/mine#text"
}

needs_nixpkgs() {
  if [ -n "${BOX_NIXPKGS-}${BOX_LOCKED-}" ]; then
    "$1"
  else
    left_out "$1" "BOX_NIXPKGS does not name nixpkgs (BOX_LOCKED=1 takes it as it is locked)"
  fi
}

for group in $wanted; do
  case $group in
    pure) pure ;;
    refused) refused ;;
    template | parts) needs_nixpkgs "$group" ;;
  esac
done
[ -z "$left" ] || [ "$failures" != 0 ] || exit 3
conclude
