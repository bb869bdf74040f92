# The packages of this repository, as an overlay.
final: previous:
let
  # cbox stages the repository without its Rust code, which no host depends on.
  # Evaluated from there, or from the source in an image, there is no cbox.
  hasCrates = builtins.pathExists ../crates && builtins.pathExists ../Cargo.lock;

  # Written by scripts/lock-carried.sh.
  coderProvider = ./terraform-provider-coder/source.json;
in
{
  coder-first-boot = final.callPackage ./first-boot/package.nix { };
}
// previous.lib.optionalAttrs (builtins.pathExists coderProvider) {
  terraform-provider-coder = final.callPackage ./terraform-provider-coder/package.nix {
    source = previous.lib.importJSON coderProvider;
  };
}
// previous.lib.optionalAttrs hasCrates {
  cbox = final.callPackage ./cbox { };
  # For machines without Nix's store: it needs no library.
  cbox-static = final.pkgsStatic.callPackage ./cbox { };
}
