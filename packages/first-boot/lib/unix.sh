# shellcheck shell=bash
# Passwords of Unix accounts, for machines whose owner set none.

# ensure_unix_password NAME: an account that has a password of its owner's is
# left alone.
ensure_unix_password() {
  local name=$1 file=$unix_dir/$1 entry hash
  [[ $name =~ ^[a-z_][a-z0-9_-]*$ ]] || die "$exit_config" "'$name' is no account name"
  entry=$(getent shadow "$name") || die "$exit_config" "there is no account '$name'"
  IFS=: read -r _ hash _ <<<"$entry"
  case $hash in
    # What a new account has: no password. A '!' before a hash is an account
    # that its owner locked.
    '' | '!' | '!!' | '*' | '!*')
      # Stored before it is set: what is set is always known here.
      generate_password | write_file 0600 "$file"
      printf '%s:%s\n' "$name" "$(<"$file")" | chpasswd ||
        die "$exit_io" "cannot set the password of '$name'"
      log "set a generated password for account '$name'"
      ;;
  esac
  if [[ ! -s $file ]]; then
    log "account '$name' has a password of its owner's"
    return
  fi
  printf 'Account   %s\n  password  %s   (until it is changed)\n' "$name" "$(<"$file")" |
    show "account-$name"
}
