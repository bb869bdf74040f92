# shellcheck shell=bash
# Reads the environment once, so that a bad setting is told before anything is
# done. The names are documented in README.md.
# shellcheck disable=SC2034 # the other files use what is set here

load_config() {
  state_dir=${STATE_DIRECTORY-}
  runtime_dir=${RUNTIME_DIRECTORY-}
  [[ $state_dir == /* ]] || die "$exit_config" "STATE_DIRECTORY is not an absolute path: '$state_dir'"
  [[ $runtime_dir == /* ]] || die "$exit_config" "RUNTIME_DIRECTORY is not an absolute path: '$runtime_dir'"

  password_file=$state_dir/admin-password
  owners_mark=$state_dir/admin-password-is-the-owners
  given_file=$state_dir/admin-password.given
  token_file=$state_dir/session-token
  stamps_dir=$state_dir/templates
  unix_dir=$state_dir/unix
  flag_file=$runtime_dir/first-user-exists
  console_dir=$runtime_dir/console
  serial_dir=$runtime_dir/serial
  desktop_dir=$runtime_dir/desktop

  coder_url=${FIRST_BOOT_CODER_URL:-http://127.0.0.1:3000}
  coder_url=${coder_url%/}
  access_url=${FIRST_BOOT_ACCESS_URL:-$coder_url}
  admin_user=${FIRST_BOOT_ADMIN_USER:-admin}
  admin_email=${FIRST_BOOT_ADMIN_EMAIL:-admin@coder-box.local}
  owner_password_file=${FIRST_BOOT_ADMIN_PASSWORD_FILE-}
  templates_dir=${FIRST_BOOT_TEMPLATES-}
  desktop_user=${FIRST_BOOT_DESKTOP_USER-}
  show_passwords=${FIRST_BOOT_SHOW_PASSWORDS:-yes}
  secrets_folder=${FIRST_BOOT_SECRETS:-/boot/secrets}
  secrets_folder=${secrets_folder%/}
  account_password_user=${FIRST_BOOT_SECRETS_ACCOUNT-}
  authorized_keys_file=${FIRST_BOOT_SECRETS_KEYS-}
  coder_password_is_open=${FIRST_BOOT_SECRETS_CODER:-no}
  networks_dir=${FIRST_BOOT_SECRETS_NETWORKS-}
  held_lock=${FIRST_BOOT_LOCK_FD-}
  # Where Terraform starts when it looks for a provider. Empty is an answer:
  # a box with a provider mirror needs no network.
  probe_url=${FIRST_BOOT_PROBE_URL-https://registry.terraform.io/.well-known/terraform.json}

  wait_seconds=$(number FIRST_BOOT_WAIT_SECONDS 300) || exit
  tries=$(number FIRST_BOOT_TRIES 6) || exit
  backoff_ms=$(number FIRST_BOOT_BACKOFF_MS 1000) || exit
  import_seconds=$(number FIRST_BOOT_IMPORT_SECONDS 600) || exit
  lock_seconds=$(number FIRST_BOOT_LOCK_SECONDS 900) || exit

  [[ $coder_url =~ ^https?://[^[:space:]]+$ ]] ||
    die "$exit_config" "FIRST_BOOT_CODER_URL is no http(s) address: '$coder_url'"
  [[ -z $owner_password_file || $owner_password_file == /* ]] ||
    die "$exit_config" "FIRST_BOOT_ADMIN_PASSWORD_FILE is not an absolute path: '$owner_password_file'"
  [[ $show_passwords == yes || $show_passwords == no ]] ||
    die "$exit_config" "FIRST_BOOT_SHOW_PASSWORDS is neither yes nor no: '$show_passwords'"
}

number() {
  local value=${!1:-$2}
  [[ $value =~ ^[1-9][0-9]{0,6}$ ]] || {
    log "$1 is not a number above 0: '$value'"
    return "$exit_config"
  }
  printf '%s' "$value"
}
