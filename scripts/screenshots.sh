#!/bin/sh
# screenshots.sh: makes the pictures in docs/images anew, with a Chromium on the PATH.
# The tools come from `make setup`, cbox from `make build`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"

images=$root/docs/images

# picture NAME PAGE WIDTH HEIGHT: what a browser shows of the file PAGE, as docs/images/NAME.png
picture() {
  "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars \
    --virtual-time-budget=3000 --window-size="$3,$4" \
    --screenshot="$work/$1.png" "file://$2" 2>"$work/said" ||
    die "the browser made no picture of $2: $(tail -n 1 "$work/said")"
  [ -s "$work/$1.png" ] || die "the browser made no picture of $2"
  replace "$images/$1.png" <"$work/$1.png"
  say "docs/images/$1.png"
}

# in_terminal COMMAND…: tmux with a server of its own
in_terminal() { tmux -L "cbox-screenshots-$$" -f /dev/null "$@"; }

# terminal NAME ROWS WORDS COMMAND: the screen of a terminal in which COMMAND runs, once it
# shows WORDS, as docs/images/NAME.png
terminal() {
  in_terminal new-session -d -x 104 -y "$2" -c "$work/box" "env PS1='$ ' sh"
  in_terminal send-keys "clear; $4" Enter
  tries=300
  until in_terminal capture-pane -p | grep -qE "$3"; do
    tries=$((tries - 1))
    [ $tries != 0 ] || die "\`$4\` did not show \`$3\`"
    sleep 0.2
  done
  { echo "$ $4" && in_terminal capture-pane -e -p; } >"$work/screen"
  in_terminal kill-server
  # Empty rows at the end are no part of the picture.
  sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$work/screen" >"$work/rows"
  awk -f "$root/scripts/lib/terminal-page.awk" "$work/rows" >"$work/$1.html"
  picture "$1" "$work/$1.html" 1010 $((40 + $(wc -l <"$work/rows") * 22))
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
have tmux || die "no tmux on the PATH"
work=$(mktemp -d)
trap 'in_terminal kill-server 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir -p "$images"

cp -R "$minibox" "$work/box"
cd "$work/box"
rm -rf out
git init --quiet
git config user.name cbox
git config user.email cbox@localhost
git add .
git commit --quiet --message "the mini box"
cbox accept
git add .
git commit --quiet --message "accept"

# Another word in the baked source, so that there is something to build.
date >>modules/word.txt
terminal build 16 'at once · [3-9] s' 'cbox build appliance/iso appliance/raw appliance/qcow2 -- --max-jobs 3'

cbox appliance iso
cbox size appliance/iso --html "$work/size.html"
picture size "$work/size.html" 1200 760

inventory=hosts/mini-thinkcentre/default.nix
sed 's,/run/inventory,/var/lib/inventory,' "$inventory" >"$work/changed"
cp "$work/changed" "$inventory"
terminal verify-hosts 24 'hint:' 'cbox verify-hosts'

sed 's,../../modules/disk-layout.nix,& ./disk.nix,' "$work/changed" >"$inventory"
echo '{ }' >hosts/mini-thinkcentre/disk.nix
echo 'disk.*' >>.gitignore
terminal error 24 'hint:' 'cbox build hosts/mini-thinkcentre'
