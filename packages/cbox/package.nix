# cbox as nixpkgs takes it, in pkgs/by-name/cb/cbox/package.nix: OWNER and the two hashes are still
# to be filled in. default.nix, beside it, builds the same of this repository.
{
  lib,
  stdenv,
  rustPlatform,
  fetchFromGitHub,
  installShellFiles,
  makeBinaryWrapper,
  git,
  nix-update-script,
  testers,
  versionCheckHook,
}:
rustPlatform.buildRustPackage (finalAttrs: {
  pname = "cbox";
  version = "0.1.0";

  src = fetchFromGitHub {
    owner = "OWNER";
    repo = "cbox";
    tag = "v${finalAttrs.version}";
    hash = lib.fakeHash;
  };

  cargoHash = lib.fakeHash;

  cargoBuildFlags = [
    "--package"
    "cbox-cli"
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
  # there; git is needed to list the files of the working tree. A static cbox
  # is for machines that have no Nix store, and so takes git from there too.
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
      install -D --mode=644 --target-directory=$out/share/licenses/cbox LICENSE-*
    ''
    + lib.optionalString (!stdenv.hostPlatform.isStatic) ''
      wrapProgram $out/bin/cbox --suffix PATH : ${lib.makeBinPath [ git ]}
    '';

  doInstallCheck = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
  nativeInstallCheckInputs = [ versionCheckHook ];

  passthru = {
    updateScript = nix-update-script { };
    tests.version = testers.testVersion { package = finalAttrs.finalPackage; };
  };

  meta = {
    description = "Builds, checks, explains and boots the images of a NixOS flake";
    longDescription = ''
      cbox builds and boots NixOS images, and explains what a change does to them
      and to installed machines. It takes any flake with nixosConfigurations:
      stages a clean copy, evaluates it purely, builds with Nix, and links the
      result as a GC root with a checksum and a manifest beside it.
    '';
    homepage = "https://github.com/OWNER/cbox";
    changelog = "https://github.com/OWNER/cbox/blob/${finalAttrs.src.tag}/CHANGELOG.md";
    # At the user's choice.
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "cbox";
    maintainers = [ ];
    platforms = lib.platforms.unix;
  };
})
