//! What is never staged, whether git ignores it or not, and what is staged all the same.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
};

use crate::support::place::Place;

fn flake() -> Place {
    let place = Place::flake("{ outputs = _: { }; }");
    place.commit("a flake");
    place
}

/// What is staged besides the flake.
fn staged(place: &Place) -> Vec<String> {
    let list = place.ask(&["source", "list"]);
    let own = [".gitignore", "cbox.toml", "flake.nix"];
    let files = list.lines().filter(|file| !own.contains(file));
    files.map(str::to_owned).collect()
}

/// Shows that `path` is not staged, for the reason in `word`.
#[track_caller]
fn left_out(place: &Place, path: &str, word: &str, sentence: &str) {
    let why = place.cbox(&["source", "why", path, "--json"]).run().code(1);
    let answer = &why.json()["paths"][0];
    assert_eq!(answer["why"], word, "{path}");
    let told = answer["sentence"].as_str().unwrap();
    assert!(told.contains(sentence), "{told}");
}

#[test]
fn what_other_version_control_systems_keep_is_no_source_tracked_or_not() {
    for with_git in [true, false] {
        let place = flake();
        for folder in [
            ".hg",
            ".svn",
            ".jj/repo",
            ".sl",
            ".pijul",
            "_darcs",
            "deep/.bzr",
        ] {
            place.write(format!("{folder}/store"), "");
        }
        place.write(".hgignore", "");
        if with_git {
            place.git(&["add", "--force", ".hg"]);
        } else {
            fs::remove_dir_all(place.path(".git")).unwrap();
        }
        assert_eq!(staged(&place), [".hgignore"]);
        left_out(&place, ".hg", "version-control", ".hg belongs to");
        left_out(
            &place,
            "deep/.bzr/store",
            "version-control",
            ".bzr belongs to",
        );
    }
}

#[test]
fn editors_files_are_no_source_unless_git_tracks_them() {
    let place = flake();
    place.write("a.nix", "");
    place.write("kept.nix~", "");
    place.git(&["add", "kept.nix~"]);
    let baked = place.ask(&["source", "hash"]);
    symlink("me@host.1:1700000000", place.path(".#a.nix")).unwrap();
    for name in ["#a.nix#", "a.nix~", ".a.nix.swp", ".a.nix.kate-swp", "4913"] {
        place.write(name, "");
    }
    assert_eq!(staged(&place), ["a.nix", "kept.nix~"]);
    assert_eq!(place.ask(&["source", "hash"]), baked);
    left_out(&place, ".#a.nix", "editor", "`.#*`");
    left_out(
        &place,
        ".a.nix.swp",
        "editor",
        "`git add --force .a.nix.swp`",
    );
    place.git(&["add", "--force", ".a.nix.swp"]);
    assert_eq!(staged(&place), [".a.nix.swp", "a.nix", "kept.nix~"]);
}

#[test]
fn caches_and_temporary_files_in_the_tree_are_no_source() {
    let place = flake();
    for path in [
        "x/nix/a",
        "x/cbox/a",
        "own/a",
        "deep/.cache/nix/a",
        "tmp/cbox-1/a",
        "tmp/a",
        "x/other",
    ] {
        place.write(path, "");
    }
    symlink("x", place.path("y")).unwrap();
    let list = place
        .cbox(&["source", "list"])
        .env("XDG_CACHE_HOME", place.path("y"))
        .env("NIX_CACHE_HOME", "own")
        .env("TMPDIR", place.path("tmp"));
    let list = list.run().ok();
    let files: Vec<&str> = list.lines();
    // Where NIX_CACHE_HOME says so, Nix does not use the other.
    assert_eq!(
        files,
        [
            ".gitignore",
            "flake.nix",
            "tmp/a",
            "x/nix/a",
            "x/other",
            "y"
        ]
    );
    let homeless = place
        .cbox(&["source", "list"])
        .env("XDG_CACHE_HOME", "")
        .env("HOME", "");
    place.write(".cache/cbox/evaluations/a", "");
    let list = homeless.run().ok();
    assert!(!list.stdout.contains(".cache"), "{list}");
    left_out(
        &place,
        ".cache/cbox",
        "cache",
        "is in a cache of cbox's or Nix's",
    );
}

#[test]
fn where_the_output_goes_is_no_source() {
    let place = flake();
    let plain = place.ask(&["source", "hash"]);
    for with_git in [true, false] {
        if !with_git {
            fs::remove_dir_all(place.path(".git")).unwrap();
        }
        // Directly, and through a pipe of which the other end writes it; the file is there,
        // and has something in it, before anything is looked at.
        for script in [
            "echo >log; exec \"$0\" source hash -q >>log 2>&1",
            "echo >log; exec \"$0\" source hash -q 2>>log >../hash",
            "\"$0\" source hash -q 2>&1 | cat | tee log >/dev/null",
            "{ \"$0\" source hash -q; } >log 2>&1",
        ] {
            let cbox = env!("CARGO_BIN_EXE_cbox");
            place.call("sh").args(["-c", script, cbox]).run().ok();
            let log = fs::read_to_string(place.path("log")).unwrap();
            let beside = fs::read_to_string(place.beside("hash")).unwrap_or_default();
            assert!(
                log.contains(&plain) || beside.contains(&plain),
                "{script}: {log}"
            );
            fs::remove_file(place.path("log")).unwrap();
        }
    }
    place.write("why", "");
    let why = File::options()
        .append(true)
        .open(place.path("why"))
        .unwrap();
    let call = place.cbox(&["source", "why", "why"]).stdout(why);
    call.run().code(1);
    let told = place.read("why");
    assert!(told.contains("the output of this run goes to it"), "{told}");
}

#[test]
fn without_git_what_is_neither_file_nor_symlink_is_passed_by_as_git_does() {
    let place = flake();
    place.write("a", "");
    let _socket = std::os::unix::net::UnixListener::bind(place.path("socket")).unwrap();
    assert_eq!(staged(&place), ["a"]);
    fs::remove_dir_all(place.path(".git")).unwrap();
    assert_eq!(staged(&place), ["a"]);
}

#[test]
fn images_are_refused_also_where_they_are_compressed() {
    let place = flake();
    let mut image = vec![0; 70_000];
    image[0x10040..0x10048].copy_from_slice(b"_BHRfS_M");
    place.write("notes", &image);
    place.call("gzip").args(["notes"]).run().ok();
    let hash = place.cbox(&["source", "hash"]).run().code(6);
    hash.says(&["notes.gz holds a btrfs image, compressed with gzip"]);
}
