# coder-first-boot with what it calls. Its README.md says what it does.
{
  lib,
  stdenvNoCC,
  makeBinaryWrapper,
  bash,
  coreutils,
  curl,
  getent,
  gnugrep,
  gnused,
  gnutar,
  jq,
  shadow,
  shellcheck-minimal,
  util-linux,
}:
let
  runtimeInputs = [
    coreutils
    curl
    getent
    gnugrep
    gnused
    gnutar
    jq
    shadow
    util-linux
  ];
in
stdenvNoCC.mkDerivation {
  name = "coder-first-boot";

  # Neither its tests nor its documents change what a machine runs.
  src = lib.fileset.toSource {
    root = ./.;
    fileset = lib.fileset.unions [
      ./coder-first-boot
      ./lib
    ];
  };

  nativeBuildInputs = [ makeBinaryWrapper ];
  buildInputs = [ bash ];

  dontConfigure = true;
  dontBuild = true;

  doCheck = true;
  nativeCheckInputs = [ shellcheck-minimal ];
  checkPhase = ''
    runHook preCheck
    shellcheck -x coder-first-boot
    runHook postCheck
  '';

  installPhase = ''
    runHook preInstall
    mkdir -p $out/libexec $out/bin
    cp -r . $out/libexec/coder-first-boot
    patchShebangs --host $out/libexec/coder-first-boot/coder-first-boot
    makeWrapper $out/libexec/coder-first-boot/coder-first-boot $out/bin/coder-first-boot \
      --set PATH ${lib.makeBinPath runtimeInputs}
    runHook postInstall
  '';

  meta = {
    description = "Turns a freshly started Coder server into one that people can use";
    mainProgram = "coder-first-boot";
    platforms = lib.platforms.linux;
  };
}
