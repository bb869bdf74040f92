//! `cbox verify-hosts --merge`: verdicts that several machines gave make the one that a single
//! machine would have given.

use std::fs;

use serde_json::{Value, json};

use super::{accepted, set, verify};
use crate::support::{call::Ended, place::Place};

/// Hosts with each verdict that there is: unchanged, changed in several ways, new, gone, and one
/// that does not evaluate.
fn all_kinds() -> Place {
    let place = accepted(&[
        ("same", "echo same >$out"),
        ("text", "echo one >$out"),
        ("gone", "echo gone >$out"),
        ("broken", "echo fine >$out"),
    ]);
    set(&place, "text", "echo two >$out");
    set(&place, "new", "echo new >$out");
    place.write("hosts/broken/default.nix", "throw \"not today\"");
    place.git(&["rm", "-rq", "hosts/gone"]);
    place.commit("changes");
    place
}

/// Judges some hosts, into a file of this name.
fn part(place: &Place, name: &str, hosts: &[&str]) -> String {
    let run = verify(place, &["--json"]).args(hosts).run();
    place.write(format!("../{name}"), &run.stdout);
    format!("../{name}")
}

fn merge(place: &Place, files: &[&str], more: &[&str]) -> Ended {
    verify(place, &[&["--merge"], files, more].concat()).run()
}

#[test]
fn the_verdict_is_that_of_one_run() {
    let place = all_kinds();
    let whole = verify(&place, &["--json"]).run().code(7);
    let one = part(&place, "one.json", &["same", "gone", "broken"]);
    let two = part(&place, "two.json", &["text"]);
    let three = part(&place, "three.json", &["new"]);
    let files = [&*three, &one, &two];
    let merged = merge(&place, &files, &["--json"]).code(7);
    assert_eq!(merged.json(), whole.json());
    // In every form, and without the flake.
    for form in [&[][..], &["--format", "markdown"], &["--format", "github"]] {
        let whole = verify(&place, form).run().code(7);
        let merged = merge(&place, &files, form).code(7);
        assert_eq!(merged.stdout, whole.stdout, "{form:?}");
    }
    place.git(&["rm", "-q", "flake.nix"]);
    assert!(!place.path("flake.nix").exists());
    let merged = merge(&place, &files, &["--json"]).code(7);
    assert_eq!(merged.json(), whole.json());
}

#[test]
fn what_does_not_fit_together_is_said_and_gives_no_verdict() {
    let place = all_kinds();
    let all = part(&place, "all.json", &[]);
    let one = part(&place, "one.json", &["same", "text"]);
    let rest = part(&place, "rest.json", &["gone", "broken", "new"]);
    let text: Value = serde_json::from_str(&place.read(&one)).unwrap();
    let edited = |name: &str, edit: &dyn Fn(&mut Value)| {
        let mut text = text.clone();
        edit(&mut text);
        place.write(format!("../{name}"), text.to_string());
        format!("../{name}")
    };
    set(&place, "text", "echo three >$out");
    let later = part(&place, "later.json", &["gone", "broken", "new"]);
    let strict = part(
        &place,
        "strict.json",
        &["--strict", "gone", "broken", "new"],
    );
    let base = part(
        &place,
        "base.json",
        &["--base", "HEAD", "gone", "broken", "new"],
    );
    let newer = edited("newer.json", &|text| {
        text["schema"] = "cbox/verify-hosts/3".into()
    });
    let cut = edited("cut.json", &|text| {
        text["verifyHosts"]["hosts"][0] = json!({})
    });
    let failed = edited("failed.json", &|text| {
        *text = json!({ "schema": "cbox/error/2", "error": {
            "kind": "lock", "exitCode": 4, "message": "flake.lock is stale", "hint": null, "place": null } });
    });
    fs::write(place.path("../empty.json"), "").unwrap();
    for (files, code, says) in [
        (
            &[&*one][..],
            2,
            &["3 of 5 hosts in no part: broken, gone, new"][..],
        ),
        (
            &[&all, &one],
            2,
            &["is judged by ../all.json and by ../one.json"],
        ),
        (
            &[&one, &one],
            2,
            &["is judged by ../one.json and by ../one.json"],
        ),
        (
            &[&one, &later],
            2,
            &[
                "../one.json and ../later.json have different trees",
                "same commit",
            ],
        ),
        (&[&later, &strict], 2, &["is judged by"]),
        (&[&one, &strict], 2, &["different trees"]),
        (&[&strict, &later], 2, &["is judged by"]),
        (&[&one, &base], 2, &["different"]),
        (
            &[&newer, &rest],
            3,
            &["../newer.json is no verdict of cbox", "cbox/verify-hosts/3"],
        ),
        (
            &[&cut, &rest],
            3,
            &["../cut.json is no verdict of cbox", "missing field"],
        ),
        (
            &[&failed, &rest],
            4,
            &["../failed.json holds no verdict but an error: flake.lock is stale"],
        ),
        (
            &["../empty.json", &rest],
            3,
            &["../empty.json is no verdict of cbox"],
        ),
        (
            &["../absent.json"],
            2,
            &["cannot read ../absent.json", "hint: name the files that"],
        ),
    ] {
        let run = merge(&place, files, &[]).code(code);
        let run = run.says(says);
        assert_eq!(run.stdout, "", "{run}");
    }
    let run = merge(&place, &[&one], &["--strict"]).code(2);
    run.says(&["cannot be used with"]);
}
