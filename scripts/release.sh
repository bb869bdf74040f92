#!/bin/sh
# release.sh: what a release has of cbox itself: the program, which runs on any Linux of this
# machine's architecture, as an archive and as a Debian package. `make release` runs it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

usage() {
  cat <<'USAGE'
usage: scripts/release.sh [FOLDER]     into FOLDER; target/release-files, if none is named
       scripts/release.sh --check      only look whether it can

It needs cargo-deb, jq, and the Rust library for musl:
  rustup target add "$(uname -m)-unknown-linux-musl"
  cargo install --locked cargo-deb
USAGE
}

case ${1-} in
  -h | --help)
    usage
    exit
    ;;
  --check) ;;
  -*)
    usage >&2
    exit 2
    ;;
esac
PATH=$PATH:$tools/bin
for program in cargo cargo-deb jq tar; do
  have "$program" || die "$program is missing here; scripts/release.sh --help says what is needed"
done
# musl, so that it needs no library of the machine that it comes to.
arch=$(uname -m)
target=$arch-unknown-linux-musl
[ -d "$(rustc --print target-libdir --target "$target")" ] ||
  die "this Rust has no library for $target: run \`rustup target add $target\`"
[ "${1-}" != --check ] || exit 0
mkdir -p "${1:-$root/target/release-files}"
folder=$(cd "${1:-$root/target/release-files}" && pwd)
cd "$root"

# notices: what the licenses of the crates in the program want to be said, each text once
notices() {
  cat <<'HEAD'
cbox is compiled with the libraries below, and with the Rust standard library (MIT or Apache-2.0,
Copyright (c) The Rust Project Contributors) and musl (MIT, Copyright (c) 2005-2020 Rich Felker, et al.).
HEAD
  cargo tree --locked --package cbox-cli --target "$target" --edges normal,no-proc-macro --prefix none --format '{p}' |
    cut -d ' ' -f 1,2 | LC_ALL=C sort -u >"$work/used"
  cargo metadata --locked --format-version 1 --filter-platform "$target" |
    jq --raw-output '.packages[] | select(.source) | "\(.name) v\(.version)\t\(.license)\t\(.manifest_path)"' |
    LC_ALL=C sort | while IFS="$(printf '\t')" read -r crate license manifest; do
    grep -qxF "$crate" "$work/used" || continue
    printf '\n==== %s: %s\n' "$crate" "$license"
    found=
    # Some have no text of their own; that of Apache is the same for everybody.
    general=
    case $license in *Apache-2.0*) general=LICENSE-APACHE ;; esac
    for file in "${manifest%/*}"/[Ll][Ii][Cc][Ee][Nn][SsCc][Ee]* "${manifest%/*}"/COPYING* \
      "${manifest%/*}"/COPYRIGHT* "${manifest%/*}"/NOTICE* "${manifest%/*}"/UNLICENSE* $general; do
      [ -f "$file" ] || continue
      [ "$file" != LICENSE-APACHE ] || [ -z "$found" ] || continue
      found=yes
      sum=$(sha256sum <"$file" | cut -d ' ' -f 1)
      if [ -e "$work/said/$sum" ]; then
        printf '\n%s: as that of %s\n' "${file##*/}" "$(cat "$work/said/$sum")"
      else
        printf '%s\n' "$crate" >"$work/said/$sum"
        printf '\n'
        cat "$file"
      fi
    done
    [ -n "$found" ] || die "$crate has no text of its license"
  done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$work/said"

# The same program, wherever this repository and cargo's folder are.
CARGO_ENCODED_RUSTFLAGS=$(printf -- '--remap-path-prefix=%s=/cargo\037--remap-path-prefix=%s=/cbox' \
  "${CARGO_HOME:-$HOME/.cargo}" "$root")
export CARGO_ENCODED_RUSTFLAGS

say "compiling for $target"
cargo build --release --locked --package cbox-cli --target "$target"
program=${CARGO_TARGET_DIR:-target}/$target/release/cbox
version=$("$program" --version | cut -d ' ' -f 2)

# Where the assets in crates/cbox/Cargo.toml are.
staged=target/package-files
rm -rf "$staged"
scripts/install.sh "$program" / "$staged" 2>/dev/null
rm -r "$staged/share/cbox"
notices >"$staged/notices"

name=cbox-$version-$arch-linux
mkdir "$work/$name"
cp -R "$staged/." LICENSE-APACHE LICENSE-MIT CHANGELOG.md "$work/$name/"
# As if they were always made at the same time, by nobody in particular.
time=$(git log -1 --format=%ct 2>/dev/null || date +%s)
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$time}" \
  --directory "$work" "$name" | gzip -9n >"$folder/$name.tar.gz"

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$time} cargo deb --quiet --locked --package cbox-cli --target "$target" --no-build --no-strip \
  --output "$work/cbox.deb"
deb=cbox_${version}_$(dpkg-deb --field "$work/cbox.deb" Architecture).deb
mv "$work/cbox.deb" "$folder/$deb"
for file in "$name.tar.gz" "$deb"; do
  (cd "$folder" && sha256sum "$file" >"$file.sha256")
  say "made $folder/$file"
done
