#!/bin/sh
# release-rehearsal.sh: a whole release of the mini box, by the scripts that the workflow calls, up to
# somebody who has a public key and nothing else. `make release-rehearsal` runs it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

usage() {
  cat <<'USAGE'
usage: scripts/release-rehearsal.sh [FOLDER]     the release stays in FOLDER; without one it is removed

From the last commit, every image of examples/minibox is built, booted, built again and compared,
and packed with its bill of materials and its provenance. cbox is compiled as for a release. All of
it is signed, and made once more in another folder, which has to give the same bytes. Then what
was made is checked with the public key alone, and an image is written to a loop device.

It needs what `make release` needs, Python 3.10 with venv, and root for the loop device; without
root that part is left out. It takes about ten minutes.
USAGE
}

case ${1-} in -h | --help) usage; exit ;; -*) usage >&2; exit 2 ;; esac
scripts=$root/scripts
kept=${1:+$(realpath "$1")}
[ -z "$kept" ] || [ ! -e "$kept" ] || die "$kept is there already: name a folder that is not"
"$scripts/setup.sh" --check rust nix qemu parts jq zstd minisign
"$scripts/release.sh" --check
"$scripts/validate-documents.sh" --check
commit=$(git -C "$root" rev-parse HEAD)
[ -z "$(git -C "$root" status --porcelain)" ] ||
  say "the tree has changes that are not committed: they are not in it, for a release is made from a commit"
"$scripts/setup.sh" nix qemu parts jq zstd minisign
# shellcheck source=/dev/null
. "$tools/env"

doing="the beginning"
work=$(mktemp -d)
loop=
cleanup() {
  code=$?
  [ -z "$loop" ] || losetup --detach "$loop"
  rm -rf "$work"
  [ "$code" = 0 ] || say "failed at $doing, for the reason above"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct "$commit")
export SOURCE_DATE_EPOCH
# So small that an ISO is split, as a large one is.
export ASSET_BYTES=20000000
export BOOT_UNTIL='^cbox-ready '

# make_release TREE FOLDER: a release of a clone, TREE, except its signature
make_release() {
  git clone --quiet --no-local "$root" "$1"
  git -C "$1" checkout --quiet "$commit"
  "$1/scripts/release.sh" "$2"
  mkdir "$2.program"
  tar --extract --gzip --file "$2"/cbox-*.tar.gz --directory "$2.program" --strip-components 1
  (
    PATH=$2.program/bin:$PATH
    cd "$1/examples/minibox"
    cbox matrix | jq --raw-output '.include[] | "\(.target) \(.slug)"' >"$2.targets"
    while read -r target slug; do
      say "$target"
      "$1/.github/release-image.sh" "$target" "out/$slug" "$2" </dev/null >>"$2.log" 2>&1 ||
        { tail -n 40 "$2.log" >&2; die "$target failed"; }
    done <"$2.targets"
  )
}

say "making a release of $commit"
doing="the release"
(
  # What was compiled before for an earlier one is of use.
  export CARGO_TARGET_DIR="$root/target"
  make_release "$work/clone" "$work/release"
)

doing="the signature"
minisign -G -W -f -p "$work/minisign.pub" -s "$work/minisign.key" >/dev/null
"$root/.github/seal-release.sh" "$work/release" "$work/minisign.key"

say "making it again, in another folder"
doing="the same once more"
(
  unset CARGO_TARGET_DIR
  make_release "$work/another clone" "$work/again"
)
"$root/.github/seal-release.sh" "$work/again" 2>/dev/null
rm -rf "$work/clone" "$work/another clone"
doing="the comparison of both"
# Both lists have all files, and are in the same order.
diff --recursive --brief --exclude SHA256SUMS.minisig "$work/release" "$work/again" >&2 ||
  die "made again, these files are not the same"
say "made again, all $(wc -l <"$work/again/SHA256SUMS") files are the same"
rm -rf "$work/again" "$work/again.program" "$work/release.program"

# From here on nothing is used but what was downloaded, and the key.
doing="what somebody with the public key does"
mkdir "$work/download" "$work/home"
cp "$work"/release/* "$work/download"
cd "$work/download"
minisign -V -q -p "$work/minisign.pub" -m SHA256SUMS
sha256sum --check --ignore-missing --strict --quiet SHA256SUMS
"$scripts/validate-documents.sh" ./*.sbom.json ./*.provenance.json
mkdir ../program
tar --extract --gzip --file cbox-*.tar.gz --directory ../program --strip-components 1
# downloaded COMMAND…: the cbox of the release, in an environment of nobody's
downloaded() { env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME="$work/home" "$work/program/bin/cbox" "$@"; }
for first in *.part01; do cat "${first%01}"* >"${first%.part01}"; done
images=0
for file in *.iso *.zst; do
  downloaded verify-image "$file" --public-key "$work/minisign.pub"
  images=$((images + 1))
done
[ "$images" = "$(wc -l <"$work/release.targets")" ] || die "$images images were verified, and there should be one for each target"

doing="a file that was changed on the way"
file=$(ls ./*x86_64*.raw.zst)
mkdir ../changed
cp "$file"* SHA256SUMS* ../changed
printf x | dd of="../changed/$file" bs=1 seek=5000 conv=notrunc status=none
if downloaded verify-image "../changed/$file" --public-key "$work/minisign.pub" 2>/dev/null; then
  die "an image with another byte was verified"
fi

doing="writing to a loop device"
if [ "$(id -u)" = 0 ] && loop_file=$work/drive && truncate --size=4G "$loop_file" && loop=$(losetup --find --show "$loop_file"); then
  downloaded flash "$file" "$loop" --erase "${loop#/dev/}"
  zstd --decompress --quiet "$file" -o ../image.raw
  cmp --bytes="$(stat --format=%s ../image.raw)" ../image.raw "$loop" || die "the drive differs from the image"
  losetup --detach "$loop"
  loop=
  ../program/bin/cbox boot "$loop_file" --until "$BOOT_UNTIL" --timeout 10m -q
else
  say "LEFT OUT: no loop device can be had here, so nothing was written to one"
fi

if [ -n "$kept" ]; then
  cp -R "$work/release" "$kept"
  cp "$work/minisign.pub" "$kept"
fi
say "passed: $images images of $(cut -d ' ' -f 1 "$work/release.targets" | sed 's/.*\///' | sort -u | paste -sd ' '), the same when made again, and verified with the public key alone${kept:+; they are in $kept}"
