# shellcheck shell=bash
# Deploys each folder under FIRST_BOOT_TEMPLATES as the template of that name.
#
# What was deployed is known by the hash of its content: a stamp here, and the
# same hash in the version's message on the server, where it survives a lost
# stamp. A stamped template is never touched again, so what its owner does to
# it later (another version, other settings, deletion) stays.

# What Terraform, and the providers on their first call, say when something
# outside is not there yet. Anything else is the template's own fault.
readonly not_there_yet='no such host|network is unreachable|no route to host|connection refused|connection reset|i/o timeout|handshake timeout|deadline exceeded|could not connect to|failed to request discovery document|cannot connect to the docker daemon|temporary failure in name resolution|refers to an invalid path'

# deploy_templates [check]: with `check`, says whether there is nothing to do.
deploy_templates() {
  local dir name content later='' broken=''
  for dir in "$templates_dir"/*/; do
    dir=${dir%/}
    name=${dir##*/}
    # Also what remains of the pattern in an empty folder.
    compgen -G "$dir/*.tf" >/dev/null || continue
    [[ $name =~ ^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$ ]] ||
      die "$exit_config" "Coder takes no template of the name '$name'"
    template_outcome=''
    pack "$dir" "$state_dir/template.tar"
    content=$(sha256sum <"$state_dir/template.tar")
    content=${content%% *}
    if [[ -e $stamps_dir/$name && $(<"$stamps_dir/$name") == "$content" ]]; then
      log "template $name: unchanged"
      continue
    fi
    [[ ${1-} != check ]] || return 1
    deploy_template "$name" "$dir" "$content" "$state_dir/template.tar"
    case $template_outcome in
      later) later+=" $name" ;;
      broken) broken+=" $name" ;;
    esac
  done
  # 'Later' wins: the start that follows it reports what is broken.
  [[ -z $later ]] || die "$exit_later" "templates that wait for a network, Podman or Kubernetes:$later"
  [[ -z $broken ]] || die "$exit_broken_template" "broken templates:$broken"
}

# deploy_template NAME DIR HASH TAR: sets template_outcome unless it is deployed.
deploy_template() {
  local name=$1 dir=$2 hash=$3 tar=$4 stamp=$stamps_dir/$1
  find_template "$name"
  find_version "$hash" "$stamp.import"
  if [[ -z $version_id ]]; then
    if ! network_there; then
      log "template $name: waits for a network"
      template_outcome=later
      return
    fi
    start_import "$name" "$hash" "$tar" "$stamp.import"
  fi
  await_import "$name" "$stamp.import"
  [[ -z $template_outcome ]] || return 0
  publish_version "$name" "$dir"
  printf '%s\n' "$hash" | write_file 0600 "$stamp"
  rm -f "$stamp.import"
  log "template $name: deployed"
}

# The same content gives the same bytes, wherever the folder lies and however
# its files came there. Coder asks for ustar.
pack() {
  tar --create --file "$2" --format=ustar --sort=name --mtime=@0 \
    --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' \
    --exclude=.terraform --directory "$1" . || die "$exit_io" "cannot pack $1"
}

marker() {
  printf 'first boot, content sha256:%s' "$1"
}

# find_template NAME: sets template_id (empty: there is none) and active_id.
find_template() {
  template_id='' active_id=''
  api GET "/api/v2/organizations/default/templates/$1"
  case $api_status in
    200)
      template_id=$(field .id)
      active_id=$(field .active_version_id)
      ;;
    404) ;;
    *) unexpected "looking for template $1" ;;
  esac
}

# find_version HASH FILE: sets version_id to an import of this content that an
# earlier start began and that did not fail. The server knows those of a
# template; one that has no template yet is known only from FILE.
find_version() {
  local hash id
  version_id=''
  if [[ -n $template_id ]]; then
    api GET "/api/v2/templates/$template_id/versions"
    [[ $api_status == 200 ]] || unexpected "listing template versions"
    version_id=$(field "[.[]? | select(.message == \"$(marker "$1")\")
      | select(.job.status | IN(\"succeeded\", \"running\", \"pending\")) | .id][0] // empty")
  elif [[ -e $2 ]] && read -r hash id <"$2" && [[ $hash == "$1" ]]; then
    api GET "/api/v2/templateversions/$id"
    [[ $api_status != 200 ]] || version_id=$id
  fi
}

# Asked before an import: each failed one stays on the server as a version, and
# a box may be without a network for days.
network_there() {
  [[ -n $probe_url ]] || return 0
  if [[ -z ${probed-} ]]; then
    probed=no
    if curl --disable --silent --output /dev/null --connect-timeout 5 --max-time 15 "$probe_url"; then
      probed=yes
    fi
  fi
  [[ $probed == yes ]]
}

# start_import NAME HASH TAR FILE: lets Coder read the template. Sets
# version_id, and keeps it in FILE.
start_import() {
  local file_id body
  # The same bytes are the same file to Coder (200 instead of 201).
  api POST /api/v2/files "header = \"Content-Type: application/x-tar\""$'\n'"data-binary = \"@$3\""
  [[ $api_status == 20[01] ]] || unexpected "uploading template $1"
  file_id=$(field .hash)
  body=$(jq -n --arg file "$file_id" --arg message "$(marker "$2")" --arg template "$template_id" \
    '{message: $message, storage_method: "file", file_id: $file, provisioner: "terraform", tags: {}}
     + if $template == "" then {} else {template_id: $template} end' | json_body)
  api POST /api/v2/organizations/default/templateversions "$body"
  [[ $api_status == 201 ]] || unexpected "importing template $1"
  version_id=$(field .id)
  printf '%s %s\n' "$2" "$version_id" | write_file 0600 "$4"
  log "template $1: importing"
}

# await_import NAME FILE: sets template_outcome unless the import succeeded.
await_import() {
  local name=$1 deadline=$((SECONDS + import_seconds))
  while :; do
    api GET "/api/v2/templateversions/$version_id"
    [[ $api_status == 200 ]] || unexpected "waiting for template $name"
    case $(field .job.status) in
      succeeded) return ;;
      pending | running | canceling) ;;
      *) break ;;
    esac
    if ((SECONDS >= deadline)); then
      log "template $name: still being imported after $import_seconds s"
      template_outcome=later
      return
    fi
    pause_ms "$backoff_ms"
  done
  judge_failure "$name"
  # The next start tries anew instead of finding the same failure.
  rm -f "$2"
}

# The reason of a failed import is in its log rather than in the job's error
# ("initialize terraform: exit status 1").
judge_failure() {
  local error output text line
  error=$(field '.job.error // "no reason given"')
  api GET "/api/v2/templateversions/$version_id/logs"
  output=$(field '.[]?.output' 2>/dev/null) || output=''
  # Terraform breaks its sentences at 78 columns, and draws a line beside them.
  text=$(tr -s '[:space:]│' ' ' <<<"$error $output")
  if grep -qiE "$not_there_yet" <<<"$text"; then
    log "template $1: import failed for lack of something outside, will be tried again"
    template_outcome=later
  else
    log "template $1: import failed: ${error%%$'\n'*}"
    template_outcome=broken
  fi
  while IFS= read -r line; do
    log "template $1:   $line"
  done < <(grep -i error <<<"$output" | head -n 5)
}

# publish_version NAME DIR: makes a template of the version, or makes it the
# active one of the template that is there.
publish_version() {
  local body
  if [[ -z $template_id ]]; then
    body=$(jq -n --arg name "$1" --arg version "$version_id" \
      --arg title "$(front_matter display_name "$2")" --arg about "$(front_matter description "$2")" \
      --arg icon "$(front_matter icon "$2")" \
      '{name: $name, template_version_id: $version, display_name: $title, description: $about, icon: $icon}' |
      json_body)
    api POST /api/v2/organizations/default/templates "$body"
    case $api_status in
      200 | 201) return ;;
      # An answer was lost: then the template has this version.
      409) find_template "$1" ;;
      *) unexpected "publishing template $1" ;;
    esac
  fi
  [[ $version_id != "$active_id" ]] || return 0
  api PATCH "/api/v2/templates/$template_id/versions" "$(jq -n --arg id "$version_id" '{id: $id}' | json_body)"
  [[ $api_status == 200 ]] || unexpected "making a version of template $1 active"
}

# front_matter KEY DIR: a value from the head of README.md, empty when missing.
front_matter() {
  [[ -f $2/README.md ]] || return 0
  sed -n "1{/^---\$/!q}; 2,/^---\$/s/^$1: *//p" "$2/README.md" | head -n 1
}
