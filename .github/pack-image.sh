#!/bin/sh
# pack-image.sh LINK MANIFEST FOLDER: makes release files of a built image.
#
# Disk images, which are mostly empty, are compressed. What is larger than a
# release asset may be is split; the checksums cover the whole and the parts.
set -eu

link=$1 manifest=$2 folder=$3
limit=$((2 * 1024 * 1024 * 1024 - 1)) # of an asset, in bytes
part=1900M

image=$(find -L "$link" -type f -name 'coder-box-appliance-*')
case $image in
  '' | *"
"*)
    echo "pack-image.sh: there should be one image in $link, found: ${image:-none}" >&2
    exit 1
    ;;
esac

mkdir -p "$folder"
name=$(basename "$image")
case $name in
  *.iso) cp "$image" "$folder/$name" ;;
  *)
    name=$name.zst
    zstd --threads=0 -10 --quiet "$image" -o "$folder/$name"
    ;;
esac
cp "$manifest" "$folder/$name.json"

cd "$folder"
chmod u+w "$name" "$name.json"
sha256sum "$name" "$name.json" >"$name.sha256"
if [ "$(stat --format=%s "$name")" -gt "$limit" ]; then
  split --bytes="$part" --numeric-suffixes=1 "$name" "$name.part"
  rm "$name"
  sha256sum "$name".part* >>"$name.sha256"
fi
