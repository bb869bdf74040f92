# shellcheck shell=bash
# Files that are whole or not there, also after a power cut.

prepare_directories() {
  mkdir -p "$state_dir" "$stamps_dir" "$unix_dir" "$runtime_dir" "$console_dir" "$serial_dir" "$desktop_dir" &&
    chmod 0700 "$state_dir" "$console_dir" "$serial_dir" &&
    # The desktop lists what there is to show; the files are its user's alone.
    chmod 0755 "$runtime_dir" "$desktop_dir" ||
    die "$exit_io" "cannot prepare $state_dir and $runtime_dir"
}

# take_lock FILE: one at a time. The renewal timer, a reset and a restart after
# 'later' may meet. Accounts have a lock of their own: whoever waits to log in must
# not wait for Coder.
take_lock() {
  local lock_fd=$held_lock
  [[ -n $lock_fd ]] || exec {lock_fd}>"$1"
  flock --timeout "$lock_seconds" "$lock_fd" || die "$exit_later" "another start still holds $1"
}

# write_file MODE PATH [OWNER] < content
write_file() {
  local mode=$1 path=$2 owner=${3-}
  # The umask makes it private from its first moment; mode and owner are set
  # before the name appears, and the content is on the disk before the name is.
  {
    cat >"$path.new" &&
      chmod "$mode" "$path.new" &&
      { [[ -z $owner ]] || chown "$owner" "$path.new"; } &&
      sync "$path.new" &&
      mv -f "$path.new" "$path" &&
      sync "${path%/*}"
  } || die "$exit_io" "cannot write $path"
}

# The token and the stamps are of one server's database.
forget_server() {
  rm -f "$token_file" "$stamps_dir"/*
}
