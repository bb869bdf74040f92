#!/bin/sh
# Shows what the flake promises, on real nixpkgs, by evaluation alone: nothing is
# built, so it runs on any machine that has Nix.
#
#   BOX_NIXPKGS=git+file:///src/nixpkgs BOX_DISKO=git+file:///src/disko \
#     nixos/tests/evaluate.sh [GROUP...]
#
# The two variables are flake references that stand in for the locked inputs.
# BOX_LOCKED=1 uses the locked ones instead, from the network or the store. With
# neither, everything is left out, and says so. Groups: see `groups` below.
#
# Exit code: 0 everything asked for holds, 1 something does not, 2 wrong usage,
# 3 nothing could be checked.
set -eu

groups="table refusals alone hermetic local images baked newhost badinput"
install_hosts="coder-thinkcentre qemu-arm64"
targets="coder-thinkcentre: qemu-arm64: _appliance_iso:x86_64-linux _appliance_iso:aarch64-linux _appliance-disk:x86_64-linux _appliance-disk:aarch64-linux"

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=$(git -C "$here" rev-parse --show-toplevel)
failures=0

say() { printf '%s\n' "$*"; }
ok() { say "ok    $*"; }
bad() {
  say "FAIL  $*"
  failures=$((failures + 1))
}

# expect_same WHAT BEFORE AFTER, expect_other WHAT BEFORE AFTER
expect_same() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: $2 became $3"; fi; }
expect_other() { if [ "$2" != "$3" ]; then ok "$1"; else bad "$1: still $2"; fi; }

for group in "$@"; do
  case " $groups " in
    *" $group "*) ;;
    *)
      say "evaluate.sh: there is no group '$group'; the groups are: $groups" >&2
      exit 2
      ;;
  esac
done
wanted=${*:-$groups}

overrides=
if [ -n "${BOX_NIXPKGS-}" ] && [ -n "${BOX_DISKO-}" ]; then
  overrides="--override-input nixpkgs $BOX_NIXPKGS --override-input disko $BOX_DISKO"
elif [ -z "${BOX_LOCKED-}" ]; then
  for group in $wanted; do
    say "LEFT OUT  $group: BOX_NIXPKGS and BOX_DISKO are not both set (BOX_LOCKED=1 takes the locked inputs)"
  done
  exit 3
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# The working tree as git sees it, at one moment: people go on editing.
snapshot() {
  mkdir "$scratch/first"
  git -C "$top" ls-files -z --cached --others --exclude-standard |
    (cd "$top" && tar --create --null --files-from=- --ignore-failed-read 2>/dev/null) |
    tar --extract --directory="$scratch/first"
  commit first
}

copy() { cp -R "$scratch/first" "$scratch/$1"; }

commit() {
  (
    cd "$scratch/$1"
    [ -d .git ] || git init -q
    git add --all
    git -c user.name=test -c user.email=test@localhost commit -q --allow-empty -m "a commit"
  )
}

# ask FLAKE ATTRIBUTE [APPLY]: text from the flake's `lib`; errors go to
# $scratch/error.
ask() {
  flake=$1 attribute=$2
  shift 2
  # Word splitting is meant: the overrides are arguments.
  # shellcheck disable=SC2086
  nix --extra-experimental-features 'nix-command flakes' eval --raw \
    --no-write-lock-file $overrides "$flake#lib.$attribute" ${1+--apply "$1"} \
    2>"$scratch/error"
}

# answer FLAKE HOST:SYSTEM: the report of one host, as lines of `key value`.
answer() {
  host=${2%%:*} system=${2#*:}
  ask "$1" answer "f: f { host = \"$host\"; ${system:+system = \"$system\";} }" || {
    bad "$host ${system:-} does not evaluate:"
    tail -n 20 "$scratch/error"
    say "drvPath none"
  }
}

field() { sed -n "s/^$1 //p" "$2"; }
report_of() { printf '%s/report-%s' "$scratch" "$1"; }

judge() { # judge WHAT FILE: the rows of a file
  wrong=$(field wrong "$2")
  if [ -z "$wrong" ] && [ -n "$(field rows "$2")" ]; then
    ok "$1: $(field rows "$2") rows hold"
  else
    bad "$1: ${wrong:-no rows}"
  fi
}

repository=git+file://$scratch/first
snapshot

# Every other group compares with this.
baseline() {
  say "== hosts: contract and size"
  printf '%-18s %-14s %-11s %7s %11s %8s\n' host system attribute seconds derivations to-build
  for target in $targets; do
    file=$(report_of "$target")
    began=$(date +%s)
    answer "$repository" "$target" >"$file"
    took=$(($(date +%s) - began))
    drv=$(field drvPath "$file")
    if [ "$drv" = none ]; then
      cat "$file"
      continue
    fi
    count=$(nix-store --query --requisites "$drv" | grep -c '\.drv$')
    plan=$(nix --extra-experimental-features 'nix-command flakes' build --dry-run "$drv^*" 2>&1 |
      sed -n 's/^th[a-z]* \([0-9]*\) derivations* will be built:$/\1/p')
    printf '%-18s %-14s %-11s %7s %11s %8s\n' "${target%%:*}" "$(field system "$file")" \
      "$(field attribute "$file")" "$took" "$count" "${plan:-none}"
  done
  for target in $targets; do
    judge "contract of ${target%:}" "$(report_of "$target")"
  done
}

drv_before() { field drvPath "$(report_of "$1")"; }
drv_now() { answer "$1" "$2" | sed -n 's/^drvPath //p'; }
system_of() { case $1 in _*) say "$1:x86_64-linux" ;; *) say "$1:" ;; esac; }

rows_of() { # rows_of WHAT ATTRIBUTE
  say "== $1"
  if ask "$repository" "$2" >"$scratch/rows"; then
    judge "$1" "$scratch/rows"
  else
    bad "$1 does not evaluate:"
    tail -n 20 "$scratch/error"
  fi
}

hermetic() {
  say "== hermetic: what must not change a derivation"
  copy noise
  (
    cd "$scratch/noise"
    mkdir -p out target crates/cbox/src .github/workflows coderd/templates/.terraform
    for file in out/image.iso target/debug result big.iso disk.qcow2 disk.raw \
      coderd/templates/.terraform/plugin; do
      say "built" >"$file"
    done
    say "{ networking.hostName = \"leaked\"; }" >hosts/_appliance_iso/local.nix
    say "{ networking.hostName = \"leaked\"; }" >hosts/_appliance-disk/local.nix
    say "fn main() {}" >crates/cbox/src/noise.rs
    say "name: noise" >.github/workflows/noise.yml
    say "more" >>README.md
    say "{}" >baseline.json
  )
  commit noise
  commit noise
  for target in $targets; do
    expect_same "unchanged by build products, ignored files, Rust, CI, README, an image host's ignored local.nix and an empty commit: ${target%:}" \
      "$(drv_before "$target")" "$(drv_now "git+file://$scratch/noise" "$target")"
  done
}

own_settings() {
  say "== local.nix: one host's own settings"
  copy local
  (
    cd "$scratch/local"
    say '{ time.timeZone = "Europe/Berlin"; }' >hosts/coder-thinkcentre/local.nix
    # In git's index, as people do to make a flake see an ignored file.
    git add --force --intent-to-add hosts/coder-thinkcentre/local.nix
  )
  flake=git+file://$scratch/local
  expect_other "changes its host: coder-thinkcentre" \
    "$(drv_before coder-thinkcentre:)" "$(drv_now "$flake" coder-thinkcentre:)"
  for host in qemu-arm64 _appliance_iso _appliance-disk; do
    target=$(system_of "$host")
    answer "$flake" "$target" >"$scratch/now"
    expect_same "leaves alone: $host" "$(drv_before "$target")" "$(field drvPath "$scratch/now")"
    if [ -n "$(field baked "$scratch/now")" ]; then
      expect_same "is not in the baked source of $host" \
        "$(field baked "$(report_of "$target")")" "$(field baked "$scratch/now")"
    fi
  done
}

without_images() {
  say "== install hosts know no image"
  copy bare
  rm -r "$scratch/bare/nixos/images" "$scratch/bare"/hosts/_*
  commit bare
  for host in $install_hosts; do
    expect_same "unchanged without nixos/images: $host" \
      "$(drv_before "$host:")" "$(drv_now "git+file://$scratch/bare" "$host:")"
  done
}

baked() {
  say "== baked source"
  source=$(field baked "$(report_of _appliance_iso:x86_64-linux)")
  files=$(find "$source" -type f | wc -l)
  bytes=$(find "$source" -type f -exec cat {} + | wc -c)
  if [ "$files" -lt 200 ] && [ "$bytes" -lt 1000000 ]; then
    ok "small: $files files, $bytes bytes"
  else
    bad "small: $files files, $bytes bytes"
  fi
  expect_same "holds no local settings, Rust code or build products" "" \
    "$(cd "$source" && find . -name local.nix -o -name facter.json -o -name crates -o -name '*.iso' -o -name .git)"
  for host in coder-thinkcentre qemu-arm64 _appliance_iso _appliance-disk; do
    target=$(system_of "$host")
    expect_same "evaluates from itself to the same: $host" \
      "$(drv_before "$target")" "$(drv_now "path:$source" "$target")"
  done
}

new_host() {
  say "== a new host is a new folder"
  copy grown
  mkdir "$scratch/grown/hosts/new-box"
  cat >"$scratch/grown/hosts/new-box/default.nix" <<'NIX'
{
  box.enable = true;
  box.diskLayout.enable = true;
  system.stateVersion = "26.05";
}
NIX
  commit grown
  answer "git+file://$scratch/grown" new-box: >"$scratch/now"
  judge "new-box" "$scratch/now"
  expect_same "leaves alone: coder-thinkcentre" "$(drv_before coder-thinkcentre:)" \
    "$(drv_now "git+file://$scratch/grown" coder-thinkcentre:)"
}

# refused WHAT ARGUMENTS WORDS...: the question fails with all of the words.
refused() {
  what=$1 arguments=$2
  shift 2
  if ask "$repository" answer "f: f { $arguments }" >/dev/null; then
    bad "$what is taken"
    return
  fi
  for words in "$@"; do
    if ! grep -qF -- "$words" "$scratch/error"; then
      bad "$what: nothing about '$words'"
      tail -n 3 "$scratch/error"
      return
    fi
  done
  ok "$what: $(grep -F -- "$1" "$scratch/error" | tail -n 1 | sed 's/^ *//; s/^error: //')"
}

bad_input() {
  say "== bad input gets a clear sentence"
  refused "an unknown host" 'host = "coder-thinkcenter";' \
    'There is no host "coder-thinkcenter"' 'coder-thinkcentre, qemu-arm64'
  refused "an image format that is not offered" \
    'host = "_appliance-disk"; modules = [ { disko.imageBuilder.imageFormat = "vmdk"; } ];' \
    'disko.imageBuilder.imageFormat' 'one of "raw", "qcow2"'
  refused "a system that is not supported" \
    'host = "_appliance_iso"; system = "riscv64-linux";' \
    'is made for x86_64-linux and aarch64-linux only'
}

if [ -n "$overrides" ]; then
  say "Stand-ins for the locked inputs:"
  for input in "$BOX_NIXPKGS" "$BOX_DISKO"; do
    nix --extra-experimental-features 'nix-command flakes' flake metadata "$input" 2>/dev/null |
      sed 's/\x1b\[[0-9;]*m//g' | sed -n "s|^Revision: *|  $input |p"
  done
else
  say "Inputs: as locked in flake.lock"
fi

for group in $wanted; do
  case $group in
    table | hermetic | local | images | baked | newhost)
      baseline
      break
      ;;
  esac
done
for group in $wanted; do
  case $group in
    table) ;; # the baseline itself
    refusals) rows_of "contradictions are refused" refusalsText ;;
    alone) rows_of "each module alone" aloneText ;;
    hermetic) hermetic ;;
    local) own_settings ;;
    images) without_images ;;
    baked) baked ;;
    newhost) new_host ;;
    badinput) bad_input ;;
  esac
done

if [ "$failures" -gt 0 ]; then
  say "$failures checks failed"
  exit 1
fi
say "everything holds"
