# Takes back all that setup.sh and the demo did, in the repository and outside.
# shellcheck shell=sh

# undo_roots: each link that keeps something in /nix, on a line: those in auto/ lead to
# one elsewhere, the others are roots themselves. What leads on to another link, or
# nowhere, keeps nothing.
undo_roots() {
  find /nix/var/nix/gcroots /nix/var/nix/profiles -type l 2>/dev/null | while IFS= read -r link; do
    case $link in /nix/var/nix/gcroots/auto/*) link=$(readlink "$link") ;; esac
    case $(readlink "$link") in
      /nix/store/*) [ ! -e "$link" ] || printf '%s\n' "$link" ;;
    esac
  done
}

# undo_is_profile LINK: it is a generation of a profile
undo_is_profile() { [ -e "$1/manifest.json" ] || [ -e "$1/manifest.nix" ]; }

# undo_others: of the links of stdin those that others made: outside the repository, and
# profiles, also those that the private Nix keeps in .tools. An empty profile keeps
# nothing of anybody's.
undo_others() {
  while IFS= read -r link; do
    if undo_is_profile "$link"; then
      grep -qs '"elements":\({}\|\[]\)' "$link/manifest.json" || printf '%s\n' "$link"
    else
      printf '%s\n' "$link" | undo_inside no
    fi
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
  rm -rf "$1/.log" # cbox's too
  for manifest in "$1"/*.json; do
    link=${manifest%.json}
    if [ -L "$link" ]; then
      say "removing $link, a link that cbox made"
      rm -f "$link" "$link.sha256" "$manifest"
    fi
  done
}

# undo_folder DIR: the folder of such links
undo_folder() {
  [ ! -d "$1" ] || rmdir "$1" 2>/dev/null || say "leaving $1, for what is still in it"
}

# undo_parts: what setup added to a Nix store that it did not make
undo_parts() {
  rm -rf "$tools/roots"
  if [ -s "$tools/parts/added" ] && have nix-store; then
    say "deleting the parts from the Nix store (what was built from them goes with nix-collect-garbage)"
    sort -u "$tools/parts/added" | while read -r path; do
      [ ! -e "$path" ] || printf '%s\n' "$path"
    done | xargs -r nix-store --delete >/dev/null 2>&1 ||
      say "some parts are still in use and stay in the Nix store until it is garbage-collected"
  fi
}

# undo_nix: the whole of /nix, which setup made or filled, and the links into it
undo_nix() {
  roots=$(undo_roots)
  profile=${HOME-}/.nix-profile
  [ -e "$profile" ] || profile=
  say "emptying /nix, which held nothing before setup"
  find /nix/store -type d ! -perm -u+w -exec chmod u+w {} + 2>/dev/null || true
  find /nix -mindepth 1 -maxdepth 1 -exec rm -rf {} +
  if ! rmdir /nix 2>/dev/null; then
    say "/nix is empty now; to remove the folder as well: sudo rmdir /nix"
  fi
  undo_links "$root/out"
  # They lead nowhere now; outside the repository that is what Nix made for empty profiles.
  printf '%s\n' "$roots" | while IFS= read -r link; do
    for left in "$link" "${link%-*-link}"; do
      if [ -L "$left" ] && [ ! -e "$left" ]; then rm -f "$left"; fi
    done
  done
  undo_folder "$root/out"
  if [ -L "$profile" ] && [ ! -e "$profile" ]; then
    say "removing $profile, which led to an empty profile"
    rm -f "$profile"
  fi
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
  undo_folder "$minibox/out"
  others=''
  if [ -e "$tools/made-nix" ] || [ -e "$tools/filled-nix" ]; then
    others=$(undo_roots | undo_others)
    [ -n "$others" ] || undo_nix
  else
    undo_parts
    ! ls "$root"/out/*.json >/dev/null 2>&1 ||
      say "leaving $root/out: what it links to is still in the Nix store"
  fi
  [ -z "$others" ] || undo_later
  say "removing $tools"
  # systemd of The Box's bench makes a folder immutable.
  find "$tools/box" -path '*/machine/root/var/empty' -exec chattr -i {} + 2>/dev/null || true
  rm -rf "$tools"
  undo_left
}

# undo_later: the end of the script, since others need /nix. A profile is removed by Nix, which
# therefore stays as long.
undo_later() {
  profiles=$(printf '%s\n' "$others" | while IFS= read -r link; do
    if undo_is_profile "$link"; then printf '%s\n' "$link" | sed 's/-[0-9]*-link$//'; fi
  done | sort -u)
  links=$(printf '%s\n' "$others" | while IFS= read -r link; do
    undo_is_profile "$link" || printf '%s\n' "$link"
  done)
  keep=' made-nix filled-nix '
  [ -z "$profiles" ] || keep="$keep bin debian env nix nix-dir "
  say "removing what is in $tools, but for the note that /nix is setup's doing${profiles:+, and for Nix}"
  find "$tools" -mindepth 1 -maxdepth 1 | while IFS= read -r entry; do
    case $keep in *" ${entry##*/} "*) ;; *) rm -rf "$entry" ;; esac
  done
  undo_left
  say "/nix is still needed by what setup did not make:"
  [ -z "$links" ] || printf '%s\n' "$links" | undo_by_folder >&2
  [ -z "$profiles" ] || printf '%s\n' "$profiles" | while IFS= read -r profile; do
    profile=$(quoted "$profile")
    printf '  the profile %s; to empty it:\n' "$profile"
    printf '    . .tools/env; nix profile remove --profile %s --all; nix profile wipe-history --profile %s\n' "$profile" "$profile"
  done >&2
  die "/nix is left. When you have removed these (another clone's by \`make undo\` there), run \`make undo\` here again; to keep /nix for good: rm -r .tools"
}
