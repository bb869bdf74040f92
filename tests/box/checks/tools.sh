# what a person at the machine finds: git, an editor, Coder's command line
fresh
start
check "the machine is up" eventually 60 is_active multi-user.target
for program in git vim coder; do
  check "$program is there" in_box "bash --login -c 'command -v $program'"
done
check "Coder's command line knows where Coder is" same \
  "$(in_box "bash --login -c 'echo \$CODER_URL'")" "http://localhost:3000"

# The script of the desktop, run by the neighbour in place of the browser's owner.
desk=$work/desk
# opens_page: how often it opened the page when the desktop started once more
opens_page() {
  at_peer env HOME="$desk/home" XDG_STATE_HOME= DASHBOARD="http://$(address):3000" \
    PATH="$desk/bin:$PATH" timeout 20 sh -eu "$root/nixos/modules/desktop/open-coder-page.sh"
  wc -l <"$desk/opened"
}
rm -rf "$desk"
mkdir -p "$desk/bin" "$desk/home"
# shellcheck disable=SC2016 # for the script
printf '#!/bin/sh\necho "$1" >>"%s"\n' "$desk/opened" >"$desk/bin/xdg-open"
chmod +x "$desk/bin/xdg-open"
check "there is an owner" eventually 60 reaches_coder
check "a fresh desktop opens Coder's page" same "$(opens_page)" 1
check "its address" same "$(cat "$desk/opened")" "http://$(address):3000"
check "no later one does" same "$(opens_page)" 1
rm -rf "$desk"
