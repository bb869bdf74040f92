# The first boot against a fake Coder server, without NixOS: the same tests as
# `cargo test -p first-boot-tests`.
{
  lib,
  rustPlatform,
  bash,
  coreutils,
  curl,
  getent,
  gnugrep,
  gnused,
  gnutar,
  jq,
  util-linux,
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
      (root + "/packages/first-boot")
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
    bash
    coreutils
    curl
    getent
    gnugrep
    gnused
    gnutar
    jq
    util-linux
  ];

  # Nothing but the tests.
  dontBuild = true;
  postPatch = "patchShebangs packages/first-boot";
  installPhase = "touch $out";
}
