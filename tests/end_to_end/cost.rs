//! What is ignored is not read, however big it is.

use std::{fs, path::Path};

use crate::support::place::Place;

/// Puts into `out/` what would be noticed if anybody read it: 10 GB that take long to
/// hash, and a pipe that nobody writes to, at which a reader would wait for ever.
fn fill(place: &Place, out: &str) {
    place.write(Path::new(out).join("deep/er/file"), "x");
    let big = place.path(out).join("big.raw");
    fs::File::create(big).unwrap().set_len(10 << 30).unwrap();
    for folder in [out, &format!("{out}/deep/er")] {
        let pipe = place.path(folder).join("pipe");
        place.call("mkfifo").args([&pipe]).run().ok();
    }
}

#[test]
fn nothing_under_out_is_read() {
    let place = Place::minibox();
    let run = |args: &[&str]| place.cbox(args).run().ok().stdout;
    let all = || {
        [
            run(&["source", "list"]),
            run(&["source", "hash"]),
            run(&["appliance", "iso", "--drv"]),
        ]
    };
    let before = all();
    fill(&place, "out");
    assert_eq!(all(), before);
}

#[test]
fn nothing_that_git_ignores_is_read() {
    let place = Place::minibox();
    place.write(".git/info/exclude", "/target/\n");
    let before = place.ask(&["source", "hash"]);
    fill(&place, "target");
    assert_eq!(place.ask(&["source", "hash"]), before);
}

#[test]
fn nothing_that_cbox_toml_excludes_is_read() {
    let place = Place::minibox();
    place.edit("cbox.toml", "exclude = []", "exclude = [\"/scratch/\"]");
    let before = place.ask(&["source", "hash"]);
    fill(&place, "scratch");
    assert_eq!(place.ask(&["source", "hash"]), before);
}

#[test]
fn what_is_not_ignored_would_be_noticed() {
    let place = Place::minibox();
    fs::create_dir(place.path("scratch")).unwrap();
    let pipe = place.path("scratch/pipe");
    place.call("mkfifo").args([&pipe]).run().ok();
    // Git does not list a pipe, so it takes a tracked file that became one.
    fs::remove_file(place.path("README.md")).unwrap();
    fs::rename(&pipe, place.path("README.md")).unwrap();
    let run = place.cbox(&["source", "hash"]).run().code(6);
    run.says(&["README.md", "neither a file nor a symlink"]);
}

#[test]
fn an_unchanged_tree_is_neither_copied_nor_added_again() {
    let place = Place::minibox();
    place.drv(&["appliance", "iso"]);
    // A folder for a copy cannot be made there.
    let run = place.cbox(&["appliance", "qcow2", "--drv"]);
    let run = run.env("TMPDIR", place.beside("no-such-folder"));
    let run = run.run().ok();
    assert!(!run.stderr.contains(" to the store"), "{run}");
}
