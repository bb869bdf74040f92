# shellcheck shell=bash
# Shows generated passwords to whoever sits at the machine: as issue(5)
# snippets, which agetty prints on local terminals and sshd never reads, and as
# files for the one desktop user. Both live in /run: they are gone with the
# power and rewritten on each boot.

# show NAME < text
show() {
  local name=$1 text
  text=$(cat)
  # agetty expands backslashes.
  printf '%s\n\n' "${text//\\/\\\\}" | write_file 0600 "$console_dir/$name.issue"
  [[ -n $desktop_user ]] || return 0
  if ! id "$desktop_user" >/dev/null 2>&1; then
    log "no account '$desktop_user': nothing is shown on the desktop"
    return 0
  fi
  printf '%s\n' "$text" | write_file 0400 "$desktop_dir/$name.txt" "$desktop_user"
}

unshow() {
  rm -f "$console_dir/$1.issue" "$desktop_dir/$1.txt"
}
