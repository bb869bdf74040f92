#!/bin/sh
# verify.sh: runs `cbox verify-hosts`, and leaves the verdict as a text beside the summary of the job.
# The action of this repository (action.yml) runs it. Inputs are words in variables: no shell reads
# them as anything else.
#
#   CBOX      the program
#   FLAKE     as --flake; empty for the folder
#   HOSTS     names and patterns, with blanks or line ends between
#   ARGS      further arguments, a line each
#   FOLDER    verdict.txt goes there
#
# The exit code is that of cbox.
set -eu
set -f # patterns are for cbox

mkdir -p "$FOLDER"
set --
[ -z "${FLAKE-}" ] || set -- "$@" --flake "$FLAKE"
while IFS= read -r arg; do
  [ -z "$arg" ] || set -- "$@" "$arg"
done <<LINES
${ARGS-}
LINES
# shellcheck disable=SC2086 # a list of words
for host in ${HOSTS-}; do
  case $host in -*)
    echo "::error title=cbox::the input hosts names hosts, and $host is an option: see args" >&2
    exit 2
    ;;
  esac
done
# Hosts come first, as `--` and what is behind it come last.
# shellcheck disable=SC2086
set -- ${HOSTS-} "$@"

code=0
{
  {
    "$CBOX" verify-hosts --format github "$@" 2>&3 || code=$?
    echo "${code:-0}" >"$FOLDER/.code"
  } 3>&1 >&4 | tee "$FOLDER/.errors" >&2
} 4>&1 | tee "$FOLDER/.output"
code=$(cat "$FOLDER/.code")

# The lines that GitHub is told to take for no commands are the verdict for people. Where there is
# none, cbox has said why.
sed -n '/^::stop-commands::/,/^::[0-9a-f]*::$/p' "$FOLDER/.output" | grep -v '^::' >"$FOLDER/verdict.txt" || true
if [ ! -s "$FOLDER/verdict.txt" ]; then
  {
    echo "no verdict: cbox ended with exit code $code"
    sed -n '/^error: /,$p' "$FOLDER/.errors"
  } >"$FOLDER/verdict.txt"
  if [ -n "${GITHUB_STEP_SUMMARY-}" ]; then
    {
      echo "### Install hosts: no verdict"
      echo
      # Behind four blanks nothing is obeyed.
      sed 's/^/    /' "$FOLDER/verdict.txt"
    } >>"$GITHUB_STEP_SUMMARY"
  fi
fi
rm -f "$FOLDER/.code" "$FOLDER/.errors" "$FOLDER/.output"
exit "$code"
