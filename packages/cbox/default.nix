# cbox, the driver that builds, checks, explains and boots the images, of this repository: what
# nixpkgs would fetch is here.
{
  lib,
  callPackage,
  rustPlatform,
}:
let
  root = ../..;
  manifest = lib.importTOML (root + "/Cargo.toml");
  released = callPackage ./package.nix { };
in
assert lib.assertMsg (released.version == manifest.workspace.package.version)
  "packages/cbox/package.nix has version ${released.version}, and Cargo.toml ${manifest.workspace.package.version}";
released.overrideAttrs (
  _: previous: {
    # The workspace and nothing else: a change to a host does not rebuild cbox.
    src = lib.fileset.toSource {
      inherit root;
      fileset = lib.fileset.unions [
        (root + "/Cargo.toml")
        (root + "/Cargo.lock")
        # Those of the crates are links to them.
        (root + "/LICENSE-APACHE")
        (root + "/LICENSE-MIT")
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

    cargoDeps = rustPlatform.importCargoLock { lockFile = root + "/Cargo.lock"; };

    # Neither address is known here, nor is there a tag.
    meta = removeAttrs previous.meta [
      "changelog"
      "homepage"
    ];
  }
)
