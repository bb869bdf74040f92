# cbox, the driver that builds, checks, explains and boots the images.
{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  makeBinaryWrapper,
  git,
}:
let
  manifest = lib.importTOML ../../Cargo.toml;
  root = ../..;
in
rustPlatform.buildRustPackage {
  pname = "cbox";
  inherit (manifest.workspace.package) version;

  # The workspace and nothing else: a change to a host does not rebuild cbox.
  src = lib.fileset.toSource {
    inherit root;
    fileset = lib.fileset.unions [
      (root + "/Cargo.toml")
      (root + "/Cargo.lock")
      # What fuzzing takes is a workspace of its own, and leaves its finds there.
      (lib.fileset.difference (root + "/crates") (
        lib.fileset.unions [
          (lib.fileset.maybeMissing (root + "/crates/drv-causes/fuzz"))
          (lib.fileset.maybeMissing (root + "/crates/nix-formats/fuzz"))
        ]
      ))
      # Members of the workspace, and documents that tests compare with.
      (lib.fileset.maybeMissing (root + "/tests"))
      (lib.fileset.maybeMissing (root + "/docs/benchmarks.md"))
      (lib.fileset.maybeMissing (root + "/docs/images/benchmarks"))
      (lib.fileset.maybeMissing (root + "/docs/reference.md"))
      (lib.fileset.maybeMissing (root + "/docs/schema"))
    ];
  };

  cargoLock.lockFile = root + "/Cargo.lock";
  cargoBuildFlags = [
    "--package"
    "cbox"
  ];

  # Unit tests, some of which compare with git itself. The end-to-end tests need
  # a real Nix store, which a build has none of.
  nativeCheckInputs = [ git ];
  cargoTestFlags = [
    "--workspace"
    "--lib"
    "--bins"
  ];

  nativeBuildInputs = [
    installShellFiles
    makeBinaryWrapper
  ];

  # Nix comes from the machine, so that cbox talks to the version that runs
  # there; git is needed to list the files of the working tree.
  postInstall =
    lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      $out/bin/cbox man man
      installManPage man/*
      installShellCompletion --cmd cbox \
        --bash <($out/bin/cbox completions bash) \
        --fish <($out/bin/cbox completions fish) \
        --zsh <($out/bin/cbox completions zsh)
      install -D --mode=644 <($out/bin/cbox completions nushell) \
        $out/share/nushell/vendor/autoload/cbox.nu
    ''
    + ''
      wrapProgram $out/bin/cbox --suffix PATH : ${lib.makeBinPath [ git ]}
    '';

  meta = {
    description = "Builds, checks, explains and boots the images of a NixOS flake";
    mainProgram = "cbox";
    platforms = lib.platforms.unix;
  };
}
