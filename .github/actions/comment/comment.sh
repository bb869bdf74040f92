#!/bin/sh
# comment.sh: writes what a run of a pull request found as one comment there, and later over the same.
# The action beside it (action.yml) runs it in a workflow of `workflow_run`, which may write where the
# run itself may not.
#
# Whoever opens a pull request chooses what its run leaves behind, its title and its branch. So the
# artifacts are data: they are read through a pipe and never unpacked, their text stands in a fence
# that it cannot end, and of a manifest only numbers, hashes and plain names are taken. Which pull
# request is meant GitHub says, never an artifact. No word of all that is ever read by a shell.
#
#   GITHUB_EVENT_PATH     the event, of workflow_run
#   GITHUB_TOKEN          reads artifacts, writes the comment
#   GITHUB_API_URL, GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_STEP_SUMMARY   as GitHub sets them
#   ARTIFACT              the name of the artifact with verdict.txt
#   MANIFESTS             how the names of artifacts begin that have the manifest of an image
#   AUTHOR                who comments; nobody else's comment is written over
#
# Sources: GitHub's REST API (pulls, artifacts, issue comments); the limit of a comment is 65,536
# characters.
set -eu
LC_ALL=C.UTF-8
export LC_ALL

marker='<!-- cbox verdict -->'
most_text=50000     # bytes of a verdict that are shown
most_images=40      # rows of the table
most_zip=2000000    # bytes of an artifact that is looked at
most_inside=2000000 # bytes of a file in it that are looked at
most_pages=20       # pages of 100 comments that are looked through

die() {
  printf '::error title=cbox::%s\n' "$*" >&2
  exit 1
}
# done_with TEXT: there is nothing to comment on
done_with() {
  printf 'nothing is commented: %s\n' "$*" >&2
  exit 0
}

work=$(mktemp -d "${RUNNER_TEMP:-/tmp}/cbox-comment-XXXXXX")
trap 'rm -rf "$work"' EXIT
repository=${GITHUB_REPOSITORY:?}
api=${GITHUB_API_URL:?}/repos/$repository
# Not among the arguments of a program, which others on the machine can see.
(
  umask 077
  printf 'header = "Authorization: Bearer %s"\n' "${GITHUB_TOKEN:?}" >"$work/token"
)

# call OUTPUT ADDRESS ARGUMENT…: asks the API, and gives the status that it answers with
call() {
  output=$1 address=$2
  shift 2
  curl --silent --show-error --location --retry 3 --max-time 120 --config "$work/token" \
    --header 'Accept: application/vnd.github+json' --header 'X-GitHub-Api-Version: 2022-11-28' \
    --output "$output" --write-out '%{http_code}' "$@" "$address" || echo 000
}
# get OUTPUT ADDRESS: what has to be there
get() {
  status=$(call "$1" "$2")
  [ "$status" = 200 ] || die "GitHub answers with $status to ${2#"$api"}"
}

event=$GITHUB_EVENT_PATH
[ "$(jq -r '.workflow_run.event' "$event")" = pull_request ] || done_with "the run was for no pull request"
run=$(jq -r '.workflow_run.id | select(type == "number") | floor' "$event")
sha=$(jq -r '.workflow_run.head_sha | strings | select(test("^[0-9a-f]{40}([0-9a-f]{24})?$"))' "$event")
{ [ -n "$run" ] && [ -n "$sha" ]; } || die "this is no event of workflow_run"

# The pull request whose newest commit the run was of. GitHub names it for a branch of the repository
# itself; for that of a fork, the branch is looked for, and the commit has to be its newest.
jq '[.workflow_run.pull_requests // [] | .[] | .number]' "$event" >"$work/named"
address=$(jq -r --arg api "$api" '.workflow_run |
  $api + "/pulls?state=open&per_page=100&head=" + ((.head_repository.owner.login + ":" + .head_branch) | @uri)' "$event")
get "$work/pulls" "$address"
number=$(jq -r --arg sha "$sha" --arg repository "$repository" --slurpfile named "$work/named" '
  [.[] | select(.head.sha == $sha and .base.repo.full_name == $repository) | .number] |
  if length > 1 then map(select(. as $it | $named[0] | index($it))) else . end |
  if length == 1 then .[0] else empty end' "$work/pulls")
[ -n "$number" ] || done_with "no one open pull request has $sha as its newest commit"

get "$work/artifacts" "$api/actions/runs/$run/artifacts?per_page=100"

# inside ID PATTERN: what the first files of that name in the artifact hold, up to a bound
inside() {
  status=$(call "$work/zip" "$api/actions/artifacts/$1/zip" --max-filesize "$most_zip")
  [ "$status" = 200 ] || return 0
  # A pipe that is closed early, or an archive that is none, is no reason to stop.
  { unzip -p "$work/zip" "$2" 2>/dev/null || true; } | head -c "$most_inside"
}
# wanted FILTER: the numbers of the artifacts that it lets pass, the newest first
wanted() {
  jq -r --arg artifact "${ARTIFACT:-cbox-verdict}" --arg manifests "${MANIFESTS:-cbox-manifest-}" --argjson most "$most_zip" "
    [.artifacts[] | select((.expired | not) and .size_in_bytes <= \$most) | select($1)] | sort_by(.id) | reverse | .[].id" "$work/artifacts"
}

# shellcheck disable=SC2016 # variables of jq
verdict=$(wanted '.name == $artifact' | head -n 1)
if [ -n "$verdict" ]; then inside "$verdict" verdict.txt; fi >"$work/verdict"
: >"$work/manifests"
# shellcheck disable=SC2016
for id in $(wanted '.name | startswith($manifests)' | head -n "$most_images"); do
  # One that is no JSON is none.
  inside "$id" '*.json' | jq -c . >>"$work/manifests" 2>/dev/null || true
done

jq -n --rawfile verdict "$work/verdict" --slurpfile manifests "$work/manifests" --slurpfile artifacts "$work/artifacts" \
  --arg marker "$marker" --arg sha "$sha" --arg run "$run" --arg url "${GITHUB_SERVER_URL:?}/$repository/actions/runs/$run" \
  --argjson most "$most_text" --argjson rows "$most_images" '
  # What a terminal or an eye takes for something else: control characters, marks of direction,
  # characters without width.
  def visible: explode | map(select((. >= 32 or . == 10 or . == 9) and (. < 127 or . > 159) and . != 173 and . != 1564
    and (. < 8203 or . > 8207) and (. < 8232 or . > 8238) and (. < 8288 or . > 8303) and . != 65279
    and (. < 917504 or . > 917631))) | implode;
  # As much as fits, to the end of a line.
  def bounded: if utf8bytelength <= $most then . else
    until(utf8bytelength <= $most; .[0:(length * $most / utf8bytelength | floor)]) |
    (split("\n") | if length > 1 then .[:-1] else . end | join("\n")) +
    "\n… and more: the summary of the run has all of it" end;
  # A fence that is longer than any run of backticks, of which a long one is written otherwise.
  def longest: reduce explode[] as $it ([0, 0]; if $it == 96 then [.[0] + 1, ([.[1], .[0] + 1] | max)] else [0, .[1]] end) | .[1];
  def fenced: (if longest > 50 then explode | map(if . == 96 then 39 else . end) | implode else . end) |
    ("`" * ([longest, 2] | max + 1)) as $fence | $fence + "text\n" + . + "\n" + $fence;
  def word: type == "string" and test("^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$");
  def target: type == "string" and test("^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}){1,2}$");
  def size: if . >= 1e9 then (. / 1e8 | round / 10 | tostring) + " GB" elif . >= 1e6 then (. / 1e5 | round / 10 | tostring) + " MB"
    else (. / 100 | round / 10 | tostring) + " kB" end;
  # A plain name in backticks: nothing in it is obeyed, and it ends no cell.
  def code: "`" + . + "`";
  ($artifacts[0].artifacts | map(select((.expired | not) and (.name | word)) | { key: .name, value: .id }) | from_entries) as $links |
  [ $manifests[] | objects | select((.target | target) and (.system | word)) | . as $manifest |
    (.artifacts // [.artifact])[:9][] | objects | select((.sha256 | type == "string" and test("^[0-9a-f]{64}$"))
      and (.size | type == "number" and . >= 0 and . < 9e15 and . == floor) and (.path | type == "string")) |
    (.path | split("/") | last) as $name |
    { target: $manifest.target, system: $manifest.system, size, sha256, name: (if $name | word then $name else "" end) }
  ] | unique | map(. as $row |
    ($row.target | gsub("/"; "-")) as $slug | $links[$slug] as $id |
    "| " + ([($row.target | code), ($row.system | code),
      (if $row.name == "" then "" else $row.name | code end), ($row.size | size), ($row.sha256 | code),
      (if $id == null then "" else "[" + ($slug | code) + "](" + $url + "/artifacts/" + ($id | tostring) + ")" end)] | join(" | ")) + " |"
  ) | reduce .[] as $row ([]; if length < $rows and (map(length) | add // 0) + ($row | length) < 13000 then . + [$row] else . end) |
  . as $table |
  ($verdict | .[0:400000] | visible | rtrimstr("\n") | bounded) as $text |
  { body: ([$marker, "### cbox: the install hosts",
    "[Run \($run)](\($url)) of \($sha). The text is what the code of this pull request printed.",
    (if $text | test("\\S") | not then "The run left no verdict." else $text | fenced end),
    (if $table == [] then empty else
      "#### Images\n\n| target | system | file | size | SHA-256 | artifact |\n|---|---|---|---|---|---|\n" + ($table | join("\n")) end)
    ] | join("\n\n")) }' >"$work/body"
[ -z "${GITHUB_STEP_SUMMARY-}" ] || jq -r .body "$work/body" >>"$GITHUB_STEP_SUMMARY"

# Its own comment of before.
page=1 comment=
while [ -z "$comment" ] && [ "$page" -le "$most_pages" ]; do
  get "$work/comments" "$api/issues/$number/comments?per_page=100&page=$page"
  comment=$(jq -r --arg marker "$marker" --arg author "${AUTHOR:-github-actions[bot]}" '
    [.[] | select(.user.login == $author and (.body | strings | startswith($marker))) | .id] | first // empty' "$work/comments")
  [ "$(jq length "$work/comments")" = 100 ] || break
  page=$((page + 1))
done
if [ -n "$comment" ]; then
  status=$(call "$work/answer" "$api/issues/comments/$comment" --request PATCH --data "@$work/body")
elif [ -s "$work/verdict" ] || [ -s "$work/manifests" ]; then
  status=$(call "$work/answer" "$api/issues/$number/comments" --request POST --retry 0 --data "@$work/body")
else
  done_with "the run left nothing"
fi
case $status in
  200 | 201) printf 'commented on #%s\n' "$number" >&2 ;;
  # Nobody is to be told by a red cross that a token may not write.
  401 | 403 | 404 | 410 | 422)
    printf '::notice title=cbox::the comment on #%s is refused (%s): the verdict is the summary of this job\n' "$number" "$status"
    ;;
  *) die "GitHub answers with $status to the comment" ;;
esac
