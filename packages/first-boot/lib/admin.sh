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
    400) die "$exit_config" "Coder refuses the first user: $(field .message) $(field '[.validations[]?.field] | join(", ")')" ;;
    *) unexpected "making the first user" ;;
  esac
}

# As long as the server has no user the owner's choice wins over what an
# earlier, unfinished start had made up.
choose_password() {
  if [[ -n $owner_password_file ]]; then
    write_file 0600 "$password_file" <"$owner_password_file"
    log "the admin's password is the owner's"
  elif [[ ! -s $password_file ]]; then
    generate_password | write_file 0600 "$password_file"
    log "generated a password for the admin"
  fi
}

password_is_owners() {
  [[ -n $owner_password_file && $(<"$password_file") == "$(<"$owner_password_file")" ]]
}

# An owner's password is not shown: the owner knows it, and may use it elsewhere.
show_admin() {
  local password
  if [[ ! -s $password_file ]]; then
    unshow coder
    return
  fi
  if password_is_owners; then
    password='(set by the owner)'
  else
    password="$(<"$password_file")   (until it is changed)"
    [[ -z $owner_password_file ]] ||
      log "FIRST_BOOT_ADMIN_PASSWORD_FILE came after the admin was made: change the password in Coder, or reset"
  fi
  printf 'Coder     %s\n  e-mail    %s\n  password  %s\n' "$access_url" "$admin_email" "$password" |
    show coder
}

# Leaves a session's token in api_token; whoever calls this logs out.
log_in() {
  local file body
  api_token=''
  for file in "$password_file" "$owner_password_file"; do
    [[ -s $file ]] || continue
    body=$(jq -n --arg email "$admin_email" --rawfile password "$file" \
      '{email: $email, password: ($password | rtrimstr("\n"))}' | json_body)
    api POST /api/v2/users/login "$body"
    case $api_status in
      201)
        api_token=$(field .session_token)
        [[ $file == "$password_file" ]] || write_file 0600 "$password_file" <"$file"
        log "logged in as $admin_email"
        return
        ;;
      401) ;;
      *) unexpected "logging in" ;;
    esac
  done
  unshow coder
  die "$exit_locked_out" "Coder has a first user whose password is not known here: set FIRST_BOOT_ADMIN_PASSWORD_FILE, or reset"
}

# log_out SESSION: api_token is what it was before.
log_out() {
  local kept=$api_token
  api_token=$1
  api POST /api/v2/users/logout
  api_token=$kept
}
