# The tree that images carry: small, and without anything that must not be there.
{ pkgs, source }:
pkgs.runCommand "baked-source" { inherit source; } ''
  cd $source

  files=$(find . -type f | wc -l)
  bytes=$(find . -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
  echo "$files files, $bytes bytes"
  test "$files" -lt 200
  test "$bytes" -lt 1000000

  for wanted in flake.nix flake.lock hosts nixos packages coderd; do
    test -e "$wanted"
  done
  for refused in crates Cargo.toml .github README.md out target; do
    test ! -e "$refused"
  done
  test -z "$(find . -name local.nix -o -name facter.json -o -name '*.iso' -o -name '*.tfstate')"

  echo "$files files, $bytes bytes" > $out
''
