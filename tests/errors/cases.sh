# Errors that Nix can be brought to: sourced by record.sh, which says what the functions do.
# shellcheck shell=sh

plain attribute-missing <<'EOF'
let
  services = { coder = 1; };
in
services.codre
EOF

plain undefined-variable <<'EOF'
nmae + "-1.0"
EOF

plain syntax-error <<'EOF'
{
  a = ;
}
EOF

plain wrong-type <<'EOF'
let
  port = 3000;
in
"http://localhost:" + port
EOF

plain missing-argument <<'EOF'
let
  make = { name, port }: "${name}:${toString port}";
in
make { name = "coder"; prot = 1; }
EOF

plain infinite-recursion <<'EOF'
let
  a = b;
  b = a;
in
a
EOF

plain own-throw <<'EOF'
throw "The option `services.coder' does not exist.\n\nerror: attribute 'x' missing"
EOF

plain own-abort <<'EOF'
abort "path '/nix/store/x' does not exist"
EOF

plain own-context <<'EOF'
builtins.addErrorContext "while doing this\n\nerror: attribute 'x' missing" (import ../../lib/x.nix)
EOF

plain assert-failed <<'EOF'
let
  port = 80;
in
assert port > 1024; port
EOF

plain missing-file <<'EOF'
import ./hardware.nix
EOF

plain missing-read <<'EOF'
builtins.readFile ../../secrets/token
EOF

plain missing-folder <<'EOF'
builtins.readDir ./templates
EOF

plain absolute-path <<'EOF'
import /etc/nixos/hardware-configuration.nix
EOF

plain home-path <<'EOF'
builtins.readFile ~/.ssh/id_ed25519.pub
EOF

plain current-system <<'EOF'
"for-${builtins.currentSystem}"
EOF

plain search-path <<'EOF'
import <nixpkgs> { }
EOF

plain unlocked-fetch <<'EOF'
builtins.fetchTarball "https://example.org/x.tar.gz"
EOF

plain fetch-refused --  --option download-attempts 1 <<'EOF'
import (builtins.fetchTarball {
  url = "http://localhost:1/x.tar.gz";
  sha256 = "sha256:0000000000000000000000000000000000000000000000000000";
})
EOF

plain import-from-derivation <<'EOF'
import (derivation {
  name = "generated.nix";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" "echo 1 >$out" ];
})
EOF

plain override-impossible --set services.coder.enabel=true <<'EOF'
derivation { name = "box"; system = "x86_64-linux"; builder = "/bin/sh"; }
EOF

flake flake-syntax <<'EOF'
{
  outputs = { self }: {
    nixosConfigurations.box = 1;
}
EOF

flake flake-without-host <<'EOF'
{
  outputs = { self }: {
    nixosConfigurations.bax = 1;
  };
}
EOF

flake input-unreachable --override-input parts http://localhost:1/parts.tar.gz -- --option download-attempts 1 <<'EOF'
{
  inputs.parts.url = "path:./parts";
  outputs = { self, parts }: { };
}
EOF

full store-full <<'EOF'
1
EOF

built hash-mismatch <<'EOF'
derivation {
  name = "download-1.0.tar.gz";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" "echo other >$out" ];
  outputHashMode = "flat";
  outputHashAlgo = "sha256";
  outputHash = "0000000000000000000000000000000000000000000000000000";
}
EOF

built missing-kvm --builders '' -- --option system-features 'benchmark' <<'EOF'
derivation {
  name = "box";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" "echo ${derivation {
    name = "disk-image";
    system = "x86_64-linux";
    builder = "/bin/sh";
    requiredSystemFeatures = [ "kvm" ];
  }} >$out" ];
}
EOF

built wrong-system --builders '' <<'EOF'
derivation {
  name = "needs-a-foreign-part";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" "echo ${derivation {
    name = "foreign-part";
    system = "riscv64-linux";
    builder = "/bin/sh";
  }} >$out" ];
}
EOF

built nothing-builds -- --max-jobs 0 <<'EOF'
derivation { name = "idle"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo >$out" ]; }
EOF

built builder-unreachable --builders 'ssh-ng://builder.invalid x86_64-linux' -- --max-jobs 0 <<'EOF'
derivation { name = "idle"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo >$out" ]; }
EOF

built sandbox-path -- --option sandbox true --option sandbox-paths /bin/sh=/no/such/shell <<'EOF'
derivation { name = "shell"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo >$out" ]; }
EOF

built builder-failed <<'EOF'
derivation {
  name = "fails";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" "echo making; echo 'cannot make it' >&2; exit 3" ];
}
EOF

built builder-missing <<'EOF'
derivation {
  name = "fails";
  system = "x86_64-linux";
  builder = "/no/such/shell";
}
EOF

nixos nixos-no-such-option <<'EOF'
{
  services.openssh = {
    enabel = true;
  };
}
EOF

nixos nixos-wrong-type <<'EOF'
{
  networking.firewall.allowedTCPPorts = "22";
}
EOF

nixos nixos-conflict <<'EOF'
{
  networking.hostName = "other";
}
EOF

nixos nixos-unfree <<'EOF'
{ pkgs, ... }:
{
  environment.systemPackages = [ pkgs.terraform ];
}
EOF

nixos nixos-insecure <<'EOF'
{ pkgs, ... }:
{
  environment.systemPackages = [
    (pkgs.hello.overrideAttrs (old: { meta = old.meta // { knownVulnerabilities = [ "CVE-2026-1: it greets anybody" ]; }; }))
  ];
}
EOF

nixos nixos-broken <<'EOF'
{ pkgs, ... }:
{
  environment.systemPackages = [
    (pkgs.hello.overrideAttrs (old: { meta = old.meta // { broken = true; }; }))
  ];
}
EOF

nixos nixos-not-for-this-system <<'EOF'
{ pkgs, ... }:
{
  environment.systemPackages = [
    (pkgs.hello.overrideAttrs (old: { meta = old.meta // { platforms = [ "aarch64-darwin" ]; }; }))
  ];
}
EOF

nixos nixos-failed-assertions <<'EOF'
{
  assertions = [
    { assertion = false; message = "The Box needs a drive.\nSet box.drive."; }
    { assertion = false; message = "And a name."; }
  ];
}
EOF

nixos nixos-attribute-missing <<'EOF'
{ pkgs, ... }:
{
  environment.systemPackages = [ pkgs.helo ];
}
EOF

nixos nixos-infinite-recursion <<'EOF'
{ config, lib, ... }:
{
  imports = lib.optional config.services.openssh.enable ./ssh.nix;
}
EOF

nixos nixos-missing-import <<'EOF'
{
  imports = [ ./local.nix ];
}
EOF

nixos nixos-no-definition <<'EOF'
{ lib, config, ... }:
{
  options.box.drive = lib.mkOption { type = lib.types.str; };
  config.environment.etc.drive.text = config.box.drive;
}
EOF

nixos nixos-read-only <<'EOF'
{
  system.build.toplevel = "mine";
  system.nixos.release = "1";
}
EOF

nixos nixos-own-throw <<'EOF'
{ lib, ... }:
{
  environment.etc.x.text = lib.throwIf true "The option `a.b' does not exist." "x";
}
EOF

nixos nixos-no-such-option-set --set services.coder.enabel=true <<'EOF'
{ }
EOF
