//! What a verdict is made of: the files that git tracks, and nothing else.

use std::fs;

use crate::support::place::Place;

use super::{BASELINE, accept, accepted, accepted_minibox, hosts, set, verdicts, verify};

/// Two hosts of the mini box that are as accepted.
const BOTH: [&str; 2] = ["unchanged mini-arm64", "unchanged mini-thinkcentre"];

#[test]
fn local_settings_are_set_aside_and_named() {
    let place = accepted_minibox();
    let local = "hosts/mini-thinkcentre/local.nix";
    place.write(local, "{ environment.etc.motd.text = \"Mine.\\n\"; }");
    let said = format!("set aside: {local} (local settings are no part of the verdict)");
    let run = verify(&place, &[]).run().ok().says(&[&said]);
    assert_eq!(verdicts(&run), BOTH);
    let run = verify(&place, &["--rev", "HEAD"]).run().ok().says(&[&said]);
    assert_eq!(verdicts(&run), BOTH);
    let json = verify(&place, &["--json"]).run().ok().json();
    assert_eq!(json["verifyHosts"]["notes"][0], said.as_str());

    // The patterns win over git's index.
    place.git(&["add", "--force", local]);
    let run = verify(&place, &[]).run().ok().says(&[&said]);
    assert_eq!(verdicts(&run), BOTH);
}

#[test]
fn a_file_that_git_does_not_track_is_not_there() {
    let place = accepted_minibox();
    place.write("modules/new.nix", "{ environment.etc.new.text = \"new\"; }");
    place.edit(
        "modules/default.nix",
        "./system/etc.nix",
        "./system/etc.nix\n    ./new.nix",
    );
    let run = verify(&place, &[]).run().code(7);
    assert_eq!(
        verdicts(&run),
        ["failed mini-arm64", "failed mini-thinkcentre"]
    );
    assert!(run.stdout.contains("new.nix"), "{run}");
    // As CI would see it: what is staged for a commit counts.
    place.git(&["add", "--intent-to-add", "modules/new.nix"]);
    let run = verify(&place, &[]).run().code(1);
    assert!(run.stdout.contains("etc-new"), "{run}");
}

#[test]
fn a_host_with_a_name_that_is_none_is_named() {
    let place = accepted(&[("a", ":")]);
    for name in ["-dash", "odd name"] {
        set(&place, name, ":");
    }
    place.commit("odd names");
    let run = verify(&place, &[]).run().ok();
    run.says(&["not judged: -dash, odd name (a host's name is made of"]);
}

#[test]
fn a_host_that_git_does_not_track_is_not_judged_and_named() {
    let place = accepted(&[("a", ":")]);
    set(&place, "new", ":");
    let run = verify(&place, &[])
        .run()
        .ok()
        .says(&["not judged: new (git does not track it: `git add` does)"]);
    assert_eq!(verdicts(&run), ["unchanged a"]);
    let run = verify(&place, &["--rev", "HEAD"]).run().ok();
    assert!(!run.stderr.contains("not judged"), "{run}");
    place.git(&["add", "hosts/new"]);
    let run = verify(&place, &[]).run().code(1);
    assert_eq!(verdicts(&run), ["unchanged a", "added new"]);
}

#[test]
fn ignored_files_and_builds_move_nothing() {
    let place = accepted_minibox();
    place.write("out/appliance-iso/big.iso", "x");
    place.write("result", "x");
    place.write("notes.txt", "x");
    let run = verify(&place, &[]).run().ok();
    assert_eq!(verdicts(&run), BOTH);
}

/// A flake with a host that takes up the whole tree.
fn greedy() -> Place {
    let place = hosts(&[("box", ":")]);
    let text = crate::support::tiny::script_host("box", "echo SOURCE >$out");
    place.write("hosts/box/default.nix", text.replace("SOURCE", "${../..}"));
    place.commit("greedy");
    place
}

#[test]
fn the_baseline_is_no_part_of_what_it_records() {
    // The mini box has a cbox.toml, this one has none: nobody has to exclude it.
    let place = greedy();
    accept(&place);
    let run = verify(&place, &[]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged box"]);
    let run = verify(&place, &["--rev", "HEAD"]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged box"]);

    let text = place.read(BASELINE);
    place.write(BASELINE, format!("{text}\n\n"));
    let run = verify(&place, &[]).run().ok();
    assert_eq!(
        verdicts(&run),
        ["unchanged box"],
        "another file, the same tree"
    );
    // And this host would notice anything else.
    place.write("README.md", "x");
    place.git(&["add", "README.md"]);
    verify(&place, &[]).run().code(1);
}

#[test]
fn a_commit_is_judged_by_itself_whatever_the_working_tree_has() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    place.git(&["tag", "good"]);
    set(&place, "a", "echo other");
    set(&place, "c", ":");
    fs::remove_file(place.path(BASELINE)).unwrap();
    let run = verify(&place, &["--rev", "good"]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged a", "unchanged b"]);
    assert_eq!(place.names("../tmp"), [""; 0], "nothing of it is left");
}

#[test]
fn a_baseline_that_git_does_not_track_is_pointed_at() {
    let place = hosts(&[("a", ":")]);
    place.cbox(&["accept"]).run().ok();
    verify(&place, &[])
        .run()
        .ok()
        .says(&["git does not track baseline.json: commit it"]);
    place.commit("accepted");
    let run = verify(&place, &[]).run().ok();
    assert_eq!(run.stderr, "", "nothing to say");
}
