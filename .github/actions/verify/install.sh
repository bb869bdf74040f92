#!/bin/sh
# install.sh: downloads cbox of a release, checks it, and only then unpacks it. The action of this
# repository (action.yml) runs it.
#
#   VERSION       the release: 1.2.3, or v1.2.3
#   REPOSITORY    whose release: owner/name
#   SHA256        what the archive has to be, if that is known beforehand
#   PUBLIC_KEY    the key of minisign that the release has to be signed with, if it is to be
#   RUNNER_TEMP   the program goes into a folder there, which is printed
#   CBOX_RELEASES where releases are; those of REPOSITORY, unless a test names others
set -eu

die() {
  printf '::error title=cbox::%s\n' "$*" >&2
  exit 1
}

# is TEXT REGEX: whether the one line is of that form
is() { printf '%s\n' "$1" | grep -qxE -- "$2" && [ "$(printf '%s\n' "$1" | wc -l)" = 1 ]; }

# shellcheck disable=SC2153 # it comes from outside
wanted=$VERSION
version=${wanted#v}
is "$version" '[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?' ||
  die "the input version has to be a release of cbox, such as 1.2.3"
is "${REPOSITORY:-none/none}" '[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+' || die "$REPOSITORY is no repository"
[ "$(uname -s)" = Linux ] || die "cbox runs on Linux: choose an ubuntu runner"
arch=$(uname -m)
case $arch in x86_64 | aarch64) ;; *) die "there is no cbox for $arch" ;; esac
if [ -n "${SHA256-}" ]; then
  is "$SHA256" '[0-9a-f]{64}' || die "the input sha256 has to be 64 hexadecimal digits in small letters"
fi
if [ -n "${PUBLIC_KEY-}" ]; then
  is "$PUBLIC_KEY" '[A-Za-z0-9+/]{56}' || die "the input public-key has to be one of minisign: 56 characters"
fi

name=cbox-$version-$arch-linux
releases=${CBOX_RELEASES:-${GITHUB_SERVER_URL:-https://github.com}/$REPOSITORY/releases/download}
work=$(mktemp -d "${RUNNER_TEMP:?}/cbox-download-XXXXXX")
trap 'rm -rf "$work"' EXIT

# fetch FILE BYTES: that file of the release, of so many bytes at most
fetch() {
  curl --fail --location --silent --show-error --retry 3 --max-time 600 --max-filesize "$2" \
    --output "$work/$1" "$releases/v$version/$1" >&2 ||
    die "cannot download $1 of the release v$version from $releases"
}

# bytes FROM COUNT FILE: a part of a file
bytes() { tail -c "+$(($1 + 1))" "$3" | head -c "$2"; }

# verify FILE: FILE.minisig is a signature of it by PUBLIC_KEY, as minisign makes them: Ed25519 over
# the BLAKE2b of the file (ED, or Ed over the file itself), and over that signature with its comment
verify() {
  printf %s "$PUBLIC_KEY" | base64 --decode >"$work/key"
  # What an Ed25519 key begins with as DER (RFC 8410).
  {
    printf '\060\052\060\005\006\003\053\145\160\003\041\000'
    bytes 10 32 "$work/key"
  } >"$work/key.der"
  sed -n 2p "$1.minisig" | tr -d '\r' | base64 --decode >"$work/sig" 2>/dev/null || die "$(basename "$1").minisig is no signature"
  sed -n 4p "$1.minisig" | tr -d '\r' | base64 --decode >"$work/comment-sig" 2>/dev/null || die "$(basename "$1").minisig is no signature"
  if [ "$(wc -c <"$work/sig")" != 74 ] || [ "$(wc -c <"$work/comment-sig")" != 64 ]; then
    die "$(basename "$1").minisig is no signature"
  fi
  bytes 2 8 "$work/sig" >"$work/number"
  bytes 2 8 "$work/key" | cmp -s - "$work/number" || die "$(basename "$1") is signed by another key"
  bytes 10 64 "$work/sig" >"$work/raw-sig"
  case $(bytes 0 2 "$work/sig") in
    ED) openssl dgst -blake2b512 -binary "$1" >"$work/signed" ;;
    Ed) cp "$1" "$work/signed" ;;
    *) die "$(basename "$1").minisig is of a kind that is not known" ;;
  esac
  {
    cat "$work/raw-sig"
    sed -n '3s/^trusted comment: //p' "$1.minisig" | tr -d '\r\n'
  } >"$work/commented"
  for pair in signed:raw-sig commented:comment-sig; do
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin -in "$work/${pair%:*}" \
      -sigfile "$work/${pair#*:}" >/dev/null 2>&1 || die "the signature of $(basename "$1") does not fit: do not use this release"
  done
}

fetch SHA256SUMS 1000000
if [ -n "${PUBLIC_KEY-}" ]; then
  fetch SHA256SUMS.minisig 10000
  verify "$work/SHA256SUMS"
fi
fetch "$name.tar.gz" 100000000
listed=$(awk -v name="$name.tar.gz" '($2 == name || $2 == "*" name) && !seen[$1]++ { print $1 }' "$work/SHA256SUMS")
is "$listed" '[0-9a-f]{64}' || die "SHA256SUMS of the release v$version has not one checksum of $name.tar.gz"
found=$(sha256sum <"$work/$name.tar.gz" | cut -d ' ' -f 1)
for wanted in "$listed" "${SHA256:-$listed}"; do
  [ "$found" = "$wanted" ] || die "$name.tar.gz is not what it should be: its SHA-256 is $found, and not $wanted"
done

# The one file that is wanted, whatever else is in it.
folder=$RUNNER_TEMP/cbox-$version
mkdir -p "$folder"
tar --extract --gzip --to-stdout --file "$work/$name.tar.gz" "$name/bin/cbox" >"$folder/cbox.new" ||
  die "there is no $name/bin/cbox in $name.tar.gz"
chmod 755 "$folder/cbox.new"
mv -f "$folder/cbox.new" "$folder/cbox"
printf '%s\n' "$folder"
