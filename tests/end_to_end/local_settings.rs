//! Local settings: a host's own, never baked, and an image's only when asked for.

use crate::support::place::Place;

const LOCAL: &str = "{ environment.etc.local.text = \"a local word\"; }\n";

/// The derivations of one image and both machines.
fn drvs(place: &Place) -> [String; 3] {
    [
        place.drv(&["appliance", "iso"]),
        place.drv(&["build", "hosts/mini-thinkcentre"]),
        place.drv(&["build", "hosts/mini-arm64"]),
    ]
}

#[test]
fn those_of_a_machine_change_that_machine_only() {
    let place = Place::minibox();
    let before = drvs(&place);
    place.write("hosts/mini-thinkcentre/local.nix", LOCAL);
    let after = drvs(&place);
    assert_eq!(before[0], after[0], "the image");
    assert_ne!(before[1], after[1], "the machine");
    assert_eq!(before[2], after[2], "the other machine");
    let run = place.cbox(&["build", "hosts/mini-thinkcentre", "--drv"]);
    run.run()
        .ok()
        .says(&["with local settings: hosts/mini-thinkcentre/local.nix"]);
}

#[test]
fn a_hardware_report_is_a_local_setting() {
    let place = Place::minibox();
    let before = drvs(&place);
    let report = r#"{"version": 1, "system": "aarch64-linux"}"#;
    place.write("hosts/mini-thinkcentre/facter.json", report);
    let after = drvs(&place);
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}

#[test]
fn those_of_an_image_enter_it_only_when_asked_for() {
    let place = Place::minibox();
    let before = place.drv(&["appliance", "iso"]);
    place.write("hosts/_appliance_iso/local.nix", LOCAL);
    let run = place.cbox(&["appliance", "iso", "--drv"]).run().ok();
    assert_eq!(run.text(), before);
    run.says(&["set aside: hosts/_appliance_iso/local.nix", "--with-local"]);
    assert_ne!(place.drv(&["appliance", "iso", "--with-local"]), before);
    // The other image host has none, and gets nobody else's.
    let disk = place.drv(&["appliance", "raw"]);
    assert_eq!(place.drv(&["appliance", "raw", "--with-local"]), disk);
}

#[test]
fn the_index_of_git_does_not_make_them_less_local() {
    let place = Place::minibox();
    let before = drvs(&place);
    place.write("hosts/mini-thinkcentre/local.nix", LOCAL);
    place.git(&["add", "-fN", "hosts/mini-thinkcentre/local.nix"]);
    let after = drvs(&place);
    assert_eq!(before[0], after[0], "the image");
    assert_ne!(before[1], after[1], "the machine");
    assert_eq!(before[2], after[2], "the other machine");
    assert!(!place.ask(&["source", "list"]).contains("local.nix"));
    place.git(&["add", "-f", "hosts/mini-thinkcentre/local.nix"]);
    assert_eq!(drvs(&place), after);
}

#[test]
fn they_are_never_baked_as_files() {
    let place = Place::minibox();
    place.write("hosts/_appliance_iso/local.nix", LOCAL);
    let source = "config.environment.etc.nixos-repo.source";
    let reference = place.ask(&["source", "ref", "--host", "_appliance_iso"]);
    let flake = format!("{reference}#nixosConfigurations._appliance_iso.{source}");
    let with_local = place.nix(&["eval", "--raw", &flake]).run().ok().stdout;
    let without = place.plain_eval(&format!("nixosConfigurations._appliance_iso.{source}"));
    assert_eq!(with_local, without);
}

#[test]
fn the_manifest_names_them() {
    let place = Place::minibox();
    place.write("hosts/_appliance_iso/local.nix", LOCAL);
    place.ask(&["appliance", "iso", "--with-local"]);
    assert_eq!(
        place.manifest("appliance-iso")["source"]["local"],
        serde_json::json!(["hosts/_appliance_iso/local.nix"])
    );
}

#[test]
fn the_source_is_shown_with_those_of_the_host_that_is_named() {
    let place = Place::minibox();
    place.write("hosts/mini-arm64/local.nix", LOCAL);
    let without = place.ask(&["source", "list"]);
    let with = place.ask(&["source", "list", "--host", "mini-arm64"]);
    let other = place.ask(&["source", "list", "--host", "mini-thinkcentre"]);
    assert!(!without.contains("local.nix"), "{without}");
    assert!(with.contains("\nhosts/mini-arm64/local.nix\n"), "{with}");
    assert_eq!(other, without);
}
