#!/bin/sh
# release-image.sh TARGET OUT FOLDER: what a release has of one image, in FOLDER. OUT is the target's
# link below out/, as `cbox matrix` has it. With BOOT_UNTIL, a regular expression, the image has to
# boot until its console has a line like it; with BUILDER_ID, a URI, its provenance says so who built it.
set -eu

target=$1 out=$2 folder=$3
here=$(dirname "$0")

cbox build "$target" --stamp --sbom --provenance ${BUILDER_ID:+--builder-id "$BUILDER_ID"}
if [ -n "${BOOT_UNTIL-}" ]; then
  cbox boot "$target" --until "$BOOT_UNTIL" --timeout 30m
else
  echo "release-image.sh: BOOT_UNTIL is not set, so $target is not booted" >&2
fi
cbox reproduce "$target" --stamp
"$here/pack-image.sh" "$out" "$folder"
