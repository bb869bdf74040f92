#!/bin/sh
# pack-image.sh OUT FOLDER: makes release files of an image that was built. OUT is what cbox calls it
# below out/: the link OUT, and beside it OUT.json, OUT.sbom.json and OUT.provenance.json.
#
# Disk images, which are mostly empty, are compressed. What is larger than a
# release asset may be (ASSET_BYTES, just below GitHub's 2 GiB if it is not set) is
# split; the checksums cover the whole and the parts.
# The same image packs to the same bytes: times are that of SOURCE_DATE_EPOCH, or of the commit.
set -eu

out=$1 folder=$2
limit=${ASSET_BYTES:-1992294400}
time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

file=$(jq --raw-output '.artifact.path // empty' "$out.json")
if [ -z "$file" ] || [ ! -f "$out/$file" ]; then
  echo "pack-image.sh: $out.json names no one file below $out" >&2
  exit 1
fi

mkdir -p "$folder"
name=$(basename "$file")
case $name in
  *.iso) cp "$out/$file" "$folder/$name" ;;
  *)
    name=$name.zst
    zstd --threads=0 -10 --quiet "$out/$file" -o "$folder/$name"
    ;;
esac
# When it was linked says nothing of the image, and is another time on each machine.
jq --argjson time "$time" '.linkedAt = ($time | todate)' "$out.json" >"$folder/$name.json"
cp "$out.sbom.json" "$folder/$name.sbom.json"
cp "$out.provenance.json" "$folder/$name.provenance.json"

cd "$folder"
chmod u+w "$name"*
sha256sum "$name" "$name.json" "$name.sbom.json" "$name.provenance.json" >"$name.sha256"
if [ "$(stat --format=%s "$name")" -gt "$limit" ]; then
  split --bytes="$limit" --numeric-suffixes=1 "$name" "$name.part"
  rm "$name"
  sha256sum "$name".part* >>"$name.sha256"
fi
