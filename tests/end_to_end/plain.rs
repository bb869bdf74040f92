//! What is printed, and where: results on standard output, all else on standard error.

use crate::support::{place::Place, tiny};

/// Runs a command with `--json`.
#[track_caller]
fn json(place: &Place, args: &[&str]) -> serde_json::Value {
    place.cbox(&[args, &["--json"]].concat()).run().ok().json()
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
        assert_eq!(error["schema"], "cbox/error/2", "{args:?}");
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
    insta::assert_snapshot!(run.stdout, @"
    TARGET                  HOST              SYSTEMS
    appliance/iso           _appliance_iso    x86_64-linux aarch64-linux
    appliance/qcow2         _appliance-disk   x86_64-linux aarch64-linux
    appliance/raw           _appliance-disk   x86_64-linux aarch64-linux
    hosts/mini-arm64        mini-arm64
    hosts/mini-thinkcentre  mini-thinkcentre
    ");
}

#[test]
fn hosts_are_shown_with_kind_system_and_name() {
    let place = Place::minibox();
    let run = place.cbox(&["hosts"]).run().ok();
    insta::assert_snapshot!(run.stdout, @"
    HOST              KIND     SYSTEM         HOST NAME
    _appliance-disk   image    x86_64-linux   coder-box
    _appliance_iso    image    x86_64-linux   coder-box
    mini-arm64        install  aarch64-linux  mini-arm64
    mini-thinkcentre  install  x86_64-linux   mini-thinkcentre
    ");
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

#[test]
fn the_version_is_one_line() {
    let run = Place::empty("repo").cbox(&["--version"]).run().ok();
    assert_eq!(run.stderr, "", "{run}");
    assert_eq!(run.text(), concat!("cbox ", env!("CARGO_PKG_VERSION")));
}
