# The first boot against a fake Coder server, without NixOS: the same tests as
# `cargo test -p first-boot-tests`.
{
  lib,
  rustPlatform,
  callPackage,
  coreutils,
  curl,
  gitMinimal,
  jq,
}:
let
  root = ../..;
in
rustPlatform.buildRustPackage {
  name = "first-boot";

  src = lib.fileset.toSource {
    inherit root;
    fileset = lib.fileset.unions [
      (root + "/Cargo.toml")
      (root + "/Cargo.lock")
      (root + "/coderd")
      (root + "/crates")
      (root + "/nixos/modules/offline")
      (root + "/scripts")
      (root + "/tests")
    ];
  };

  cargoLock.lockFile = root + "/Cargo.lock";
  cargoTestFlags = [
    "--package"
    "first-boot-tests"
  ];
  nativeCheckInputs = [
    coreutils
    curl
    # Of scripts/lock-carried.sh.
    gitMinimal
    jq
  ];
  # As cargo would make it: with the programs in the PATH, some of which are stand-ins.
  env.FIRST_BOOT_PROGRAM = lib.getExe (
    (callPackage ../../packages/first-boot/package.nix { }).overrideAttrs (previous: {
      env = removeAttrs previous.env [ "FIRST_BOOT_PATH" ];
    })
  );

  # Nothing but the tests.
  dontBuild = true;
  installPhase = "touch $out";
}
