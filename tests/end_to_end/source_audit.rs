//! `cbox source audit`: what must not be baked is found before it is. What would be found is
//! put together at run time, so that no search for secrets finds it here.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use crate::support::{
    place::{Place, top},
    tiny,
};
use serde_json::json;

/// A token of a known form, and the same as it may be shown.
fn token() -> (String, &'static str) {
    let token = format!("{}_{}", "ghp", "q7Xv2LmZ9sKd4RtB8nYc1WpF5hJg3TaE6uQo");
    (token, "ghp_… (40 characters)")
}

const ALLOW: &str =
    "[[source.allow]]\npath = \"/tests/*.txt\"\nfinding = \"token\"\nwhy = \"revoked\"\n";

const AUDIT: [&str; 2] = ["source", "audit"];

fn flake() -> Place {
    Place::flake("{ outputs = _: { }; }")
}

#[test]
fn this_repository_and_the_mini_box_pass() {
    let place = Place::empty("repo");
    for folder in [top(), top().join("examples/minibox")] {
        let run = place.cbox(&AUDIT).folder(folder).run().ok();
        assert_eq!(run.stdout, "", "{run}");
        assert!(!run.stderr.contains("warning"), "{run}");
    }
}

#[test]
fn a_finding_has_its_place_and_never_its_value() {
    let place = flake();
    let (token, _) = token();
    place.write("sub/notes.txt", format!("one\nit is {token}\n"));
    place.write(".bash_history", "ls\n");
    // Ignored, so not staged and not looked at.
    place.write("out/notes.txt", &token);
    let run = place.cbox(&AUDIT).run().code(6);
    insta::assert_snapshot!(run.stdout, @"
    .bash_history: what somebody typed into a shell [shell-history]
    sub/notes.txt:2: a GitHub token: ghp_… (40 characters) [token]
    ");
    insta::assert_snapshot!(run.stderr, @r#"
    4 files, 81 B: 2 findings, 0 allowed
    error: 2 findings in the staged tree must not be baked into an image
    hint: remove it from the tree, and replace every secret that was ever committed; what is there on purpose can be allowed in cbox.toml:
      [[source.allow]]
      path = "/.bash_history"
      finding = "shell-history"
      why = "…"
    "#);
    assert!(!run.to_string().contains(&token[4..]), "{run}");
    let run = place.cbox(&AUDIT).folder(place.path("sub")).run().code(6);
    assert!(run.stdout.contains("\nnotes.txt:2: "), "{run}");

    let run = place.cbox(&["source", "audit", "--json"]).run().code(6);
    assert!(!run.to_string().contains(&token[4..]), "{run}");
    let found = &run.json()["audit"]["findings"][1];
    let value = json!({ "begins": "ghp_", "length": 40 });
    let expected = json!({ "path": "sub/notes.txt", "line": 2, "finding": "token",
        "what": "a GitHub token", "value": value });
    assert_eq!(found, &expected, "{run}");

    let run = place.cbox(&AUDIT).env("GITHUB_ACTIONS", "true").run();
    run.code(6).says(&[
        "::error file=.bash_history,line=1,",
        "::error file=sub/notes.txt,line=2,",
    ]);
}

#[test]
fn what_is_there_on_purpose_is_allowed_with_a_reason() {
    let place = flake();
    place.write("tests/old.txt", token().0);
    place.write("cbox.toml", ALLOW);
    let run = place.cbox(&AUDIT).run().ok();
    let run = run.says(&["0 findings, 1 allowed"]);
    assert!(!run.stderr.contains("warning"), "{run}");
    let run = place.cbox(&["source", "audit", "-v"]).run().ok();
    run.says(&["allowed: tests/old.txt:1: a GitHub token", "(revoked)"]);
    let run = place.cbox(&["source", "audit", "--json"]).run().ok();
    assert_eq!(run.json()["audit"]["allowed"][0]["why"], "revoked", "{run}");
    // The entry is for that finding in those files.
    place.write("other.txt", token().0);
    let run = place.cbox(&AUDIT).run().code(6);
    assert_eq!(run.lines().len(), 1, "{run}");
    std::fs::remove_file(place.path("other.txt")).unwrap();
    std::fs::remove_file(place.path("tests/old.txt")).unwrap();
    let run = place.cbox(&AUDIT).run().ok();
    let run = run.says(&["warning: cbox.toml allows token in `/tests/*.txt`"]);
    let json = place.cbox(&["source", "audit", "--json"]).run().ok();
    assert_eq!(
        json.json()["audit"]["unused"][0]["finding"],
        "token",
        "{run}"
    );
}

/// Whatever a file is called, the hint allows it as it stands, and no other file.
#[test]
fn the_entry_of_the_hint_can_be_pasted() {
    let place = flake();
    for name in [
        "a b ",
        "it's \"x\" `cbox build`",
        "#[x]*",
        "!\\",
        "sub/tab\tbell\u{7}\u{202e}",
        "-é\u{a0}",
    ] {
        place.write(name, token().0);
        let run = place.cbox(&AUDIT).run().code(6);
        let (_, entry) = run.stderr.split_once("in cbox.toml:\n").unwrap();
        place.write("cbox.toml", entry);
        let run = place.cbox(&AUDIT).run().ok();
        let run = run.says(&["0 findings, 1 allowed"]);
        assert!(!run.stderr.contains("warning"), "{run}");
        place.write("other", token().0);
        place.cbox(&AUDIT).run().code(6);
        std::fs::remove_file(place.path("other")).unwrap();
        std::fs::remove_file(place.path(name)).unwrap();
        std::fs::remove_file(place.path("cbox.toml")).unwrap();
    }
}

#[test]
fn entries_that_cannot_be_are_refused_with_their_place() {
    let place = flake();
    for (from, to, words) in [
        ("why = \"revoked\"\n", "", "missing field `why`"),
        ("revoked", " ", "`why` is empty"),
        ("\"token\"", "\"tokens\"", "did you mean `token`?"),
        ("\"token\"", "\"disk-image\"", "cannot be allowed"),
        ("/tests/*.txt", "a\\nb", "it has to be one line"),
        ("/tests/*.txt", "", "it names no file"),
        ("why =", "reason =", "unknown field `reason`"),
    ] {
        place.write("cbox.toml", ALLOW.replace(from, to));
        let run = place.cbox(&AUDIT).run().code(3).says(&[words]);
        assert_eq!(run.stdout, "", "{run}");
        assert!(run.stderr.contains("cbox.toml"), "{run}");
    }
}

#[test]
fn local_settings_at_another_place_are_found() {
    let place = flake();
    place.write(
        "cbox.toml",
        "[source]\nlocal = [\"hosts/{host}/facter.json\"]\n",
    );
    place.write("hosts/a/facter.json", "{}");
    place.ask(&AUDIT);
    place.write("hosts/a/b/facter.json", "{}");
    place.write("hosts/a/local.nix", "{ }");
    let run = place.cbox(&AUDIT).run().code(6);
    assert_eq!(run.lines().len(), 2, "{run}");
    assert!(run.stdout.contains("[local-settings]"), "{run}");
}

#[test]
fn junk_and_strange_names_do_no_harm() {
    let place = flake();
    let junk: Vec<u8> = (0..100_000u32)
        .map(|number| ((number * 7919) >> 3) as u8)
        .collect();
    place.write("junk", junk);
    place.write(
        "junk.nix",
        b"\xff\xfe key = \"\xff\xff\xff\xff\";".as_slice(),
    );
    place.write("empty", "");
    place.ask(&AUDIT);
    place.write(OsStr::from_bytes(b"\xffname"), token().0);
    let run = place
        .cbox(&AUDIT)
        .env("GITHUB_ACTIONS", "true")
        .run()
        .code(6);
    assert!(run.stdout.contains("name:1: a GitHub token"), "{run}");
    place
        .cbox(&["source", "audit", "--json"])
        .run()
        .code(6)
        .json();
}

#[test]
fn an_image_is_audited_before_it_is_built() {
    let place = Place::minibox();
    let (token, shown) = token();
    place.write("modules/note.txt", &token);
    for args in [
        &["appliance", "iso"][..],
        &["build", "appliance/raw", "hosts/mini-arm64"],
    ] {
        let run = place.cbox(args).run().code(6);
        let line = format!("modules/note.txt:1: a GitHub token: {shown} [token]");
        let run = run.says(&["1 finding in the staged tree", &line]);
        assert!(!run.stderr.contains(&token), "{run}");
        assert!(!run.stderr.contains("evaluating"), "{run}");
        assert_eq!(place.names("out"), [""; 0], "{run}");
    }
    place.drv(&["appliance", "iso"]);
    place.ask(&["appliance", "iso", "--dry-run"]);
}

#[test]
fn the_system_of_a_machine_is_not() {
    let place = Place::flake(&tiny::scripts(&[("good", "echo >$out")]));
    place.write("note.txt", token().0);
    place.ask(&["build", "hosts/good"]);
}
