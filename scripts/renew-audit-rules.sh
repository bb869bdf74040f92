#!/bin/sh
# renew-audit-rules.sh: the rules of the audit that are gitleaks', from its configuration.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
rules=$root/crates/cbox-source/src/audit_rules/gitleaks/rules.toml

usage() {
  cat <<'USAGE'
usage: scripts/renew-audit-rules.sh FILE VERSION
       scripts/renew-audit-rules.sh --left-out

FILE is config/gitleaks.toml of https://github.com/gitleaks/gitleaks, and VERSION what
`git describe --tags` says there. Compare its LICENSE with the one beside the rules, and then run
  cargo test -p cbox-source audit_rules
which holds every rule against values that are made from it.
USAGE
}

# What is not taken over, and why: a rule a line.
left_out() {
  cat <<'RULES'
generic-api-key             no fixed beginning: false findings by the hundred
curl-auth-header            no fixed beginning: false findings by the hundred
curl-auth-user              no fixed beginning: false findings by the hundred
hashicorp-tf-password       no fixed beginning: any value of 8 characters
kubernetes-secret-yaml      no fixed beginning: also what is no secret
facebook-access-token       no fixed beginning: a number and a word
adobe-client-id             an identifier, which is public
asana-client-id             an identifier, which is public
bitbucket-client-id         an identifier, which is public
discord-client-id           an identifier, which is public
linkedin-client-id          an identifier, which is public
looker-client-id            an identifier, which is public
messagebird-client-id       an identifier, which is public
plaid-client-id             an identifier, which is public
sendbird-access-id          an identifier, which is public
sumologic-access-id         an identifier, which is public
flutterwave-public-key      public, as its name says
lob-pub-api-key             public, as its name says
mailgun-pub-key             public, as its name says
mapbox-api-token            public, as the beginning pk. says
age-secret-key              known.rs has it, and age's newer keys
aws-amazon-bedrock-api-key-short-lived  known.rs has it: this is only how every one begins
jwt                         known.rs has it, less what has no signature
jwt-base64                  known.rs has it, unpacked
private-key                 known.rs has it, also in JSON and cut short
pypi-upload-token           known.rs has it, for every index
vault-service-token         known.rs has it, less the old form s. and 24 characters
pkcs12-file                 stores.rs has it, by content
freemius-secret-key         in files of PHP alone
nuget-config-password       in files of NuGet alone
RULES
}

case ${1-} in
  --left-out) left_out && exit ;;
  -h | --help) usage && exit ;;
esac
[ $# = 2 ] || { usage >&2 && exit 2; }
grep -q '^\[\[rules\]\]' "$1" || die "$1: there are no rules in it"
ids=$(left_out | cut -d ' ' -f 1)
for id in $ids; do
  grep -qx "id = \"$id\"" "$1" || say "there is no rule $id any more: remove it from this script"
done

{
  cat <<HEAD
# Rules of gitleaks $2, config/gitleaks.toml: https://github.com/gitleaks/gitleaks
# Copyright (c) 2019 Zachary Rice, MIT License: LICENSE beside this file is its text.
# Written by scripts/renew-audit-rules.sh, which names the rules that are left out: change nothing here.
HEAD
  # A rule is a paragraph; the lists of what each allows, and the descriptions, are not needed.
  left_out=$ids awk '
    BEGIN { RS = ""; FS = "\n"; n = split(ENVIRON["left_out"], ids); for (i = 1; i <= n; i++) out["id = \"" ids[i] "\""] }
    $1 != "[[rules]]" || $2 in out { next }
    {
      print "\n[[rules]]"
      taken = 0
      for (i = 2; i <= NF && $i !~ /^ *(# *)?\[\[/; i++) {
        if ($i ~ /^[a-zA-Z]+ = /) taken = $i ~ /^(id|regex|entropy|secretGroup|keywords) = /
        if (taken) print $i
      }
    }' "$1"
} | replace "$rules"
say "$(grep -c '^id = ' "$rules") rules of gitleaks $2"
