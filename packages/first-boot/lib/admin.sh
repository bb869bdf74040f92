# shellcheck shell=bash
# Coder's first user, who owns the deployment.

ensure_admin() {
  api GET /api/v2/users/first
  case $api_status in
    200) log "the first user is there" ;;
    404)
      # What is remembered of a server that is no more, as after a reset that
      # was cut short, is true of none.
      forget_server
      create_admin
      ;;
    *) unexpected "looking for the first user" ;;
  esac
  forget_given_password
  # Only now may the network see Coder: before, whoever came first could have
  # made himself its owner.
  write_file 0644 "$flag_file" </dev/null
  show_admin
}

create_admin() {
  local body
  # Before the request: if the power goes after it, the password is still known.
  choose_password
  body=$(jq -n --arg user "$admin_user" --arg email "$admin_email" \
    --rawfile password "$password_file" \
    '{username: $user, email: $email, password: ($password | rtrimstr("\n")), trial: false}' |
    json_body)
  api POST /api/v2/users/first "$body"
  case $api_status in
    201) log "made the first user '$admin_user' ($admin_email)" ;;
    409) log "the first user is there already: an answer was lost" ;;
    400) die "$exit_config" "Coder refuses the first user: $(field .message) $(field '[.validations[]?.field] | join(", ")')$(given_hint)" ;;
    *) unexpected "making the first user" ;;
  esac
}

# A password that came with the drive counts until there is a user, and only once.
forget_given_password() {
  [[ -e $given_file ]] || return 0
  [[ -s $password_file && $(<"$password_file") == "$(<"$given_file")" ]] ||
    log "the password that came with the drive is not that of Coder's admin, who was there before"
  shred --iterations=0 --zero --remove=unlink "$given_file" || die "$exit_io" "cannot remove $given_file"
}

given_hint() {
  [[ ! -e $given_file || -n $owner_password_file ]] ||
    printf '; if it is the password that came with the drive, write another one to %s' "$given_file"
}

# As long as the server has no user the owner's choice wins over what an
# earlier, unfinished start had made up.
choose_password() {
  if [[ -n $owner_password_file ]]; then
    [[ -s $owner_password_file ]] ||
      die "$exit_no_input" "Coder gets no user before there is a password in $owner_password_file (box.firstBoot.admin.passwordFile): write it there, it is looked for every half a minute"
    # First: what is remembered as the owner's is never shown.
    write_file 0600 "$owners_mark" </dev/null
    write_file 0600 "$password_file" <"$owner_password_file"
    log "the admin's password is the owner's"
  elif [[ -s $given_file ]]; then
    write_file 0600 "$owners_mark" </dev/null
    write_file 0600 "$password_file" <"$given_file"
    log "the admin's password is the one that came with the drive"
  elif [[ ! -s $password_file || -e $owners_mark ]]; then
    generate_password | write_file 0600 "$password_file"
    rm -f "$owners_mark"
    log "generated a password for the admin"
  fi
}

# The file may be gone since: an owner need not leave it there.
password_is_owners() {
  [[ -e $owners_mark ]] ||
    [[ -s $owner_password_file && $(<"$password_file") == "$(<"$owner_password_file")" ]]
}

# An owner's password is not shown: the owner knows it, and may use it elsewhere.
# A generated one is shown for as long as it opens the door.
show_admin() {
  local text
  if [[ ! -s $password_file ]]; then
    unshow coder
    return
  fi
  printf -v text 'Coder     %s\n  e-mail    %s' "$access_url" "$admin_email"
  if ! password_is_owners; then
    log_in
  fi
  if password_is_owners; then
    show coder "$text"$'\n  password  (set by the owner)'
    [[ ! -s $owner_password_file || $(<"$password_file") == "$(<"$owner_password_file")" ]] ||
      log "FIRST_BOOT_ADMIN_PASSWORD_FILE has another password since: change the password in Coder, or reset"
  elif [[ -n $admin_session ]]; then
    [[ -z $owner_password_file ]] ||
      log "FIRST_BOOT_ADMIN_PASSWORD_FILE came after the admin was made: change the password in Coder, or reset"
    show_password coder "$text" "$password_file"
  else
    show coder "$text"$'\n  password  (changed since)'
    log "the admin's password was changed: it is not shown any more"
  fi
}

# A session, until `log_out`.
admin_session=''

# log_in_with FILE: leaves a session in admin_session where that is the password.
log_in_with() {
  local body
  body=$(jq -n --arg email "$admin_email" --rawfile password "$1" \
    '{email: $email, password: ($password | rtrimstr("\n"))}' | json_body)
  api POST /api/v2/users/login "$body"
  case $api_status in
    201) admin_session=$(field .session_token) ;;
    401) ;;
    *) unexpected "logging in" ;;
  esac
}

# log_in: with what is known here; an owner may have told the password later.
log_in() {
  local file
  for file in "$password_file" "$owner_password_file"; do
    [[ -z $admin_session && -s $file ]] || continue
    log_in_with "$file"
    [[ -n $admin_session && $file == "$owner_password_file" ]] || continue
    write_file 0600 "$owners_mark" </dev/null
    write_file 0600 "$password_file" <"$file"
  done
}

log_out() {
  [[ -n $admin_session ]] || return 0
  local kept=$api_token
  api_token=$admin_session
  api POST /api/v2/users/logout
  api_token=$kept
  admin_session=''
}
