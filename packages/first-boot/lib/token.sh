# shellcheck shell=bash
# The machine's own token. Coder caps an owner's tokens (168 h unless
# configured), so it is replaced in time and the one before it is revoked.

# What is asked for when the cap allows it. Not longer: it is an owner's token.
readonly wanted_lifetime_s=$((30 * 24 * 3600))
readonly token_prefix=first-boot-

# Leaves a token in api_token, or nothing where there can be none: Coder ends all
# of the admin's when somebody changes the password.
ensure_token() {
  if ! adopt_token; then
    if [[ -z $api_token ]]; then
      log_in
      api_token=$admin_session
      [[ -n $api_token ]] || return 0
    fi
    mint_token
  fi
  log_out
  revoke_others
}

# adopt_token: takes the stored token into use. Fails when there has to be a
# new one; api_token is then empty unless the old one can still ask for it.
adopt_token() {
  local expires lifetime left
  api_token=''
  [[ -s $token_file ]] || return 1
  api_token=$(<"$token_file")
  api GET "/api/v2/users/me/keys/${api_token%%-*}"
  if [[ $api_status != 200 ]]; then
    log "the stored token is no longer accepted ($api_status)"
    api_token=''
    return 1
  fi
  expires=$(date --date "$(field .expires_at)" +%s)
  lifetime=$(field .lifetime_seconds)
  left=$((expires - $(date +%s)))
  if ((left * 2 < lifetime)); then
    log "the token has $((left / 3600)) of $((lifetime / 3600)) hours left"
    return 1
  fi
  log "the token is good for $((left / 3600)) hours"
}

# mint_token: with the rights of api_token, which it replaces.
mint_token() {
  local lifetime_s attempt body
  api GET /api/v2/users/me/keys/tokens/tokenconfig
  [[ $api_status == 200 ]] || unexpected "asking for the cap on tokens"
  # In seconds: an unlimited cap in nanoseconds is more than jq's numbers hold.
  lifetime_s=$(field "[.max_token_lifetime / 1000000000, $wanted_lifetime_s] | min | floor")
  for attempt in 1 2 3; do
    # A name is never used twice, so the old token stays good until the new one
    # is stored.
    body=$(jq -n --arg name "$token_prefix$(date +%s)-$$-$attempt" \
      --argjson lifetime "${lifetime_s}000000000" \
      '{token_name: $name, lifetime: $lifetime, scope: "all"}' | json_body)
    api POST /api/v2/users/me/keys/tokens "$body"
    case $api_status in
      201)
        api_token=$(field .key)
        printf '%s\n' "$api_token" | write_file 0600 "$token_file"
        log "minted a token for $((lifetime_s / 3600)) hours"
        return
        ;;
      # An answer was lost; revoke_others takes the token that nobody got.
      409) log "that token name is taken" ;;
      *) unexpected "minting a token" ;;
    esac
  done
  unexpected "minting a token"
}

# Tokens of this program other than the stored one: the one before it, and any
# whose answer never arrived.
revoke_others() {
  local id
  api GET /api/v2/users/me/keys/tokens
  [[ $api_status == 200 ]] || unexpected "listing tokens"
  # Coder answers null for an empty list.
  for id in $(field ".[]? | select(.token_name | startswith(\"$token_prefix\")) | .id"); do
    [[ $id != "${api_token%%-*}" ]] || continue
    api DELETE "/api/v2/users/me/keys/$id"
    case $api_status in
      204 | 404) log "revoked an older token" ;;
      *) unexpected "revoking a token" ;;
    esac
  done
}
