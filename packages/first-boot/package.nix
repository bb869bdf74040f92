# coder-first-boot. Its README.md says what it does.
{
  lib,
  rustPlatform,
  coreutils,
  curl,
  getent,
  shadow,
}:
rustPlatform.buildRustPackage {
  pname = "coder-first-boot";
  version = (lib.importTOML ./Cargo.toml).package.version;

  # Documents do not change what a machine runs.
  src = lib.fileset.toSource {
    root = ./.;
    fileset = lib.fileset.unions [
      ./Cargo.lock
      ./Cargo.toml
      ./src
    ];
  };

  cargoLock.lockFile = ./Cargo.lock;

  # The programs that it starts.
  env.FIRST_BOOT_PATH = lib.makeBinPath [
    coreutils
    curl
    getent
    shadow
  ];

  meta = {
    description = "Turns a freshly started Coder server into one that people can use";
    mainProgram = "coder-first-boot";
    platforms = lib.platforms.linux;
  };
}
