#!/bin/sh
# seal-release.sh FOLDER [KEY]: checks that what is in FOLDER arrived as it was packed, puts the
# checksums into one SHA256SUMS, and signs that with KEY, a minisign key without a password.
set -eu

key=${2:+$(realpath "$2")}
cd "$1"
cat ./*.sha256 | LC_ALL=C sort -k 2 >SHA256SUMS
rm ./*.sha256
# Whole images that were split are in the list too, and not here.
sha256sum --check --ignore-missing --strict --quiet SHA256SUMS
for file in *; do
  case $file in SHA256SUMS) continue ;; esac
  cut -c 67- SHA256SUMS | grep -qxF "$file" || {
    echo "seal-release.sh: $file is in no list of checksums" >&2
    exit 1
  }
done
if [ -n "$key" ]; then
  minisign -S -q -s "$key" -m SHA256SUMS -t "a release of $(wc -l <SHA256SUMS) files"
else
  echo "seal-release.sh: no key, so SHA256SUMS is not signed" >&2
fi
