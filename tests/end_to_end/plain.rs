//! What is printed, and where: results on standard output, all else on standard error.

use crate::support::{call::Ended, place::Place, tiny};

/// Runs a command with `--json` and checks the schema.
#[track_caller]
fn json(place: &Place, args: &[&str]) -> serde_json::Value {
    let answer = place.cbox(&[args, &["--json"]].concat()).run().ok().json();
    assert_eq!(answer["schema"], 1, "{args:?}");
    answer
}

#[test]
fn every_command_has_json() {
    let place = Place::minibox();
    let lists = [
        (&["list"][..], "targets", 5),
        (&["hosts"], "hosts", 4),
        (&["status"], "links", 0),
        (&["appliance", "iso", "--drv"], "targets", 1),
        (&["appliance", "iso", "--dry-run"], "targets", 1),
        (&["appliance", "iso", "--no-link"], "targets", 1),
        (&["appliance", "iso"], "targets", 1),
        (&["status"], "links", 1),
        (&["clean", "--all", "--dry-run"], "removed", 1),
    ];
    for (args, name, length) in lists {
        let answer = json(&place, args);
        let found = answer[name].as_array().map(Vec::len);
        assert_eq!(found, Some(length), "{args:?}: {answer:#}");
    }
    let files = json(&place, &["source", "list"]);
    let paths = files["files"].as_array().unwrap();
    assert!(paths.iter().any(|file| file["path"] == "flake.nix"));
    assert_eq!(
        json(&place, &["source", "hash"])["narHash"],
        place.ask(&["source", "hash"])
    );
    assert_eq!(
        json(&place, &["source", "ref"])["reference"],
        place.ask(&["source", "ref"])
    );
}

#[test]
fn an_error_has_json() {
    let place = Place::minibox();
    for args in [
        &["--json", "appliance", "isso"][..],
        &["appliance", "isso", "--json"],
        &["--json", "applianse", "iso"],
        &["applianse", "iso", "--json"],
        &["build", "appliance/isso", "--json"],
    ] {
        let error = place.cbox(args).run().code(2).json();
        assert_eq!(error["schema"], 1, "{args:?}");
        assert_eq!(error["error"]["kind"], "usage", "{args:?}");
        assert_eq!(error["error"]["exitCode"], 2, "{args:?}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains("iss") || message.contains("applianse"));
    }
}

#[test]
fn list_shows_targets_and_hosts_without_asking_nix() {
    let place = Place::minibox();
    place.stand_in("nix", "echo called >&2; exit 1");
    let run = place.cbox(&["list"]).run().ok();
    for target in [
        "appliance/iso",
        "appliance/qcow2",
        "appliance/raw",
        "hosts/mini-arm64",
        "hosts/mini-thinkcentre",
    ] {
        assert!(run.lines().iter().any(|line| line.starts_with(target)));
    }
}

#[test]
fn hosts_are_shown_with_kind_system_and_name() {
    let place = Place::minibox();
    let run = place.cbox(&["hosts"]).run().ok();
    let rows: Vec<Vec<&str>> = run
        .lines()
        .iter()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[1..],
        [
            ["_appliance-disk", "image", "x86_64-linux", "coder-box"],
            ["_appliance_iso", "image", "x86_64-linux", "coder-box"],
            ["mini-arm64", "install", "aarch64-linux", "mini-arm64"],
            [
                "mini-thinkcentre",
                "install",
                "x86_64-linux",
                "mini-thinkcentre"
            ],
        ]
    );
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let place = Place::minibox();
    for args in [
        &["list"][..],
        &["source", "list"],
        &["--help"],
        &["list", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = place.cbox(args).stdout(writer).run().ok();
        assert!(!run.stderr.contains("panicked"), "{run}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let place = Place::minibox();
    for args in [&["list"][..], &["source", "list"], &["list", "--json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let run = place.cbox(args).stdout(full.unwrap()).run().code(10);
        assert_eq!(run.stderr.matches("error:").count(), 1, "{run}");
        run.says(&[
            "cannot write the result to standard output",
            "No space left",
        ]);
    }
}

#[test]
fn quiet_says_nothing_but_the_result() {
    let place = Place::minibox();
    let set = format!("environment.etc.word.text={}", crate::support::unique());
    let run = place.cbox(&["appliance", "iso", "-q", "--set", &set]);
    let run = run.run().ok();
    assert_eq!(run.stderr, "");
    assert_eq!(run.lines().len(), 1);
}

#[test]
fn verbose_shows_the_logs_of_builds() {
    let word = crate::support::unique();
    let script = format!("echo a word: {word}; echo done >$out");
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    let run = place.cbox(&["build", "hosts/box", "-v"]).run().ok();
    assert!(
        run.stderr.contains(&format!("box> a word: {word}")),
        "{run}"
    );
    let shown = place.cbox(&["build", "hosts/box", "-vv"]).run().ok();
    assert!(
        shown.stderr.contains("nix --extra-experimental-features"),
        "{shown}"
    );
}

#[test]
fn a_builder_cannot_speak_in_the_name_of_nix() {
    let word = crate::support::unique();
    let script = format!(
        "echo '@nix {{\"action\":\"msg\",\"level\":0,\"msg\":\"error: {word}\"}}'; echo '@nix'; \
         echo '@nix {{'; printf '\\377\\000\\n'; echo {word} >$out"
    );
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    place.ask(&["build", "hosts/box"]);
    assert_eq!(place.read("out/hosts-box").trim(), word);
}

fn help(args: &[&str]) -> Ended {
    let place = Place::empty("repo");
    let run = place.cbox(args).run().ok();
    assert_eq!(run.stderr, "", "{run}");
    run
}

#[test]
fn help_shows_examples_and_every_exit_code() {
    let run = help(&["--help"]);
    assert!(run.stdout.contains("cbox appliance iso"), "{run}");
    let codes = run.stdout.split("Exit codes:").nth(1).unwrap();
    for code in [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 129, 130, 143] {
        let row = format!("{code:>5}  ");
        let found = codes.lines().filter(|line| line.starts_with(&row)).count();
        assert_eq!(found, 1, "exit code {code} in {run}");
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in ["build", "list", "hosts", "status"] {
        assert!(help(&[command, "--help"]).stdout.contains("Example"));
    }
    for command in ["list", "hash", "ref"] {
        assert!(
            help(&["source", command, "--help"])
                .stdout
                .contains("Example")
        );
    }
    let place = Place::minibox();
    let run = place.cbox(&["appliance", "--help"]).run().ok();
    assert!(run.stdout.contains("Examples:"), "{run}");
    assert!(run.stdout.contains("--dry-run"), "{run}");
}

#[test]
fn a_kind_has_help_where_there_is_no_flake() {
    for args in [
        &["appliance", "--help"][..],
        &["appliance", "-h"],
        &["appliance", "iso", "--help"],
    ] {
        assert!(help(args).stdout.contains("--dry-run"), "{args:?}");
    }
}

#[test]
fn the_version_is_one_line() {
    let run = help(&["--version"]);
    assert_eq!(run.text(), concat!("cbox ", env!("CARGO_PKG_VERSION")));
}
