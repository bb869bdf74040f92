//! `cbox doctor`: what is missing is named, with the way to get it.

use regex::Regex;

use super::support::{
    nix::{native, say_left_out},
    place::Place,
};

/// The finding on `what`.
#[track_caller]
fn finding(document: &serde_json::Value, what: &str) -> serde_json::Value {
    let findings = document["doctor"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["what"] == what);
    found
        .unwrap_or_else(|| panic!("no {what} in {document}"))
        .clone()
}

#[test]
fn a_machine_that_can_build_is_good() {
    let place = Place::minibox();
    let ended = place.cbox(&["doctor", "--json"]).run().ok();
    let document = ended.json();
    for what in ["nix", "store", "git"] {
        assert_eq!(finding(&document, what)["health"], "good", "{ended}");
    }
    let text = place.ask(&["doctor"]);
    assert!(
        text.lines()
            .any(|line| line.starts_with("good") && line.contains("this machine")),
        "{text}"
    );
}

#[test]
fn each_finding_is_a_line_with_the_way_out_below() {
    if native() != "x86_64-linux" {
        return say_left_out("the snapshot is of x86_64");
    }
    let place = Place::minibox();
    let few = place.path_with_only(&["git", "nix"]);
    let alone = "builders =\nextra-platforms =\n";
    let run = place
        .cbox(&["doctor"])
        .env("PATH", few)
        .env("NIX_CONFIG", alone);
    let run = run.run().ok();
    let version = Regex::new(r"(good +(nix|git) +).*\n").unwrap();
    let text = version.replace_all(&run.stdout, "$1<version>\n");
    // How much room there is comes last, and is another on each machine.
    let lines = text.lines();
    let lines = lines.take_while(|line| !line.contains("your settings"));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    good     nix                        <version>
    good     store                      /nix/store, on this machine
    good     builds for x86_64-linux    this machine
    warning  builds for aarch64-linux   no builder
             configure a builder (`builders` in nix.conf, or `--builders`), or emulate the architecture: boot.binfmt.emulatedSystems on NixOS, qemu-user-static elsewhere, and `extra-platforms` in nix.conf
    good     git                        <version>
    warning  boots x86_64               `qemu-system-x86_64` is not on the PATH
             install QEMU (Debian: qemu-system-x86, qemu-system-arm; nixpkgs: qemu)
    warning  boots aarch64              `qemu-system-aarch64` is not on the PATH
             install QEMU (Debian: qemu-system-x86, qemu-system-arm; nixpkgs: qemu)
    ");
}

#[test]
fn without_nix_it_ends_with_the_code_of_the_environment() {
    let place = Place::minibox();
    let path = place.path_with_only(&["git"]);
    let ended = place
        .cbox(&["doctor", "--json"])
        .env("PATH", path)
        .run()
        .code(5);
    let nix = finding(&ended.json(), "nix");
    assert_eq!(nix["health"], "bad", "{ended}");
    assert!(
        nix["hint"].as_str().unwrap().contains("install Nix"),
        "{ended}"
    );
    ended.says(&["not ready for cbox: nix"]);
}

#[test]
fn a_builder_that_does_not_answer_is_named() {
    let place = Place::minibox();
    let config = "builders = ssh://builder.invalid aarch64-linux\n";
    let ended = place
        .cbox(&["doctor", "--json"])
        .env("NIX_CONFIG", config)
        .run()
        .ok();
    let builder = finding(&ended.json(), "builder");
    assert_eq!(builder["health"], "warning");
    assert!(
        builder["found"]
            .as_str()
            .unwrap()
            .contains("ssh://builder.invalid does not answer"),
        "{ended}"
    );
}

#[test]
fn outside_of_a_flake_the_machine_is_looked_at_all_the_same() {
    let place = Place::minibox();
    let ended = place
        .cbox(&["doctor", "--json"])
        .folder(place.beside("home"))
        .run()
        .ok();
    let document = ended.json();
    assert_eq!(finding(&document, "nix")["health"], "good");
    assert_eq!(finding(&document, "flake")["health"], "warning");
}
