#!/bin/sh
# screenshots.sh: makes the pictures in docs/images anew, with a Chromium on the PATH.
# The tools come from `make setup`, cbox from `make build`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

images=$root/docs/images

# picture NAME PAGE HEIGHT: what a browser shows of the file PAGE, as docs/images/NAME.png
picture() {
  "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars \
    --virtual-time-budget=3000 --window-size="1200,$3" \
    --screenshot="$work/$1.png" "file://$2" 2>"$work/said" ||
    die "the browser made no picture of $2: $(tail -n 1 "$work/said")"
  [ -s "$work/$1.png" ] || die "the browser made no picture of $2"
  replace "$images/$1.png" <"$work/$1.png"
  say "docs/images/$1.png"
}

if [ -r "$tools/env" ]; then
  # shellcheck source=/dev/null
  . "$tools/env"
fi
for browser in chromium chromium-browser google-chrome; do
  ! have "$browser" || break
done
have "$browser" || die "no Chromium on the PATH (Debian's package is chromium)"
have cbox || die "no cbox on the PATH: \`make build\`, then \`. .tools/env\`"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$images"

cd "$minibox"
cbox appliance iso
cbox size appliance/iso --html "$work/size.html"
picture size "$work/size.html" 760
