# Takes back all that setup.sh and the demo did, in the repository and outside.
# shellcheck shell=sh

# undo_roots: each link that keeps something in /nix, on a line. Those in auto/ lead
# to a link elsewhere; the others and the profiles are the root themselves.
undo_roots() {
  find /nix/var/nix/gcroots /nix/var/nix/profiles -type l 2>/dev/null | while read -r link; do
    case $link in
      /nix/var/nix/gcroots/profiles) continue ;; # where the profiles are
      /nix/var/nix/gcroots/auto/*) link=$(readlink "$link") ;;
    esac
    [ ! -L "$link" ] || printf '%s\n' "$link"
  done
}

# undo_inside yes|no: those lines of stdin that are inside the repository, or outside
undo_inside() {
  awk -v wanted="$1" -v root="$root/" -v real="$(cd "$root" && pwd -P)/" '
    $0 != "" && (index($0, root) == 1 || index($0, real) == 1 ? "yes" : "no") == wanted'
}

# undo_by_folder: the links of stdin, where a folder has several as one line
undo_by_folder() {
  awk '{ folder = $0; sub("/[^/]*$", "", folder); count[folder]++; link[folder] = $0 }
    END { for (f in count) print "  " (count[f] == 1 ? link[f] : f "/ (" count[f] " links)") }' | sort
}

# undo_links DIR: the links there that cbox made, which have a manifest beside them
undo_links() {
  for manifest in "$1"/*.json; do
    link=${manifest%.json}
    if [ -L "$link" ]; then
      say "removing $link, a link that cbox made"
      rm -f "$link" "$link.sha256" "$manifest"
    fi
  done
  [ ! -d "$1" ] || rmdir "$1" 2>/dev/null || say "leaving $1: cbox did not make what is still in it"
}

# undo_parts: what setup added to a Nix store that it did not make
undo_parts() {
  rm -rf "$tools/roots"
  if [ -s "$tools/parts/added" ] && have nix-store; then
    say "deleting the parts from the Nix store (what was built from them goes with nix-collect-garbage)"
    sort -u "$tools/parts/added" | xargs nix-store --delete >/dev/null 2>&1 ||
      say "some parts are still in use and stay in the Nix store until it is garbage-collected"
  fi
}

# undo_nix: the whole of /nix, which setup made or filled
undo_nix() {
  roots=$(undo_roots)
  say "emptying /nix, which held nothing before setup"
  find /nix/store -type d ! -perm -u+w -exec chmod u+w {} + 2>/dev/null || true
  find /nix -mindepth 1 -maxdepth 1 -exec rm -rf {} +
  if ! rmdir /nix 2>/dev/null; then
    say "/nix is empty now; to remove the folder as well: sudo rmdir /nix"
  fi
  undo_links "$root/out"
  printf '%s\n' "$roots" | undo_inside yes | while read -r link; do
    case $(readlink "$link") in /nix/store/*) rm -f "$link" ;; esac # leads nowhere now
  done
}

# undo_left: the last line, about what others made
undo_left() {
  cache=${XDG_CACHE_HOME:-${HOME-}/.cache}/cbox
  set --
  [ ! -d "$root/target" ] || set -- "target/ (cargo's; make clean removes it)"
  [ ! -d "$cache" ] || set -- "$@" "$cache (evaluations that cbox remembers; remove it at any time)"
  [ $# = 0 ] || say "left, since setup did not make it: $1${2:+ and $2}"
}

undo() {
  if [ ! -d "$tools" ]; then
    say "nothing to undo"
    undo_left
    return
  fi
  # shellcheck source=/dev/null
  [ ! -r "$tools/env" ] || . "$tools/env"
  undo_links "$minibox/out"
  outside=''
  if [ -e "$tools/made-nix" ] || [ -e "$tools/filled-nix" ]; then
    outside=$(undo_roots | undo_inside no)
    [ -n "$outside" ] || undo_nix
  else
    undo_parts
  fi
  [ ! -d "$root/out" ] || say "leaving $root/out: what it links to is still in the Nix store"
  if [ -n "$outside" ]; then
    say "removing $tools, but for the note that /nix is setup's doing"
    find "$tools" -mindepth 1 -maxdepth 1 ! -name made-nix ! -name filled-nix -exec rm -rf {} +
    undo_left
    say "/nix is still needed outside this repository, by"
    printf '%s\n' "$outside" | undo_by_folder >&2
    die "/nix is left. When you have removed these (another clone's by \`make undo\` there), run \`make undo\` here again; to keep /nix for good: rm -r .tools"
  fi
  say "removing $tools"
  # systemd of The Box's bench makes a folder immutable.
  find "$tools/box" -path '*/machine/root/var/empty' -exec chattr -i {} + 2>/dev/null || true
  rm -rf "$tools"
  undo_left
}
