//! `cbox source baked`: what an image carries as its own source, as Nix says.

use std::fs;

use crate::support::{place::Place, tiny};

const OPTION: &str = "environment.etc.nixos-repo.source";

#[test]
fn the_mini_box_bakes_what_its_filter_lets_through() {
    let place = Place::minibox();
    place.write("modules/extra.nix", "{ }");
    place.write("modules/disk.iso~", "");
    // Plain Nix sees what git tracks.
    place.commit("more");
    let run = place.cbox(&["source", "baked"]).run().ok();
    insta::assert_snapshot!(run.stdout, @"
    left out  .gitignore
    left out  README.md
    left out  cbox.toml
    baked     debs.lock.json
    baked     flake.nix
    baked     hosts/                   4 files
    baked     lib/                     16 files
    baked     modules/appliance.nix
    baked     modules/boot/            6 files
    baked     modules/default.nix
    baked     modules/disk-layout.nix
    left out  modules/disk.iso~
    baked     modules/extra.nix
    baked     modules/images/          7 files
    baked     modules/nixos-repo.nix
    baked     modules/nixpkgs.nix
    baked     modules/services/        1 file
    baked     modules/system/          10 files
    ");
    run.says(&["_appliance-disk, _appliance_iso: ", OPTION]);

    // What Nix itself bakes, file by file.
    let source = place.plain_eval(&format!(
        "nixosConfigurations._appliance_iso.config.{OPTION}"
    ));
    let json = place.cbox(&["source", "baked", "--json"]).run().ok().json();
    let baked = &json["baked"][0];
    assert_eq!(baked["hosts"].as_array().unwrap().len(), 2, "{json}");
    for file in baked["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let there = fs::exists(format!("{source}/{path}")).unwrap();
        let state = if there { "baked" } else { "left-out" };
        assert_eq!(file["state"], state, "{path}");
    }
    let run = place.cbox(&[
        "source",
        "why",
        "--baked",
        "README.md",
        "flake.nix",
        "hosts",
    ]);
    let run = run.run().ok();
    insta::assert_snapshot!(run.stdout, @"
    staged      README.md: git tracks it
                not baked into _appliance-disk
                not baked into _appliance_iso
    staged      flake.nix: git tracks it
                baked into _appliance-disk
                baked into _appliance_iso
    staged      hosts: a folder of 4 staged files
                baked into _appliance-disk
                baked into _appliance_iso
    ");
}

/// The mini box works alone, wherever it is copied to, so it has the rule as a file of its own.
#[test]
fn the_box_and_the_mini_box_bake_by_one_rule() {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let rule =
        |lib: &str| fs::read_to_string(repository.join(lib).join("baked-source.nix")).unwrap();
    assert!(
        rule("nixos/lib") == rule("examples/minibox/lib"),
        "copy nixos/lib/baked-source.nix to examples/minibox/lib/"
    );
}

#[test]
fn a_host_without_a_baked_source_is_told_so() {
    let place = Place::minibox();
    let run = place.cbox(&["source", "baked", "mini-arm64"]).run().code(3);
    run.says(&[
        &format!("host `mini-arm64` has no `{OPTION}`"),
        "`baked = \"…\"` under [source] in cbox.toml",
    ]);
    let run = place.cbox(&["source", "baked", "mini-arm"]).run().code(2);
    run.says(&["did you mean `mini-arm64`?"]);
}

#[test]
fn the_option_can_be_named() {
    let bakes = r#"(derivation { name = "x"; system = "x"; builder = "x"; }) // {
      baked = builtins.path { name = "mine"; path = ./.; filter = path: _: baseNameOf path == "flake.nix"; };
      built = "${derivation { name = "y"; system = "y"; builder = "y"; }}";
      nothing = null;
    }"#;
    let place = Place::flake(&tiny::flake(&[("_image", bakes)]));
    let named = |option: &str| {
        let line = format!("[source]\nbaked = \"system.build.toplevel.{option}\"\n");
        place.write("cbox.toml", line);
        place.cbox(&["source", "baked", "_image", "--files"]).run()
    };
    place.write("hosts/_image/default.nix", "{ }");
    let run = named("baked").ok();
    let baked: Vec<&str> = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("baked "))
        .collect();
    assert_eq!(baked, ["baked     flake.nix"], "{run}");
    named("built")
        .code(11)
        .says(&["has to be built: /nix/store/"]);
    named("nothing").code(3).says(&["is not a store path"]);
    named("baekd")
        .code(3)
        .says(&["host `_image` has no `system.build.toplevel.baekd`"]);
}
