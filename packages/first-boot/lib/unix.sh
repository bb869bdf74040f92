# shellcheck shell=bash
# Passwords of Unix accounts, for machines whose owner set none.

# ensure_unix_password NAME: an account that has a password of its owner's is
# left alone.
ensure_unix_password() {
  local name=$1 file=$unix_dir/$1 made=$unix_dir/$1.hash hash
  [[ $name =~ ^[a-z_][a-z0-9_-]*$ ]] || die "$exit_config" "'$name' is no account name"
  hash=$(shadow_hash "$name") || die "$exit_config" "there is no account '$name'"
  case $hash in
    # What a new account has: no password. A '!' before a hash is an account
    # that its owner locked.
    '' | '!' | '!!' | '*' | '!*')
      # Stored before it is set: what is set is always known here.
      generate_password | write_file 0600 "$file"
      rm -f "$made"
      printf '%s:%s\n' "$name" "$(<"$file")" | chpasswd ||
        die "$exit_io" "cannot set the password of '$name'"
      log "set a generated password for account '$name'"
      hash=$(shadow_hash "$name") || die "$exit_io" "there is no account '$name' any more"
      ;;
  esac
  if [[ ! -s $file ]]; then
    log "account '$name' has a password of its owner's"
    return
  fi
  # What came of it is remembered, and another hash is another password. After a
  # cut between the two it is the one that was just set.
  [[ -s $made ]] || write_file 0600 "$made" <<<"$hash"
  if [[ $hash == "$(<"$made")" ]]; then
    show_password "account-$name" "Account   $name" "$file"
  else
    unshow "account-$name"
    log "the password of account '$name' was changed: it is not shown any more"
  fi
}

# shadow_hash NAME: the second field.
shadow_hash() {
  local entry hash
  entry=$(getent shadow "$1") || return
  IFS=: read -r _ hash _ <<<"$entry"
  printf '%s' "$hash"
}
