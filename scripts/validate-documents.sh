#!/bin/sh
# validate-documents.sh: bills of materials and provenance, held against the libraries that CycloneDX
# and in-toto publish for it. They are Python's, pinned by their hashes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

usage() {
  cat <<'USAGE'
usage: scripts/validate-documents.sh FILE…     *.sbom.json and *.provenance.json
       scripts/validate-documents.sh --check   only look whether it can

It needs Python 3.10 or later with venv, and fetches 27 packages (46 MB) into
.tools/validators, once.
USAGE
}

case ${1---help} in -h | --help) usage; exit ;; esac
python=
for python in python3 python; do
  if have "$python" && "$python" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then break; fi
  python=
done
[ -n "$python" ] ||
  die "Python 3.10 or later with venv is missing here. On Debian and Ubuntu: apt-get install python3-venv"
[ "$1" != --check ] || exit 0

wanted=$root/scripts/lib/validators/requirements.txt
venv=$tools/validators
if ! cmp -s "$wanted" "$venv/requirements.txt"; then
  say "fetching the validators of CycloneDX and in-toto"
  mkdir -p "$tools"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --require-hashes --requirement "$wanted"
  cp "$wanted" "$venv/requirements.txt"
fi
exec "$venv/bin/python" "$root/scripts/lib/validators/validate.py" "$@"
