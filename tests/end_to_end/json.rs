//! With `--json` standard output is one document, whatever goes wrong; with `--json-lines` it is
//! what happens too. The harness holds each document against its schema.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::support::{
    call::Ended,
    place::{Place, top},
    schema, tiny, unique,
};

#[test]
fn a_build_that_fails_in_part_has_one_document_with_both() {
    let good = format!("echo {} >$out", unique());
    let place = Place::flake(&tiny::scripts(&[
        ("bad", "echo a last word; exit 3"),
        ("good", &good),
    ]));
    let build = ["build", "hosts/bad", "hosts/good", "--json"];
    let run = place.cbox(&build).run().code(8);
    let answer = run.json();
    assert_eq!(answer["schema"], "cbox/build/2", "{run}");
    let targets = answer["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 1, "{run}");
    assert_eq!(targets[0]["manifest"]["target"], "hosts/good", "{run}");
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{run}");
    assert_eq!(errors[0]["kind"], "build", "{run}");
    assert_eq!(errors[0]["exitCode"], 8, "{run}");
    let message = errors[0]["message"].as_str().unwrap();
    assert!(message.contains("a last word"), "{run}");
}

#[test]
fn a_build_that_succeeds_has_no_errors() {
    let place = Place::flake(&tiny::scripts(&[("good", "echo >$out")]));
    let run = place.cbox(&["build", "hosts/good", "--json"]).run().ok();
    assert_eq!(run.json()["errors"], serde_json::json!([]), "{run}");
}

#[test]
fn misuse_has_one_document() {
    let place = Place::minibox();
    for (args, word) in [
        (&["list", "--json", "--wrong"][..], "--wrong"),
        (&["--wrong", "list", "--json"], "--wrong"),
        (&["appliance", "iso", "--json", "--wrong"], "--wrong"),
        (&["build", "--json"], "<TARGET>"),
        (&["nosuch", "iso", "--json"], "nosuch"),
        (&["build", "nosuch/iso", "--json"], "nosuch"),
    ] {
        let run = place.cbox(args).run().code(2);
        let answer = run.json();
        assert_eq!(answer["schema"], "cbox/error/2", "{run}");
        assert_eq!(answer["error"]["kind"], "usage", "{run}");
        assert_eq!(answer["error"]["exitCode"], 2, "{run}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(word), "{run}");
    }
}

/// The lines of a run with `--json-lines`.
fn documents(run: &Ended) -> Vec<Value> {
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The events of that name.
fn events<'d>(documents: &'d [Value], name: &str) -> Vec<&'d Value> {
    let is_it = |document: &&Value| document["event"] == name;
    documents.iter().filter(is_it).collect()
}

#[test]
fn what_happens_is_told_a_line_each_and_the_result_last() {
    let good = format!("echo a word of the build; echo {} >$out", unique());
    let place = Place::flake(&tiny::scripts(&[
        ("bad", "echo a last word; exit 3"),
        ("good", &good),
    ]));
    let build = ["build", "hosts/bad", "hosts/good", "--json-lines", "-v"];
    let run = place.cbox(&build).run().code(8);
    let documents = documents(&run);
    let last = documents.last().unwrap();
    assert_eq!(last["schema"], "cbox/build/2", "{run}");
    assert_eq!(last["errors"][0]["kind"], "build", "{run}");
    let results = documents.iter().filter(|it| it["schema"] != "cbox/event/2");
    assert_eq!(results.count(), 1, "{run}");
    let names = |name: &str| -> BTreeSet<String> {
        let found = events(&documents, name).into_iter();
        found
            .map(|event| event["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let both = BTreeSet::from(["hosts/bad".to_owned(), "hosts/good".to_owned()]);
    assert_eq!(names("evaluation-started"), both, "{run}");
    assert_eq!(names("evaluation-ended"), both, "{run}");
    assert_eq!(events(&documents, "build-started").len(), 2, "{run}");
    let ended = events(&documents, "build-ended").into_iter();
    let mut ended: Vec<_> = ended.map(|event| event["succeeded"].as_bool()).collect();
    ended.sort_unstable();
    assert_eq!(ended, [Some(false), Some(true)], "{run}");
    let lines = events(&documents, "build-log").into_iter();
    let mut lines = lines.map(|event| event["line"].as_str().unwrap());
    assert!(lines.any(|line| line == "a word of the build"), "{run}");
    // What happens is told when it does: times only grow.
    let times = documents.iter().filter_map(|event| event["time"].as_str());
    assert!(times.is_sorted(), "{run}");
}

#[test]
fn verdicts_and_errors_are_told_in_lines() {
    let place = Place::flake(&tiny::scripts(&[
        ("a", "echo a >$out"),
        ("b", "echo b >$out"),
    ]));
    place.write("cbox.toml", "hosts = [\"a\", \"b\"]\n");
    place.ask(&["accept"]);
    place.edit("flake.nix", "echo b", "echo c");
    let run = place.cbox(&["verify-hosts", "--json-lines"]).run().code(1);
    let all = documents(&run);
    let verdicts = events(&all, "verdict").into_iter();
    let verdicts: Vec<_> = verdicts.map(|it| [&it["target"], &it["status"]]).collect();
    let expected = [["hosts/a", "unchanged"], ["hosts/b", "changed"]];
    assert_eq!(json!(verdicts), json!(expected), "{run}");
    assert_eq!(
        all.last().unwrap()["schema"],
        "cbox/verify-hosts/2",
        "{run}"
    );
    let run = place
        .cbox(&["build", "--json-lines", "nosuch/iso"])
        .run()
        .code(2);
    let all = documents(&run);
    assert_eq!(all.len(), 1, "{run}");
    assert_eq!(all[0]["schema"], "cbox/error/2", "{run}");
    let run = place
        .cbox(&["list", "--json-lines", "--wrong"])
        .run()
        .code(2);
    assert_eq!(documents(&run)[0]["error"]["kind"], "usage", "{run}");
    let run = place
        .cbox(&["list", "--json-lines", "--json"])
        .run()
        .code(2);
    assert_eq!(documents(&run)[0]["error"]["kind"], "usage", "{run}");
}

#[test]
fn every_command_says_what_it_prints() {
    let place = Place::minibox();
    place.ask(&["accept", "mini-thinkcentre"]);
    for (words, name) in [
        (&["list"][..], "list"),
        (&["matrix"], "matrix"),
        (&["matrix", "--hosts", "--shards", "2"], "shards"),
        (&["completions", "fish"], "completions"),
        (&["man", "pages"], "man"),
        (&["doctor"], "doctor"),
        (&["verify-hosts", "mini-thinkcentre"], "verify-hosts"),
        (&["accept", "mini-thinkcentre"], "accept"),
        (&["diff", "mini-thinkcentre", "mini-arm64"], "diff"),
        (&["source", "why", "flake.nix"], "source-why"),
        (&["source", "baked"], "source-baked"),
        (&["source", "audit"], "source-audit"),
        (&["init", "--print"], "init"),
    ] {
        let run = place.cbox(words).args(["--json"]).run();
        assert_eq!(run.json()["schema"], format!("cbox/{name}/2"), "{run}");
    }
    let baseline = place.read("baseline.json");
    schema::check_as("baseline", &serde_json::from_str(&baseline).unwrap());
}

/// A document that has another field, or lacks one, is seen: or the schemas would hold nothing.
#[test]
fn a_schema_refuses_what_it_does_not_name() {
    let refused = |name: &'static str, document: Value| {
        std::panic::catch_unwind(move || schema::check_as(name, &document)).is_err()
    };
    let good =
        json!({ "schema": "cbox/source-hash/2", "narHash": format!("sha256-{}=", "A".repeat(43)) });
    schema::check(&good);
    let with = |key: &str, value: Value| {
        let mut document = good.clone();
        document[key] = value;
        document
    };
    assert!(refused("source-hash", with("more", json!(1))));
    assert!(refused("source-hash", with("narHash", json!("sha256-A"))));
    assert!(refused(
        "source-hash",
        with("schema", json!("cbox/source-hash/3"))
    ));
    assert!(refused(
        "source-hash",
        json!({ "schema": "cbox/source-hash/2" })
    ));
}

#[test]
fn each_schema_is_of_something() {
    let source = |folder: &str| {
        let mut text = String::new();
        let mut folders = vec![top().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text.push_str(&fs::read_to_string(path).unwrap_or_default());
                }
            }
        }
        text
    };
    let source = source("crates/cbox/src") + &source("crates/cbox-driver/src");
    // Files, and what others refer to.
    const OTHERS: [&str; 5] = ["baseline", "cbox.toml", "common", "config.toml", "manifest"];
    for entry in fs::read_dir(top().join("docs/schema")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_named = OTHERS.contains(&name) || source.contains(&format!("\"{name}\""));
        assert!(is_named, "{name}");
    }
}
