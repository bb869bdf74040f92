//! What a person prefers in all flakes (`config.toml`, `CBOX_FLAKE`), and the schemas with which
//! editors check what people write.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    call::{Call, find_program},
    nix::say_left_out,
    place::{Place, top},
    schema, tiny,
};

/// The user's own settings in a place.
fn prefer(place: &Place, text: &str) {
    let file = place.beside("home/.config/cbox/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// What `cbox doctor` says of the settings.
fn found(place: &Place, change: impl FnOnce(Call) -> Call) -> Value {
    let run = change(place.cbox(&["doctor", "--json"])).run();
    let findings = run.json()["doctor"].as_array().unwrap().clone();
    let mut settings = findings.into_iter();
    let settings = settings.find(|finding| finding["what"] == "your settings");
    settings.unwrap_or_else(|| panic!("{run}"))
}

fn hosts() -> Place {
    let host = |name: &str| format!("echo {name} >$out");
    let place = Place::flake(&tiny::scripts(&[("a", &host("a")), ("b", &host("b"))]));
    place.write("cbox.toml", "hosts = [\"a\", \"b\"]\n");
    place
}

#[test]
fn a_file_that_does_not_parse_has_its_line_and_keeps_nobody_from_help() {
    let place = hosts();
    for (text, words) in [
        (
            "\njob = 2\n",
            "config.toml:2:1: unknown field `job`: did you mean `jobs`?",
        ),
        (
            "jobs = 2\nmax-memory = \"much\"\n",
            "config.toml:2:14: `much`: ",
        ),
        ("jobs = \n", "config.toml:1:"),
        (
            "schema = 2\n",
            "config.toml:1:10: schema 2 is newer than this cbox",
        ),
    ] {
        prefer(&place, text);
        let run = place.cbox(&["list"]).run().code(3).says(&[words, "hint: "]);
        assert_eq!(run.stdout, "");
        let run = place.cbox(&["list", "--json"]).run().code(3);
        assert_eq!(run.json()["error"]["kind"], "configuration", "{run}");
        place.cbox(&["list", "--help"]).run().ok();
        place.cbox(&["completions", "bash"]).run().ok();
        let settings = found(&place, |call| call);
        assert_eq!(settings["health"], "bad", "{settings}");
        assert!(
            settings["found"].as_str().unwrap().contains(words),
            "{settings}"
        );
    }
}

#[test]
fn doctor_tells_where_settings_come_from() {
    let place = hosts();
    let text = |settings: &Value| settings["found"].as_str().unwrap().to_owned();
    let none = text(&found(&place, |call| call));
    assert!(
        none.starts_with("no ") && none.ends_with("/.config/cbox/config.toml"),
        "{none}"
    );
    prefer(&place, "jobs = 2\nmax-memory = \"1G\"\n");
    let some = text(&found(&place, |call| {
        call.env("CBOX_FLAKE", place.path(""))
            .env("CBOX_HEARTBEAT", "7")
    }));
    assert!(
        some.starts_with("CBOX_FLAKE /") && some.contains("; CBOX_HEARTBEAT 7; "),
        "{some}"
    );
    assert!(
        some.contains("jobs 2, max-memory 1024 MiB from /"),
        "{some}"
    );
    // The folder of all configuration may be elsewhere; a relative one is none.
    let elsewhere = place.beside("elsewhere");
    fs::create_dir_all(elsewhere.join("cbox")).unwrap();
    fs::write(elsewhere.join("cbox/config.toml"), "heartbeat = 5\n").unwrap();
    let moved = text(&found(&place, |call| {
        call.env("XDG_CONFIG_HOME", &elsewhere)
    }));
    assert!(moved.starts_with("heartbeat 5 from "), "{moved}");
    let relative = text(&found(&place, |call| {
        call.env("XDG_CONFIG_HOME", "elsewhere")
    }));
    assert!(relative.starts_with("jobs 2"), "{relative}");
}

#[test]
fn jobs_of_the_command_line_count_before_those_of_the_file() {
    let place = hosts();
    place.ask(&["accept"]);
    prefer(&place, "jobs = 1\nmax-memory = \"3G\"\n");
    let told = |words: &[&str]| {
        let all = [&["verify-hosts", "--no-cache", "-vv"][..], words].concat();
        place.cbox(&all).run().ok().stderr
    };
    let file = told(&[]);
    assert!(
        file.contains("jobs: Some(1), max_memory: Some(3221225472)"),
        "{file}"
    );
    let words = told(&["--jobs", "2", "--max-memory", "4G"]);
    assert!(
        words.contains("jobs: Some(2), max_memory: Some(4294967296)"),
        "{words}"
    );
}

#[test]
fn the_flake_of_the_variable_is_used_where_the_line_names_none() {
    let place = hosts();
    let other = Place::flake(&tiny::scripts(&[("c", "echo c >$out")]));
    for (place, host) in [(&place, "a"), (&other, "c")] {
        place.write("cbox.toml", format!("hosts = [\"{host}\"]\n"));
    }
    let list = |words: &[&str], flake: &std::path::Path| {
        let words = [&["list"][..], words].concat();
        let call = place.cbox(&words).env("CBOX_FLAKE", flake);
        call.folder(place.folder()).run()
    };
    let there = other.path("").into_os_string().into_string().unwrap();
    let run = list(&[], other.path("").as_path()).ok();
    assert!(run.stdout.contains("hosts/c"), "{run}");
    let run = list(&["--flake", "repo"], other.path("").as_path()).ok();
    assert!(run.stdout.contains("hosts/a"), "{run}");
    let nowhere = place.beside("nowhere");
    let run = list(&[], &nowhere).code(3);
    run.says(&["nowhere", "CBOX_FLAKE takes the folder of a flake.nix"]);
    let run = list(&[], &place.beside("home")).code(3);
    run.says(&["there is no flake.nix in", ", which CBOX_FLAKE names"]);
    let run = list(&["--flake", &there], &nowhere).ok();
    assert!(run.stdout.contains("hosts/c"), "{run}");
}

/// A file of settings as JSON.
fn parsed(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).unwrap();
    json!(table)
}

#[test]
fn the_schema_of_cbox_toml_takes_what_cbox_takes() {
    let place = Place::minibox();
    let reference = fs::read_to_string(top().join("docs/reference.md")).unwrap();
    let (_, section) = reference.split_once("\n## cbox.toml\n").unwrap();
    let example = section.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let own = fs::read_to_string(top().join("cbox.toml")).unwrap();
    for text in [&place.read("cbox.toml"), example, &own] {
        schema::check_as("cbox.toml", &parsed(text));
    }
    let (_, section) = reference.split_once("\n## Your own settings\n").unwrap();
    let example = section.split("```text\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    schema::check_as("config.toml", &parsed(example));
    prefer(&place, example);
    place.cbox(&["list"]).run().ok();
}

#[test]
fn an_editor_checks_what_init_writes() {
    let Some(taplo) = find_program("taplo") else {
        return say_left_out("no taplo here");
    };
    let place = Place::minibox();
    fs::remove_file(place.path("cbox.toml")).unwrap();
    place.ask(&["init"]);
    let written = place.read("cbox.toml");
    assert!(written.starts_with("#:schema https://"), "{written}");
    schema::check_as("cbox.toml", &parsed(&written));
    let schema = top().join("docs/schema/cbox.toml.json");
    // What the line names is published with a release; it is this file.
    let at = |file: &std::path::Path| format!("#:schema {}\n", file.display());
    let (_, rest) = written.split_once('\n').unwrap();
    let check = |rest: &str| {
        place.write("cbox.toml", at(&schema) + rest);
        place.call(&taplo).args(["check", "cbox.toml"]).run()
    };
    check(rest).ok();
    let wrong = check(&rest.replace("format = ", "fromat = "));
    assert_ne!(wrong.status.code(), Some(0), "{wrong}");
    let place_of_own = top();
    let own = place.call(&taplo).folder(&place_of_own);
    own.args(["check", "cbox.toml"]).run().ok();
}
