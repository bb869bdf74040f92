# shellcheck shell=bash
# Files that are whole or not there, also after a power cut.

prepare_directories() {
  mkdir -p "$state_dir" "$stamps_dir" "$unix_dir" "$runtime_dir" "$console_dir" "$desktop_dir" &&
    chmod 0700 "$state_dir" "$console_dir" &&
    # The desktop lists what there is to show; the files are its user's alone.
    chmod 0755 "$runtime_dir" "$desktop_dir" ||
    die "$exit_io" "cannot prepare $state_dir and $runtime_dir"
}

# One at a time: the renewal timer and a restart after 'later' may meet.
take_lock() {
  exec {lock_fd}>"$state_dir/lock"
  flock --timeout 900 "$lock_fd" || die "$exit_later" "another start still holds $state_dir/lock"
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
