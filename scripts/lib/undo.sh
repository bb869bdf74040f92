# Takes back all that setup.sh did, in the repository and outside.
# shellcheck shell=sh

# undo_store: what setup added to the Nix store, or the whole store if setup made it
undo_store() {
  if [ ! -e "$tools/made-nix" ] && [ ! -e "$tools/filled-nix" ]; then
    rm -rf "$tools/roots"
    if [ -s "$tools/parts/added" ] && have nix-store; then
      say "deleting the parts from the Nix store (what was built from them goes with nix-collect-garbage)"
      sort -u "$tools/parts/added" | xargs nix-store --delete >/dev/null 2>&1 ||
        say "some parts are still in use and stay in the Nix store until it is garbage-collected"
    fi
    return
  fi
  for link in /nix/var/nix/gcroots/auto/*; do
    target=$(readlink "$link") || continue
    case $target in "$root"/*) continue ;; esac
    if [ -L "$target" ]; then
      say "leaving /nix where it is, since $target outside this repository is in it. To remove it all the same: rm -rf /nix"
      return
    fi
  done
  say "emptying /nix, which held nothing before setup"
  find /nix/store -type d ! -perm -u+w -exec chmod u+w {} + 2>/dev/null || true
  find /nix -mindepth 1 -maxdepth 1 -exec rm -rf {} +
  if ! rmdir /nix 2>/dev/null; then
    say "/nix is empty now; to remove the folder as well: sudo rmdir /nix"
  fi
  rm -rf "$minibox/out" # links to images that are gone
}

undo() {
  [ -d "$tools" ] || { say "nothing to undo"; return; }
  # shellcheck source=/dev/null
  [ ! -r "$tools/env" ] || . "$tools/env"
  undo_store
  say "removing $tools"
  rm -rf "$tools"
}
