# shellcheck shell=bash
# Shows generated passwords to whoever sits at the machine: as issue(5)
# snippets, which agetty prints on local terminals and sshd never reads, and as
# files for the one desktop user. All of it lives in /run: it is gone with the
# power and rewritten on each boot.
#
# What a serial line prints is read by management boards and kept by clouds, so
# there is a second set of snippets, without passwords.

# show NAME TEXT [TEXT FOR SERIAL LINES]
show() {
  local name=$1 text=$2 serial=${3-$2}
  # agetty expands backslashes.
  printf '%s\n\n' "${text//\\/\\\\}" | write_file 0600 "$console_dir/$name.issue"
  printf '%s\n\n' "${serial//\\/\\\\}" | write_file 0600 "$serial_dir/$name.issue"
  [[ -n $desktop_user ]] || return 0
  if ! id "$desktop_user" >/dev/null 2>&1; then
    log "no account '$desktop_user': nothing is shown on the desktop"
    return 0
  fi
  printf '%s\n' "$text" | write_file 0400 "$desktop_dir/$name.txt" "$desktop_user"
}

# show_password NAME TEXT FILE: a generated password, which is kept in FILE.
show_password() {
  local label=$'\n  password  '
  if [[ $show_passwords == no ]]; then
    show "$1" "$2$label(root finds it in $3)"
  else
    show "$1" "$2$label$(<"$3")   (until it is changed)" \
      "$2$label(on the screen of this machine)"
  fi
}

unshow() {
  rm -f "$console_dir/$1.issue" "$serial_dir/$1.issue" "$desktop_dir/$1.txt"
}

# tell_person CODE REASON: why the first boot is not done, for the one who looks
# at the console and not into the log.
tell_person() {
  local text="First boot: $2"
  # Once: writing it may fail for the same reason.
  [[ ${tells_person-no} == yes ]] || return 0
  tells_person=no
  case $1 in
    "$exit_later" | "$exit_io") text+=$'\n'"  It is tried again by itself; journalctl -u coder -u coder-first-boot tells more." ;;
    "$exit_no_input") ;;
    *) text+=$'\n'"  Once that is mended: sudo systemctl restart coder-first-boot" ;;
  esac
  show notice "$text"
}
