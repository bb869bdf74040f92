# shellcheck shell=bash
# Requests to Coder. Secrets reach curl on its standard input (as a curl
# configuration), never as arguments: every user can read those in /proc.

# Of the request under way.
api_status='' api_body=''
# The token that requests carry; empty before there is one.
api_token=''

# request METHOD PATH [CONFIG]: one try. api_status is 000 when no whole answer
# came. Coder is on this machine, so neither a proxy nor root's .curlrc has a say.
request() {
  local method=$1 path=$2 config=${3-} answer
  [[ -z $api_token ]] || config+=$'\n'"header = \"Coder-Session-Token: $api_token\""
  answer=$(
    printf '%s\n' "$config" | curl --disable --noproxy '*' --config - \
      --silent --request "$method" --connect-timeout 5 --max-time 30 \
      --write-out '\n%{http_code}' "$coder_url$path"
  ) || answer=$'\n000'
  api_status=${answer##*$'\n'}
  api_body=${answer%$'\n'*}
}

# api METHOD PATH [CONFIG]: tries again while the server is away or not itself.
api() {
  local attempt pause=$backoff_ms
  for ((attempt = 1; ; attempt++)); do
    request "$@"
    case $api_status in
      000 | 429 | 5??) ;;
      *) return 0 ;;
    esac
    ((attempt < tries)) || die "$exit_later" "$1 $2: still '$api_status' after $tries tries"
    log "$1 $2: '$api_status', again in $pause ms"
    pause_ms "$pause"
    pause=$((pause * 2 < 30000 ? pause * 2 : 30000))
  done
}

pause_ms() {
  sleep "$(($1 / 1000)).$(printf '%03d' "$(($1 % 1000))")"
}

# json_body < JSON: the curl configuration that sends it. A curl string takes
# the same escapes as a JSON string here, since JSON text holds no raw control
# character.
json_body() {
  jq -r '"header = \"Content-Type: application/json\"\ndata-binary = " + (tojson | tojson)'
}

# field FILTER: of the last answer.
field() {
  jq -r "$1" <<<"$api_body"
}

# For an answer that no step expects. Coder's message is shown; its
# 'validations' are not, they can quote what was sent.
unexpected() {
  local message
  message=$(field '.message // empty' 2>/dev/null) || message=''
  die "$exit_bug" "$1: unexpected answer $api_status${message:+: $message}"
}

wait_for_api() {
  local deadline=$((SECONDS + wait_seconds))
  while request GET /api/v2/buildinfo && [[ $api_status != 200 ]]; do
    ((SECONDS < deadline)) ||
      die "$exit_later" "Coder did not answer at $coder_url within $wait_seconds s"
    pause_ms "$backoff_ms"
  done
  log "Coder $(field '.version // "of unknown version"') answers"
}
