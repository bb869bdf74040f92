{ pkgs, source }:
pkgs.runCommand "formatting" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
  find ${source} -name '*.nix' -exec nixfmt --check {} +
  touch $out
''
