#!/bin/sh
# record.sh [CASE…]: provokes the errors of cases.sh with the `nix` on the PATH and writes
# what it says to fixtures/<case>/nix-<version>.txt, hashes and places normalised; then lets
# cbox's own tests write what they make of it (cbox.snap), for you to read and commit.
#
# CBOX names the program; without it target/debug/cbox is built. Cases on NixOS need BOX_NIXPKGS,
# a git repository or folder with nixpkgs; without it they are left out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
wanted=" $* "
failed=

say() { printf 'record.sh: %s\n' "$*" >&2; }

is_wanted() {
  [ "$wanted" = "  " ] && return
  case "$wanted" in *" $1 "*) ;; *) return 1 ;; esac
}

# A nix that keeps what it says when it fails.
watch_nix() {
  real=$(command -v nix)
  mkdir "$work/bin"
  cat >"$work/bin/nix" <<EOF
#!/bin/sh
'$real' "\$@" 2>'$work'/said.\$\$
code=\$?
cat '$work'/said.\$\$ >&2
case " \$* " in *" path-info "*) exit \$code ;; esac # a question, whose no is no error
if [ \$code != 0 ]; then
  cp '$work'/said.\$\$ '$work/failed'
  printf '%s\n' "\$*" | tr '\n' ' ' >'$work/words'
fi
exit \$code
EOF
  chmod +x "$work/bin/nix"
}

# The call in a few words, then what it said, without what differs from machine to machine.
normalised() {
  case $(cat "$work/words") in
    *" eval "*" --apply "*) echo '$ nix eval --apply' ;;
    *" --no-update-lock-file "*) echo '$ nix flake metadata --no-update-lock-file' ;;
    *" build "*) echo '$ nix build' ;;
    *" store add "*) echo '$ nix store add' ;;
    *) echo '$ nix flake metadata' ;;
  esac
  staged=$(sed -n 's/.*path\(:\|\\":\\"\)[^ ]*\/store\/\([0-9a-z]\{32\}\)-source[?\\].*/\2/p' "$work/words")
  sed -e "s|${BOX_NIXPKGS:-/no/nixpkgs}|/srv/nixpkgs|g" -e "s|$work/case|/home/me/box|g" \
    -e "s|$work|/tmp/other|g" \
    -e 's/narHash=sha256-[A-Za-z0-9+/%=]*/narHash=sha256-x/g' -e 's/rev=[0-9a-f]\{40\}/rev=x/g' \
    -e 's/lastModified=[0-9]*/lastModified=1/g' "$work/failed" |
    awk -v staged="$staged" '
      BEGIN {
        digits = "123456789abcdfghijklmnpqrsvwxyz"
        if (staged != "") known[staged] = "0"
        for (i = 0; i < 32; i++) hash = hash "[0-9a-df-np-sv-z]"
        pattern = "/" hash "-"
      }
      {
        line = $0
        out = ""
        while (match(line, pattern)) {
          found = substr(line, RSTART + 1, 32)
          if (!(found in known)) known[found] = substr(digits, ++used, 1)
          same = ""
          for (i = 0; i < 32; i++) same = same known[found]
          out = out substr(line, 1, RSTART) same
          line = substr(line, RSTART + 33)
        }
        line = out line
        # Activities are numbered by process and time.
        out = ""
        while (match(line, /"(id|parent)":[1-9][0-9]*/)) {
          colon = index(substr(line, RSTART), ":")
          found = "#" substr(line, RSTART + colon, RLENGTH - colon)
          if (!(found in known)) known[found] = ++ids
          out = out substr(line, 1, RSTART + colon - 1) known[found]
          line = substr(line, RSTART + RLENGTH)
        }
        print out line
      }'
}

# keep NAME: runs cbox in $work/case with the words behind, which has to fail, and keeps it.
keep() {
  name=$1
  shift
  rm -f "$work/failed" "$work/words"
  (
    cd "$work/case"
    git init --quiet
    git add --all
    if PATH=$work/bin:$PATH XDG_CACHE_HOME=$work/cache "$CBOX" "$@" >"$work/log" 2>&1; then
      say "$name: cbox did not fail"
    fi
  )
  if ! [ -f "$work/failed" ]; then
    say "$name: nix did not fail"
    sed 's/^/  /' "$work/log" >&2
    failed=1
    return
  fi
  mkdir -p "$here/fixtures/$name"
  cp "$work/case/hosts/box/default.nix" "$here/fixtures/$name/host.nix"
  normalised >"$here/fixtures/$name/nix-$version.txt"
  say "$name, with Nix $version"
}

# Locks the flake of a case.
lock() {
  git -C "$work/case" init --quiet
  git -C "$work/case" add --all
  nix --extra-experimental-features 'nix-command flakes' flake lock "$work/case" 2>/dev/null
}

# The flake of a case without nixpkgs: hosts/box/default.nix is what the host is built as.
write_plain() {
  rm -rf "$work/case"
  mkdir -p "$work/case/hosts/box"
  cat >"$work/case/hosts/box/default.nix"
  system=$(nix config show system)
  cat >"$work/case/flake.nix" <<EOF
{
  outputs = { self }: {
    nixosConfigurations.box = {
      config = {
        nixpkgs.hostPlatform.system = "$system";
        networking.hostName = "box";
        system.build.toplevel = import ./hosts/box;
      };
    };
  };
}
EOF
}

# plain NAME [WORDS…]: evaluates the expression on standard input.
plain() {
  name=$1
  shift
  is_wanted "$name" || return 0
  write_plain
  keep "$name" build hosts/box --drv "$@"
}

# full NAME: puts the tree into a store with too little room for it.
full() {
  name=$1
  is_wanted "$name" || return 0
  write_plain
  head -c 8000000 /dev/zero >"$work/case/large"
  mkdir -p "$work/small"
  if [ "$(id -u)" = 0 ]; then users=; else users=--map-root-user; fi
  # shellcheck disable=SC2086 # no word or one
  if ! unshare --mount $users mount -t tmpfs none "$work/small" 2>/dev/null; then
    say "LEFT OUT: $name, since nobody may mount here"
    return 0
  fi
  cat >"$work/in-small" <<EOF
#!/bin/sh
exec unshare --mount $users sh -c 'mount -t tmpfs -o size=4m none "$work/small" && exec "\$0" "\$@"' '$CBOX' "\$@"
EOF
  chmod +x "$work/in-small"
  small_cbox=$CBOX
  CBOX=$work/in-small
  keep "$name" build hosts/box --drv --store "$work/small"
  CBOX=$small_cbox
}

# flake NAME [WORDS…]: the same for a flake.nix on standard input.
flake() {
  name=$1
  shift
  is_wanted "$name" || return 0
  echo 1 | write_plain
  cat >"$work/case/flake.nix"
  if grep -q '^  inputs' "$work/case/flake.nix"; then
    mkdir "$work/case/parts"
    echo '{ outputs = _: { }; }' >"$work/case/parts/flake.nix"
    lock
  fi
  keep "$name" build hosts/box --drv "$@"
}

# built NAME [WORDS…]: builds it.
built() {
  name=$1
  shift
  is_wanted "$name" || return 0
  write_plain
  keep "$name" build hosts/box --no-link "$@"
}

# nixos NAME [WORDS…]: evaluates a NixOS host whose hosts/box/default.nix is standard input.
nixos() {
  name=$1
  shift
  is_wanted "$name" || return 0
  if [ -z "${BOX_NIXPKGS:-}" ]; then
    say "LEFT OUT: $name needs nixpkgs, and BOX_NIXPKGS does not name one"
    return 0
  fi
  rm -rf "$work/case"
  mkdir -p "$work/case/hosts/box"
  cat >"$work/case/hosts/box/default.nix"
  cat >"$work/case/flake.nix" <<EOF
{
  inputs.nixpkgs.url = "git+file://$BOX_NIXPKGS";
  outputs = { self, nixpkgs }: {
    nixosConfigurations.box = nixpkgs.lib.nixosSystem {
      modules = [ ./nixos/base.nix ./hosts/box ];
    };
  };
}
EOF
  mkdir "$work/case/nixos"
  cat >"$work/case/nixos/base.nix" <<'EOF'
{
  nixpkgs.hostPlatform = "x86_64-linux";
  fileSystems."/" = { device = "/dev/vda"; fsType = "ext4"; };
  boot.loader.grub.device = "nodev";
  networking.hostName = "box";
  system.stateVersion = "26.05";
  documentation.enable = false;
}
EOF
  lock
  keep "$name" build hosts/box --drv "$@"
}

if [ -z "${CBOX:-}" ]; then
  (cd "$top" && cargo build --quiet -p cbox-cli)
  CBOX=${CARGO_TARGET_DIR:-$top/target}/debug/cbox
fi
version=$(nix --version | sed 's/.* \([0-9]*\.[0-9]*\).*/\1/')
watch_nix
# shellcheck source=tests/errors/cases.sh
. "$here/cases.sh"
[ -z "$failed" ] || exit 1
cd "$top"
say 'writing what cbox makes of them: look at the difference'
INSTA_UPDATE=always cargo test --quiet -p cbox-driver --lib recorded
