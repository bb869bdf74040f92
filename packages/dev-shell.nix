# Everything to work on this repository: Rust, Nix formatting, and what boots an
# image.
{ pkgs }:
pkgs.mkShell {
  packages = [
    pkgs.cargo
    pkgs.clippy
    pkgs.git
    pkgs.jq
    pkgs.nixfmt
    pkgs.qemu
    pkgs.rust-analyzer
    pkgs.rustc
    pkgs.rustfmt
    pkgs.shellcheck
    pkgs.taplo
  ];
}
