#!/bin/sh
# check-packages.sh: each crate as its package would be: what is in it, and what its manifest says.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$root/scripts/lib/common.sh"
check_with jq "the package of every crate"
failed=

# wrong TEXT…: that of a crate, and the others are looked at all the same
wrong() {
  say "error: $*"
  failed=yes
}

# What a package may hold, and what it has to. Cargo adds the first line by itself.
may='^(Cargo\.(toml|toml\.orig|lock)|\.cargo_vcs_info\.json'
may="$may"'|LICENSE-(APACHE|MIT)|README\.md'
may="$may"'|(src|examples)/[A-Za-z0-9._/-]+\.(rs|nix|nu|sh|html|css|js|jsonl|snap)'
# What a daemon and its client said to each other.
may="$may"'|src/[a-z_/]+/recorded/[A-Za-z0-9._-]+\.(daemon|client)'
# What others wrote, and their notice.
may="$may"'|src/audit_rules/gitleaks/(LICENSE|rules\.toml))$'
must='LICENSE-APACHE LICENSE-MIT README.md Cargo.toml'

# What manifests lack, a line for each fault.
# shellcheck disable=SC2016 # $crate is jq's
faults='
  .packages[] | . as $crate | (.manifest_path | contains("/crates/")) as $ships |
  if $ships != (.publish == null) then "\(.name): publish = \(.publish), and only what is in crates/ ships" else empty end,
  (select($ships) |
  (["description", "license", "rust_version", "readme"][] | select($crate[.] | not) | "no \(.)"),
  (["keywords", "categories"][] | select($crate[.] | length | . < 1 or . > 5) | "\(.): not one to five"),
  ($crate.dependencies[] | select(.path and .req == "*") | "no version of \(.name)"),
  ($crate.dependencies[] | select(.path and (.path | contains("/crates/") | not)) | "\(.name) is elsewhere")
  | "\($crate.name): \(.)")'
metadata=$(cargo metadata --no-deps --format-version 1 --offline)
found=$(printf '%s\n' "$metadata" | jq --raw-output "$faults")
[ -z "$found" ] || wrong "manifests lack something:
$found"

for crate in crates/*/; do
  name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$crate/Cargo.toml" | head -n1)
  files=$(cargo package --list --allow-dirty --offline --quiet --package "$name")
  foreign=$(printf '%s\n' "$files" | grep -Evx "$may" || true)
  [ -z "$foreign" ] || wrong "$name: not its own, or of no known kind:
$foreign"
  for file in $must; do
    printf '%s\n' "$files" | grep -qx "$file" || wrong "$name: there is no $file"
  done
  # What others wrote is packaged with their notice.
  case $files in
    *gitleaks/rules.toml*) printf '%s\n' "$files" | grep -qx 'src/audit_rules/gitleaks/LICENSE' || wrong "$name: gitleaks' rules without its LICENSE" ;;
  esac
  # A library shows how it is used, in a block that `cargo test --doc` runs.
  if [ -e "$crate/src/lib.rs" ]; then
    grep -qx '//! ```' "$crate/src/lib.rs" || wrong "$name: src/lib.rs opens with no example"
  fi
done
[ -z "$failed" ] || exit 1
