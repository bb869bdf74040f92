//! Where cbox writes there may be what it did not write: a link that leads elsewhere, a file of
//! a newer cbox, another document. It is never written over, and the way out is said.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::{
    bad_words::fails,
    support::{place::Place, tiny, unique},
};

/// What can be in the place of a file.
#[derive(Clone, Copy, Debug)]
enum Foreign {
    Text(&'static str),
    Link(&'static str),
    Folder,
    Pipe,
}

impl Foreign {
    fn put(self, place: &Place, path: &str) {
        let path = place.path(path);
        match self {
            Self::Text(text) => fs::write(path, text).unwrap(),
            Self::Link(target) => symlink(target, path).unwrap(),
            Self::Folder => fs::create_dir(path).unwrap(),
            Self::Pipe => drop(place.call("mkfifo").args([path]).run().ok()),
        }
    }

    #[track_caller]
    fn is_still(self, place: &Place, path: &str) {
        let path = place.path(path);
        let kind = path.symlink_metadata().unwrap().file_type();
        match self {
            Self::Text(text) => assert_eq!(fs::read_to_string(&path).unwrap(), text),
            Self::Link(target) => assert_eq!(fs::read_link(&path).unwrap(), Path::new(target)),
            Self::Folder => assert!(kind.is_dir()),
            Self::Pipe => assert!(!kind.is_file() && !kind.is_dir()),
        }
        let _gone = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
    }
}

/// What somebody else keeps beside the tree.
const PRECIOUS: &str = "precious\n";

fn with_precious(place: &Place) {
    fs::write(place.beside("precious"), PRECIOUS).unwrap();
}

#[track_caller]
fn is_precious(place: &Place) {
    let kept = fs::read_to_string(place.beside("precious")).unwrap();
    assert_eq!(kept, PRECIOUS);
}

/// With each a part of what is said of it.
const OF_A_MANIFEST: [(Foreign, &str); 10] = [
    (
        Foreign::Link("../../precious"),
        "it is a link to ../../precious",
    ),
    (Foreign::Link("nowhere"), "it is a link to nowhere"),
    (Foreign::Link("notes.json"), "it is a link to notes.json"),
    (Foreign::Folder, "it is a folder"),
    (Foreign::Pipe, "it is not a file"),
    (Foreign::Text(""), "it is not a manifest (EOF"),
    (
        Foreign::Text("{\"schema\": 1, \"tar"),
        "it is not a manifest (EOF",
    ),
    (
        Foreign::Text("{\"name\": \"mine\"}"),
        "it is not a manifest (it names no schema)",
    ),
    (
        Foreign::Text("my notes\n"),
        "it is not a manifest (expected",
    ),
    (
        Foreign::Text("{\"schema\": 3}"),
        "a newer cbox wrote its manifest",
    ),
];

const OF_A_CHECKSUM: [(Foreign, &str); 5] = [
    (
        Foreign::Link("../../precious"),
        "it is a link to ../../precious",
    ),
    (Foreign::Folder, "it is a folder"),
    (Foreign::Pipe, "it is not a file"),
    (Foreign::Text(""), "it is not the checksum of hosts-box"),
    (
        Foreign::Text("my notes\n"),
        "it is not the checksum of hosts-box",
    ),
];

#[test]
fn what_is_no_record_is_not_written_over() {
    let script = |word: &str| tiny::scripts(&[("box", &format!("echo {word} >$out"))]);
    let place = Place::flake(&script(&unique()));
    with_precious(&place);
    place.write("out/notes.json", "{}");
    place.ask(&["build", "hosts/box"]);
    let link = place.link("hosts-box");
    place.write("flake.nix", script(&unique()));
    let rows = OF_A_MANIFEST.iter().map(|row| ("out/hosts-box.json", row));
    let rows = rows.chain(
        OF_A_CHECKSUM
            .iter()
            .map(|row| ("out/hosts-box.sha256", row)),
    );
    for (file, (foreign, what)) in rows {
        let _gone = fs::remove_file(place.path(file));
        foreign.put(&place, file);
        let words = [what, "hint: ", "`--out-dir DIR`"];
        let run = fails(&place, &["build", "hosts/box"], 10, &words);
        assert!(!run.stderr.contains("evaluat"), "{run}");
        place.ask(&["status"]);
        place.ask(&["clean", "--all", "--dry-run"]);
        let is_manifest = file.ends_with(".json");
        if is_manifest {
            place.cbox(&["clean", "hosts/box"]).run().code(10);
        }
        assert_eq!(place.link("hosts-box"), link, "{foreign:?}");
        foreign.is_still(&place, file);
        is_precious(&place);
        assert_eq!(place.read("out/notes.json"), "{}");
        place.write("flake.nix", script("twice"));
        // What is in nobody's way is written.
        place.ask(&["build", "hosts/box"]);
        fs::remove_file(place.path("out/hosts-box")).unwrap();
        symlink(&link, place.path("out/hosts-box")).unwrap();
        place.write("flake.nix", script(&unique()));
    }
}

#[test]
fn what_comes_while_a_build_runs_is_not_written_over_either() {
    let script = format!("echo {} >$out", unique());
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    let build = place.scripted_build();
    let running = place.cbox(&["build", "hosts/box"]).start();
    crate::support::wait_until("the build has begun", || {
        place
            .names("out")
            .iter()
            .any(|name| name.starts_with(".cbox"))
    });
    place.write("out/hosts-box.json", "mine");
    build.end(0);
    let run = running.wait().code(10);
    run.says(&["hosts-box.json is in the way: it is not a manifest"]);
    assert_eq!(place.read("out/hosts-box.json"), "mine");
    assert_eq!(place.names("out"), ["hosts-box.json"]);
}

#[test]
fn a_baseline_that_leads_out_of_the_tree_is_neither_read_nor_written() {
    let place = Place::flake(&tiny::of_folders());
    place.write("hosts/a/default.nix", tiny::script_host("a", "echo >$out"));
    place.commit("a host");
    with_precious(&place);
    let rows = [
        ("../precious", "outside of the tree"),
        ("../new.json", "where there is no file"),
        ("new.json", "where there is no file"),
        ("/dev/null", "outside of the tree"),
    ];
    for (target, why) in rows {
        let link = Foreign::Link(target);
        link.put(&place, "baseline.json");
        let sentence = format!("error: cannot read baseline.json: it is a link to {target}, {why}");
        let words = [&*sentence, "hint: put a file in its place"];
        for args in [&["accept"][..], &["verify-hosts"]] {
            fails(&place, args, 3, &words);
        }
        place.git(&["add", "--all"]);
        place.commit("linked");
        let words = [&*format!("it is a link to {target}"), "name another commit"];
        fails(&place, &["verify-hosts", "--rev", "HEAD"], 3, &words);
        link.is_still(&place, "baseline.json");
        is_precious(&place);
        assert!(!place.beside("new.json").exists() && !place.path("new.json").exists());
    }
    // One that stays in the tree is a way to keep the file elsewhere in it.
    place.write("data/real.json", "{ \"schema\": 2, \"hosts\": {} }");
    Foreign::Link("data/real.json").put(&place, "baseline.json");
    place.ask(&["accept"]);
    assert!(place.read("data/real.json").contains("\"a\""));
    Foreign::Link("data/real.json").is_still(&place, "baseline.json");
}

#[test]
fn init_does_not_follow_a_gitignore_out_of_the_tree() {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    with_precious(&place);
    fs::remove_file(place.path(".gitignore")).unwrap();
    symlink("../precious", place.path(".gitignore")).unwrap();
    place.commit("linked");
    let run = place.cbox(&["init"]).run().ok();
    run.says(&[
        "cannot add `/out/`",
        "it is a link to ../precious, outside of the tree",
    ]);
    is_precious(&place);
}

#[test]
fn a_page_takes_the_place_of_pages_alone() {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    place.ask(&["build", "hosts/box"]);
    with_precious(&place);
    let size = |file: &str| place.cbox(&["size", "hosts/box", "--html", file]).run();
    let page = "<!DOCTYPE html>\n<title>mine</title>\n";
    for (foreign, what) in [
        (Foreign::Text(page), "did not make the file that is there"),
        (Foreign::Text(""), "did not make the file that is there"),
        (
            Foreign::Link("../precious"),
            "did not make the file that is there",
        ),
        (Foreign::Link("nowhere"), "where there is no file"),
        (Foreign::Pipe, "it is not a file"),
        (Foreign::Folder, "it is not a file"),
    ] {
        foreign.put(&place, "page.html");
        let run = size("page.html").code(10);
        let run = run.says(&["error: cannot write the page page.html: ", what]);
        assert!(!run.stderr.contains("asking"), "{run}");
        foreign.is_still(&place, "page.html");
        is_precious(&place);
    }
    size("page.html").ok();
    let first = place.read("page.html");
    size("page.html").ok();
    assert_eq!(place.read("page.html"), first);
    // A link to such a page stays one.
    Foreign::Link("page.html").put(&place, "link.html");
    fs::write(place.path("page.html"), &first[..first.len() / 2]).unwrap();
    size("link.html").ok();
    Foreign::Link("page.html").is_still(&place, "link.html");
    assert_eq!(place.read("page.html"), first);
}
