//! With `--json` standard output is one document, whatever goes wrong.

use crate::support::{place::Place, tiny, unique};

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
    assert_eq!(answer["schema"], 1, "{run}");
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
        assert_eq!(answer["schema"], 1, "{run}");
        assert_eq!(answer["error"]["kind"], "usage", "{run}");
        assert_eq!(answer["error"]["exitCode"], 2, "{run}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(word), "{run}");
    }
}
