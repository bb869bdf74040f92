//! Flakes as users of Nix name them: in front of a target and behind `--flake`, folders and what
//! Nix fetches.

use std::time::{Duration, Instant};

use crate::{
    bad_words::{fails, one_error},
    support::{place::Place, tiny},
};

const FLAKE_NIX: &str = "flake.nix";

/// A repository with two hosts, which was committed and then changed, and the reference that Nix
/// fetches its commit by.
fn changed_since() -> (Place, String) {
    let place = Place::flake(&tiny::scripts(&[
        ("box", "echo old > $out"),
        ("lab", "echo lab > $out"),
    ]));
    place.commit("first");
    let commit = place.git(&["rev-parse", "HEAD"]).ok();
    let commit = commit.text();
    let reference = format!(
        "git+file://{}?rev={commit}",
        place.path("").canonicalize().unwrap().display()
    );
    place.edit(FLAKE_NIX, "echo old", "echo new");
    (place, reference)
}

/// A folder beside the flake, with nothing in it.
fn elsewhere(place: &Place) -> std::path::PathBuf {
    let folder = place.beside("elsewhere");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_flake_in_front_of_a_host_is_the_flake_of_the_run() {
    let (place, _) = changed_since();
    let folder = place.path("").canonicalize().unwrap();
    let folder = folder.to_str().unwrap();
    let drv = place.drv(&["build", "box"]);
    for word in [
        ".#box",
        "#box",
        "path:.#box",
        "git+file:.#nixosConfigurations.box",
        ".#nixosConfigurations.\"box\".config.system.build.toplevel",
        &format!("{folder}#box"),
        &format!("path:{folder}#box"),
        &format!("git+file://{folder}#box^out"),
    ] {
        assert_eq!(place.drv(&["build", word]), drv, "{word}");
    }
    for (flake, args) in [
        (".#box", &["build", "--drv"][..]),
        ("path:.", &["build", "box", "--drv"]),
    ] {
        let args = [&["--flake", flake][..], args].concat();
        assert_eq!(place.ask(&args), drv);
    }
    // From a folder below, as with Nix, and from anywhere else.
    place.write("sub/x", "");
    let run = |args: &[&str], folder: &std::path::Path| {
        place.cbox(args).folder(folder).run().ok().text().to_owned()
    };
    assert_eq!(run(&["build", ".#box", "--drv"], &place.path("sub")), drv);
    let other = elsewhere(&place);
    let word = format!("{folder}#box");
    assert_eq!(run(&["build", &word, "--drv"], &other), drv);
    // Its links are beside it, wherever one stands.
    run(&["build", &word], &other);
    assert!(place.link("hosts-box").starts_with("/nix/store/"));
    let several = place.ask(&["build", ".#box", ".#lab", "--drv"]);
    assert_eq!(several.lines().count(), 2, "{several}");
    assert_eq!(
        place.ask(&["diff", "HEAD:lab", ".#lab"]),
        "the same derivation"
    );
}

#[test]
fn what_nix_fetched_is_built_as_a_clone_would() {
    let (place, reference) = changed_since();
    let other = elsewhere(&place);
    let run = |args: &[&str]| {
        let run = place.cbox(args).folder(&other).run().ok();
        run.text().to_owned()
    };
    let word = format!("{reference}#box");
    let old = run(&["build", &word, "--drv"]);
    assert_ne!(old, place.drv(&["build", "box"]));
    place.git(&["stash"]).ok();
    assert_eq!(old, place.drv(&["build", "box"]));
    place.git(&["stash", "pop"]).ok();
    let hosts = run(&["list", &reference]);
    assert!(
        hosts.contains("\nbox ") && hosts.contains("\nlab "),
        "{hosts}"
    );
    run(&["build", &word]);
    let built = std::fs::read_to_string(other.join("out/hosts-box")).unwrap();
    assert_eq!(built, "old\n");
    let manifest = std::fs::read(other.join("out/hosts-box.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["source"]["flake"], reference.as_str());
    let commit = reference.split_once("rev=").unwrap().1;
    assert_eq!(manifest["source"]["revision"], commit);
    assert_eq!(manifest["source"]["dirty"], false);
    let size = run(&["size", &word]);
    assert!(size.starts_with("hosts/box ("), "{size}");
    let status = run(&["status", "--flake", &reference]);
    assert!(status.contains("hosts/box"), "{status}");
    // The same commit in an archive.
    let archive = place.beside("x.tar.gz");
    let archive = archive.to_str().unwrap();
    let made = place.git(&["archive", "--prefix=x/", "-o", archive, "HEAD"]);
    made.ok();
    let word = format!("tarball+file://{archive}#box");
    assert_eq!(run(&["build", &word, "--drv"]), old);
    // Nothing was written into the flake itself.
    assert_eq!(place.names("out"), [""; 0]);
}

#[test]
fn the_kinds_of_a_flake_that_nix_fetched_are_commands() {
    let place = Place::minibox();
    let folder = place.path("").canonicalize().unwrap();
    let reference = format!("git+file://{}?ref=main", folder.display());
    let other = elsewhere(&place);
    let run = |args: &[&str]| place.cbox(args).folder(&other).run();
    let drv = place.drv(&["appliance", "iso"]);
    let at = ["--flake", reference.as_str()];
    let words = [&at[..], &["appliance", "iso", "--drv"]].concat();
    assert_eq!(run(&words).ok().text(), drv);
    let word = format!("{reference}#appliance/iso");
    assert_eq!(run(&["build", &word, "--drv"]).ok().text(), drv);
    let wrong = run(&[&at[..], &["aplliance", "iso"]].concat()).code(2);
    one_error(&wrong);
    wrong.says(&["`aplliance`", "did you mean `appliance`?"]);
}

#[test]
fn hosts_of_two_flakes_are_compared() {
    let (place, reference) = changed_since();
    let old = format!("{reference}#box");
    let before = place.ask(&["diff", &old, "box"]);
    let here = place.ask(&["diff", "HEAD:box", "box"]);
    // The same commit, whoever has it. Where the change is, is told of commits of this repository.
    let here = here.replace(", from flake.nix:10", "");
    assert_eq!(before, here);
    assert_eq!(
        place.ask(&["diff", &old, "HEAD:box"]),
        "the same derivation"
    );
    assert_eq!(place.ask(&["diff", &old, ".#box"]), here);
    let lab = format!("{reference}#lab");
    assert_eq!(place.ask(&["diff", &lab, "lab"]), "the same derivation");
    // Where no flake is, of a folder and of what Nix fetches.
    let other = elsewhere(&place);
    let folder = place.path("").canonicalize().unwrap();
    let new = format!("{}#box", folder.display());
    let run = place.cbox(&["diff", &old, &new]).folder(&other).run().ok();
    assert_eq!(run.text(), here);
    place.ask(&["build", "box"]);
    place.ask(&["build", &old, "--no-link"]);
    let size = place.ask(&["size", "box", "--against", &old]);
    assert!(size.contains(&reference), "{size}");
    fails(
        &place,
        &["diff", "github:no-such-owner/x#box", "box", "--offline"],
        5,
        &["cannot be fetched"],
    );
}

#[test]
fn what_wants_a_working_tree_wants_a_clone() {
    let (place, reference) = changed_since();
    let at = ["--flake", reference.as_str()];
    for (command, words) in [
        (&["accept"][..], "no baseline"),
        (&["init"], "no cbox.toml"),
        (&["watch"], "ever changes"),
    ] {
        let words = [words, "clone it", "--flake DIR"];
        fails(&place, &[command, &at].concat(), 2, &words);
    }
    let revision = [&["build", "HEAD~1:box"][..], &at].concat();
    fails(&place, &revision, 2, &["HEAD~1"]);
    let base = [&["verify-hosts", "--base", "HEAD~1"][..], &at].concat();
    fails(
        &place,
        &base,
        2,
        &["no other revision `HEAD~1`", "?rev=REV"],
    );
    // The links of the flake here are not to be replaced by those of another one.
    let word = format!("{reference}#box");
    let words = ["among those of the flake that is here", "--out-dir DIR"];
    fails(&place, &["build", &word], 2, &words);
    place.ask(&["build", &word, "--out-dir", "other"]);
    assert_eq!(place.read("other/hosts-box"), "old\n");
}

#[test]
fn what_cannot_be_fetched_is_said_in_one_sentence() {
    let (place, reference) = changed_since();
    let (repository, _) = reference.split_once('?').unwrap();
    let no_branch = format!("{repository}?ref=nope#box");
    fails(
        &place,
        &["build", &no_branch],
        2,
        &["?ref=nope cannot be fetched", "hint: check the name"],
    );
    let no_commit = format!("{repository}?rev={}#box", "01".repeat(20));
    fails(
        &place,
        &["build", &no_commit],
        2,
        &["cannot be fetched", "check the name"],
    );
    let begun = Instant::now();
    let nobody = "tarball+http://127.0.0.1:1/x.tar.gz#box";
    let words = [
        "tarball+http://127.0.0.1:1/x.tar.gz cannot be fetched",
        "check the network",
    ];
    fails(&place, &["build", nobody], 5, &words);
    assert!(begun.elapsed() < Duration::from_secs(60));
    let offline = [
        "build",
        "github:no-such-owner/no-such-repo#box",
        "--offline",
    ];
    fails(
        &place,
        &offline,
        5,
        &["cannot be fetched", "without `--offline`"],
    );
    fails(
        &place,
        &["build", "github:bad#box"],
        2,
        &["cannot be fetched", "hint: cbox takes"],
    );
    let no_flake = format!("{repository}?ref=main&dir=no-such#box");
    fails(
        &place,
        &["build", &no_flake],
        3,
        &["no flake.nix in the folder no-such", "?dir="],
    );
}

#[test]
fn words_that_name_no_host_have_a_way_out() {
    let (place, reference) = changed_since();
    for (args, words) in [
        (
            &["build", "."][..],
            &["which host", "cbox build .#HOST"][..],
        ),
        (
            &["build", ".#packages.x86_64-linux.a"],
            &["package = \"packages.x86_64-linux.a\""],
        ),
        (
            &["build", ".#boks"],
            &["no host `boks`", "did you mean box"],
        ),
        (
            &["build", ".#box", &reference],
            &["one flake", "once for each"],
        ),
        (
            &["hosts", "--flake", ".#box"],
            &["takes the flake alone", "--flake ."],
        ),
        (&["--flake", "nixpkgs", "list"], &["`flake:nixpkgs`"]),
        (
            &["--flake", "githib:a/b", "list"],
            &["did you mean `github`"],
        ),
    ] {
        let run = place.cbox(args).run();
        one_error(&run);
        run.says(words);
    }
}
