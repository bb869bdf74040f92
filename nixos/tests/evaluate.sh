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

# table     every host is what it is to be, and how large its build is
# hosts     the flake has the hosts of hosts/, and image hosts for each system
# refusals  options that contradict each other are refused in a sentence
# alone     each module works without the others
# offline   a host that carries what workspaces need without a network
# options   docs/options.md is what the modules declare (BOX_UPDATE_OPTIONS=1 writes it)
# hermetic  what is no part of a system changes none
# local     local.nix changes its own host alone
# images    installed hosts do not depend on nixos/images
# baked     the source in an image is small, clean, and evaluates to that image
# newhost   a new host is a new folder
# badinput  wrong names and values are refused in a sentence
groups="table hosts refusals alone offline options hermetic local images baked newhost badinput"

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=nixos/tests/common.sh
. "$here/common.sh"

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

# The tests are evaluated for one system, whatever they say about others.
tests=checks.x86_64-linux.hosts.passthru

# ask FLAKE WHAT [APPLY]: text from the flake's check called `hosts`; errors go to
# $scratch/error.
ask() {
  flake=$1 attribute=$tests.$2
  shift 2
  # Word splitting is meant: the overrides are arguments.
  # shellcheck disable=SC2086
  nix_ eval --raw --no-write-lock-file $overrides "$flake#$attribute" ${1+--apply "$1"} \
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

# judge WHAT FILE: the report in a file says how many expectations there were, and which
# of them do not hold
judge() {
  wrong=$(field wrong "$2")
  count=$(field expectations "$2")
  if [ -z "$wrong" ] && [ -n "$count" ]; then
    ok "$1: all $count expectations hold"
  else
    bad "$1: ${wrong:-there is no answer}"
  fi
}

snapshot

# HOST:SYSTEM of everything that is built; an install host's system is its own.
targets=$(ask "$repository" targets) || {
  say "evaluate.sh: the hosts cannot be listed:" >&2
  tail -n 20 "$scratch/error" >&2
  exit 1
}
hosts=$(for target in $targets; do say "${target%%:*}"; done | uniq)
install_hosts=$(for host in $hosts; do case $host in _*) ;; *) say "$host" ;; esac done)
image_hosts=$(for host in $hosts; do case $host in _*) say "$host" ;; esac done)
# One of each, where any will do.
install_host=${install_hosts%%[!A-Za-z0-9_-]*}
image_host=${image_hosts%%[!A-Za-z0-9_-]*}

# Every other group compares with this.
baseline() {
  say "== every host: seconds to evaluate it, derivations that it is made of, those of them to be built on this machine"
  printf '%-18s %-14s %-11s %8s %12s %12s\n' host system attribute evaluated derivations 'to be built'
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
    plan=$(nix_ build --dry-run "$drv^*" 2>&1 |
      sed -n 's/^th[a-z]* \([0-9]*\) derivations* will be built:$/\1/p')
    printf '%-18s %-14s %-11s %6s s %12s %12s\n' "${target%%:*}" "$(field system "$file")" \
      "$(field attribute "$file")" "$took" "$count" "${plan:-none}"
  done
  for target in $targets; do
    judge "${target%:} is what it is to be" "$(report_of "$target")"
  done
}

drv_before() { field drvPath "$(report_of "$1")"; }
drv_now() { answer "$1" "$2" | sed -n 's/^drvPath //p'; }
system_of() { case $1 in _*) say "$1:x86_64-linux" ;; *) say "$1:" ;; esac; }

# judge_attribute WHAT ATTRIBUTE: the same of an attribute that is no host
judge_attribute() {
  say "== $1"
  if ask "$repository" "$2" >"$scratch/judged"; then
    judge "$1" "$scratch/judged"
  else
    bad "$1 does not evaluate:"
    tail -n 20 "$scratch/error"
  fi
}

options_page() {
  say "== docs/options.md"
  if ! ask "$repository" options >"$scratch/options.md"; then
    bad "the options do not evaluate:"
    tail -n 20 "$scratch/error"
  elif [ -n "${BOX_UPDATE_OPTIONS-}" ]; then
    cp "$scratch/options.md" "$top/docs/options.md"
    ok "docs/options.md is written: $(grep -c '^###' "$scratch/options.md") options"
  elif diff -u "$scratch/first/docs/options.md" "$scratch/options.md" >"$scratch/difference"; then
    ok "docs/options.md is what the modules declare: $(grep -c '^###' "$scratch/options.md") options"
  else
    bad "docs/options.md is not what the modules declare; BOX_UPDATE_OPTIONS=1 nixos/tests/evaluate.sh options writes it:"
    head -n 30 "$scratch/difference"
  fi
}

hermetic() {
  say "== build products, ignored files, Rust, CI, the README, an image host's ignored local.nix and an empty commit change no derivation"
  copy noise
  (
    cd "$scratch/noise"
    mkdir -p out target crates/cbox/src .github/workflows coderd/templates/.terraform
    for file in out/image.iso target/debug result big.iso disk.qcow2 disk.raw \
      coderd/templates/.terraform/plugin; do
      say "built" >"$file"
    done
    for host in $image_hosts; do
      say "{ networking.hostName = \"leaked\"; }" >"hosts/$host/local.nix"
    done
    say "fn main() {}" >crates/cbox/src/noise.rs
    say "name: noise" >.github/workflows/noise.yml
    say "more" >>README.md
    say "more" >>templates/default/README.md
    say "{}" >baseline.json
  )
  commit noise
  commit noise
  for target in $targets; do
    expect_same "unchanged: ${target%:}" \
      "$(drv_before "$target")" "$(drv_now "git+file://$scratch/noise" "$target")"
  done
}

own_settings() {
  say "== local.nix: one host's own settings"
  copy local
  (
    cd "$scratch/local"
    say '{ time.timeZone = "Europe/Berlin"; }' >"hosts/$install_host/local.nix"
    # In git's index, as people do to make a flake see an ignored file.
    git add --force --intent-to-add "hosts/$install_host/local.nix"
  )
  flake=git+file://$scratch/local
  expect_other "changes $install_host" \
    "$(drv_before "$install_host:")" "$(drv_now "$flake" "$install_host:")"
  for host in $hosts; do
    [ "$host" != "$install_host" ] || continue
    target=$(system_of "$host")
    answer "$flake" "$target" >"$scratch/now"
    expect_same "does not change $host" "$(drv_before "$target")" "$(field drvPath "$scratch/now")"
    if [ -n "$(field baked "$scratch/now")" ]; then
      expect_same "local.nix is not in the baked source of $host" \
        "$(field baked "$(report_of "$target")")" "$(field baked "$scratch/now")"
    fi
  done
}

without_images() {
  say "== an installed host does not depend on nixos/images"
  copy bare
  rm -r "$scratch/bare/nixos/images" "$scratch/bare"/hosts/_*
  commit bare
  for host in $install_hosts; do
    expect_same "unchanged without nixos/images: $host" \
      "$(drv_before "$host:")" "$(drv_now "git+file://$scratch/bare" "$host:")"
  done
}

baked() {
  say "== the source that an image carries (baked source)"
  source=$(field baked "$(report_of "$image_host:x86_64-linux")")
  files=$(find "$source" -type f | wc -l)
  bytes=$(find "$source" -type f -exec cat {} + | wc -c)
  if [ "$files" -lt 200 ] && [ "$bytes" -lt 1000000 ]; then
    ok "the baked source is small: $files files, $bytes bytes"
  else
    bad "the baked source is not small: $files files, $bytes bytes"
  fi
  expect_same "the baked source holds no local settings, Rust code or build products" "" \
    "$(cd "$source" && find . -name local.nix -o -name facter.json -o -name crates -o -name '*.iso' -o -name .git)"
  for target in $targets; do
    host=${target%%:*} system=${target#*:}
    # What the documented commands name.
    name=$host${system:+-$system}
    if [ -n "$system" ]; then
      expect_same "the source in the image is the same: $name" \
        "$source" "$(field baked "$(report_of "$target")")"
    fi
    expect_same "the source in the image evaluates, by plain Nix, to the same derivation: $name" "$(drv_before "$target")" \
      "$(plain_drv "path:$source" "$name" "$(field attribute "$(report_of "$target")")")"
  done
}

# plain_drv FLAKE NAME ATTRIBUTE: what `nix build` and nixos-rebuild would build.
plain_drv() {
  # shellcheck disable=SC2086 # the overrides are arguments
  nix_ eval --raw --no-write-lock-file \
    $overrides "$1#nixosConfigurations.\"$2\".config.system.build.$3.drvPath" 2>"$scratch/error" ||
    tail -n 3 "$scratch/error"
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
  judge "new-box is what a host is to be" "$scratch/now"
  expect_same "does not change $install_host" "$(drv_before "$install_host:")" \
    "$(drv_now "git+file://$scratch/grown" "$install_host:")"
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
  refused "an unknown host" "host = \"${install_host}r\";" \
    "There is no host \"${install_host}r\"" "$install_host"
  refused "the attribute of a system as a host" "host = \"$image_host-x86_64-linux\";" \
    "There is no host \"$image_host-x86_64-linux\""
  refused "an image format that is not offered" \
    'host = "_appliance-disk"; modules = [ { disko.imageBuilder.imageFormat = "vmdk"; } ];' \
    'disko.imageBuilder.imageFormat' 'one of "raw", "qcow2"'
  systems=$(sed -n 's/^ *"\(.*\)"$/\1/p' "$top/nixos/systems.nix" | paste -s -d ' ' | sed 's/ / and /g')
  refused "a system that is not supported" \
    "host = \"$image_host\"; system = \"s390x-linux\";" \
    "is made for $systems only"
}

if [ -n "$overrides" ]; then
  say "Stand-ins for the locked inputs:"
  for input in "$BOX_NIXPKGS" "$BOX_DISKO"; do
    nix_ flake metadata "$input" 2>/dev/null |
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
    hosts) judge_attribute "hosts and the attributes that the flake has for them" discovery ;;
    refusals) judge_attribute "options that contradict each other are refused" refusals ;;
    alone) judge_attribute "each module works without the others" alone ;;
    offline) judge_attribute "what a host carries for places without a network" offline ;;
    options) options_page ;;
    hermetic) hermetic ;;
    local) own_settings ;;
    images) without_images ;;
    baked) baked ;;
    newhost) new_host ;;
    badinput) bad_input ;;
  esac
done

conclude
