# Debian packages that a lock pins, and the parts of the mini box: what
# examples/minibox/debs.lock.json names is downloaded and put into the Nix store, where
# the flake's fixed-output derivations find it. A build then needs no network.
# shellcheck shell=sh

lock=${CBOX_PARTS_LOCK:-$minibox/debs.lock.json}
# For messages: whose packages the lock names, and what writes it.
lock_of='the mini box'
lock_by=scripts/lock-parts.sh

# lock_rows ARCH LIST: "NAME SHA256 PATH" of each part in that list
lock_rows() {
  awk -F '"' -v arch="$1" -v list="$2" '
    /^ *"(amd64|arm64)":/ { in_arch = $2 }
    /^ *"[a-z]+": \[/ { in_list = $2 }
    $2 == "name" && in_arch == arch && in_list == list { print $4, $10, $14 }
  ' "$lock"
}

# parts_rows ARCH: what images for ARCH are made of, and the tools that make them here
parts_rows() {
  case $(uname -m) in aarch64) here=arm64 ;; *) here=amd64 ;; esac
  {
    lock_rows "$1" target
    lock_rows "$here" tools
    lock_rows "$here" target | grep '^busybox-static ' # the shell of every build
  } | sort -u
}

# part_file NAME SHA256: where its download is kept. The store path takes its name
# from the file's.
part_file() { printf '%s\n' "$tools/debs/$2/$1.deb"; }

# check_parts amd64|arm64: the end of the script where setup_parts could not do its work
check_parts() {
  [ -r "$lock" ] || die "$lock is missing: run scripts/lock-parts.sh"
  rows=$(parts_rows "$1")
  [ -n "$rows" ] || die "$lock lists no parts for $1: run scripts/lock-parts.sh"
  record=$tools/parts/$1
  parts_there || [ -z "$(parts_missing)" ] || debian_repository debian >/dev/null
}

# setup_parts amd64|arm64
setup_parts() {
  rows=$(parts_rows "$1")
  record=$tools/parts/$1
  count=$(printf '%s\n' "$rows" | wc -l)
  if parts_there; then
    say "parts: all $count for $1 are in the Nix store"
    return
  fi
  mkdir -p "$tools/parts" "$tools/roots"
  parts_download
  parts_add "$1"
  say "parts: put $count for $1 into the Nix store"
}

# parts_there: the record was made for these rows, and garbage collection took nothing
parts_there() {
  [ "$(sed -n 1p "$record" 2>/dev/null)" = "$(printf '%s\n' "$rows" | sha256sum)" ] || return 1
  sed 1d "$record" | while read -r path; do
    [ -e "$path" ] || exit 1
  done
}

# parts_missing: those of the rows whose download is not there or not whole
parts_missing() {
  printf '%s\n' "$rows" | while read -r name sha path; do
    file=$(part_file "$name" "$sha")
    printf '%s  %s\n' "$sha" "$file" | sha256sum -c --status - 2>/dev/null ||
      printf '%s %s %s\n' "$name" "$sha" "$path"
  done
}

# parts_download: those of $rows that are not there yet. What has left the mirror is
# looked for where Debian keeps everything, if the lock says at which moment.
parts_download() {
  missing=$(parts_missing)
  [ -n "$missing" ] || return 0
  main=$(debian_repository debian)
  security=$(debian_repository debian-security)
  say "downloading $(printf '%s\n' "$missing" | wc -l) Debian packages that $lock_of is made of, from $main"
  parts_from "$main" "$security"
  missing=$(parts_missing)
  moment=$(sed -n 's/.*"snapshot": "\([0-9TZ]*\)".*/\1/p' "$lock")
  if [ -n "$missing" ] && [ -n "$moment" ]; then
    archive=https://snapshot.debian.org/archive
    say "looking for $(printf '%s\n' "$missing" | wc -l) of them, which the mirror has no more, at $archive"
    parts_from "$archive/debian/$moment" "$archive/debian-security/$moment"
    missing=$(parts_missing)
  fi
  missing=$(printf '%s' "$missing" | sed 's,.*/,,' | paste -sd ' ')
  [ -z "$missing" ] ||
    die "could not get $missing (reasons above). When the mirror has replaced it by a newer version, run $lock_by, which pins today's versions"
}

# parts_from MAIN SECURITY: downloads the rows of $missing from these addresses
parts_from() {
  printf '%s\n' "$missing" | while read -r name sha path; do
    file=$(part_file "$name" "$sha")
    mkdir -p "$(dirname "$file")"
    case $path in
      debian-security/*) printf '%s %s %s\n' "$sha" "$2/${path#*/}" "$file" ;;
      *) printf '%s %s %s\n' "$sha" "$1/${path#*/}" "$file" ;;
    esac
  done | download
}

# parts_add ARCH: into the store, each with a root so that garbage collection leaves it
parts_add() {
  ls /nix/store >"$tools/parts/before" 2>/dev/null || true
  arch=$1
  set --
  while read -r name sha _; do
    set -- "$@" "$(part_file "$name" "$sha")"
  done <<ROWS
$rows
ROWS
  nix-store --add-fixed sha256 "$@" >"$tools/parts/paths"
  # The shell of every build, unpacked: a sandbox has no xz to do it with.
  if have dpkg-deb; then
    for sha in $(printf '%s\n' "$rows" | sed -n 's/^busybox-static \([0-9a-f]*\) .*/\1/p'); do
      busybox=$tools/debs/$sha
      rm -rf "$busybox/unpacked" "$busybox/busybox"
      dpkg-deb -x "$busybox/busybox-static.deb" "$busybox/unpacked"
      mkdir -p "$busybox/busybox/bin"
      cp "$(find "$busybox/unpacked" -path '*bin/busybox' -type f)" "$busybox/busybox/bin/"
      nix-store --add-fixed --recursive sha256 "$busybox/busybox" >>"$tools/parts/paths"
      rm -rf "$busybox/unpacked" "$busybox/busybox"
    done
  fi
  rm -f "$tools/roots/parts-$arch" "$tools/roots/parts-$arch"-*
  # shellcheck disable=SC2046 # a list of store paths
  nix-store --realise $(cat "$tools/parts/paths") --add-root "$tools/roots/parts-$arch" >/dev/null
  sed 's,.*/,,' "$tools/parts/paths" | grep -vxFf "$tools/parts/before" |
    sed 's,^,/nix/store/,' >>"$tools/parts/added" || true # for --undo
  {
    printf '%s\n' "$rows" | sha256sum
    cat "$tools/parts/paths"
  } | replace "$record"
}
