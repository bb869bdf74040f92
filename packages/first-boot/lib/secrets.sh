# shellcheck shell=bash
# Secrets that were put on the drive before its first boot, as `cbox flash --secret` does: files in
# a folder of the EFI system partition, which anybody can read who has the drive. Each is copied to
# a folder of root's, then they go from the drive, and then each is used, once.
#
# The order is what makes a cut harmless. A secret that was copied is marked so before it goes, and
# with the mark nothing on the drive counts any more, whole or half overwritten: it only goes. One
# that was copied stays with root until it is where it is used, and using it twice changes nothing.

take_secrets() {
  local waiting=$state_dir/secrets/waiting taken=$state_dir/secrets/taken failures=()
  mkdir -p "$waiting" "$taken" || die "$exit_io" "cannot write $state_dir/secrets"
  unshow secrets
  # Some systems that the drive was in leave files of that kind.
  shopt -s dotglob
  copy_secrets
  remove_secrets
  use_secrets
  ((${#failures[@]} == 0)) && return
  local text
  printf -v text '\n  %s' "${failures[@]}"
  show secrets "Secrets from the drive:$text"
  exit "$exit_io"
}

# secret_failed MESSAGE: goes on with the others; the person at the machine sees it.
secret_failed() {
  log "$1"
  failures+=("$1")
}

copy_secrets() {
  local file name
  for file in "$secrets_folder"/*; do
    [[ -f $file ]] || continue
    name=${file##*/}
    if [[ -e $taken/$name ]]; then
      log "the secret '$name' was taken before"
    elif secret_is_known "$name"; then
      write_file 0600 "$waiting/$name" <"$file"
      write_file 0600 "$taken/$name" </dev/null
      log "took the secret '$name' from the drive"
    else
      secret_failed "nothing here takes '${name//[^[:alnum:]._-]/?}': it was removed from the drive"
    fi
  done
}

# Flash memory may keep the old content elsewhere: that no program can help.
remove_secrets() {
  local file
  [[ -d $secrets_folder ]] || return 0
  for file in "$secrets_folder"/*; do
    [[ -f $file ]] || continue
    shred --iterations=0 --zero --remove=unlink "$file" || break
  done
  rmdir "$secrets_folder" && sync --file-system "${secrets_folder%/*}" ||
    secret_failed "they cannot be removed from $secrets_folder: it is tried again at the next boot"
}

secret_is_known() {
  case $1 in
    account-password) [[ $account_password_user != '' ]] ;;
    authorized-keys) [[ $authorized_keys_file != '' ]] ;;
    coder-admin-password) [[ $coder_password_is_open == yes ]] ;;
    ?*.nmconnection) [[ $networks_dir != '' ]] ;;
    *) false ;;
  esac
}

use_secrets() {
  local file name
  for file in "$waiting"/*; do
    [[ -f $file ]] || continue
    name=${file##*/}
    # A copy that was cut off: the drive still has it, unmarked.
    if [[ $name != *.new ]]; then
      use_secret "$name" "$file" || continue
      log "used the secret '$name'"
    fi
    shred --iterations=0 --zero --remove=unlink "$file" || secret_failed "cannot remove $file"
  done
}

use_secret() {
  local name=$1 file=$2 line=''
  case $name in
    *-password)
      IFS= read -r line <"$file" || true
      line=${line%$'\r'}
      if [[ -z $line ]]; then
        secret_failed "'$name' begins with an empty line: it is no password"
        return 0
      fi
      ;;
  esac
  case $name in
    account-password)
      printf '%s:%s\n' "$account_password_user" "$line" | chpasswd || {
        secret_failed "cannot set the password of '$account_password_user': it is tried again at the next boot"
        return 1
      }
      ;;
    coder-admin-password) write_file 0600 "$given_file" <<<"$line" ;;
    authorized-keys) keep_secret 0755 0644 "$authorized_keys_file" "$file" ;;
    *.nmconnection) keep_secret 0700 0600 "$networks_dir/$name" "$file" ;;
  esac
}

# keep_secret FOLDER_MODE MODE PATH FILE
keep_secret() {
  mkdir -p -m "$1" "${3%/*}" || die "$exit_io" "cannot make ${3%/*}"
  write_file "$2" "$3" <"$4"
}
