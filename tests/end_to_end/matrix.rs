//! The matrix for GitHub Actions and GitLab CI, which comes without Nix.

use serde_json::{Value, json};

use crate::support::place::Place;

/// What is in the matrix, without a program on the PATH but git.
fn include(place: &Place, words: &[&str]) -> Vec<Value> {
    let words = [&["matrix"][..], words].concat();
    let call = place
        .cbox(&words)
        .env("PATH", place.path_with_only(&["git"]));
    let run = call.run().ok();
    assert_eq!(run.stdout.lines().count(), 1, "{run}");
    run.json()["include"].as_array().unwrap().clone()
}

fn targets(include: &[Value]) -> Vec<&str> {
    let targets = include.iter().map(|job| job["target"].as_str().unwrap());
    targets.collect()
}

#[test]
fn every_image_for_every_system_is_a_job() {
    let place = Place::minibox();
    let all = include(&place, &[]);
    assert_eq!(
        targets(&all),
        [
            "appliance/iso/x86_64-linux",
            "appliance/iso/aarch64-linux",
            "appliance/qcow2/x86_64-linux",
            "appliance/qcow2/aarch64-linux",
            "appliance/raw/x86_64-linux",
            "appliance/raw/aarch64-linux",
        ]
    );
    assert_eq!(
        all[0],
        json!({
            "target": "appliance/iso/x86_64-linux",
            "slug": "appliance-iso-x86_64-linux",
            "kind": "appliance",
            "format": "iso",
            "system": "x86_64-linux",
            "host": "_appliance_iso",
        })
    );
    // What a job builds is where the matrix says.
    let slug = all[0]["slug"].as_str().unwrap();
    place.ask(&["build", "appliance/iso/x86_64-linux"]);
    assert!(place.names("out").iter().any(|name| name == slug));
}

#[test]
fn some_targets_and_their_runners_can_be_named() {
    let place = Place::minibox();
    let some = include(
        &place,
        &[
            "hosts/mini-arm64",
            "appliance/iso/arm64",
            "appliance/iso",
            "--runner=x86_64=pc",
            "--runner=hosts/mini-arm64=arm",
        ],
    );
    let runners: Vec<_> = some.iter().map(|job| job["runner"].as_str()).collect();
    assert_eq!(
        targets(&some),
        [
            "hosts/mini-arm64",
            "appliance/iso/aarch64-linux",
            "appliance/iso/x86_64-linux"
        ]
    );
    assert_eq!(runners, [Some("arm"), None, Some("pc")]);
    let words = [
        "matrix",
        "mini-arm64",
        "appliance/iso",
        "--runner=x86_64=pc",
    ];
    place.cbox(&words).run().ok().says(&[
        "warning: no `--runner` is for hosts/mini-arm64, whose system only evaluation tells",
        "warning: no `--runner` is for appliance/iso/aarch64-linux: `--runner appliance/iso/aarch64-linux=LABEL`",
    ]);
    let run = place.cbox(&["matrix", "--runner", "aarch64="]).run().ok();
    assert_eq!(run.json()["include"].as_array().unwrap().len(), 3);
    run.says(&["appliance/raw/aarch64-linux is left out"]);
}

#[test]
fn gitlab_gets_a_job_a_line_for_a_child_pipeline() {
    let place = Place::minibox();
    let words = [
        "matrix",
        "--runner=aarch64=arm, nix",
        "--runner=appliance/qcow2=",
    ];
    let on_gitlab = place.cbox(&words).env("GITLAB_CI", "true");
    let document = on_gitlab.run().ok().stdout;
    let named = [&words[..], &["--format", "gitlab"]].concat();
    assert_eq!(place.cbox(&named).run().ok().stdout, document);
    // What is asked for counts before what is here.
    let other = [&words[..], &["--format", "github"]].concat();
    let other = place.cbox(&other).env("GITLAB_CI", "true").run().ok();
    assert_eq!(other.json()["include"].as_array().unwrap().len(), 4);
    // Behind a file of somebody's own it is one configuration.
    let text = format!(".cbox-build:\n  script: cbox build \"$CBOX_TARGET\"\n{document}");
    let pipeline = crate::support::yaml(&text).unwrap();
    let jobs: Vec<(&String, &Value)> = pipeline.as_object().unwrap().iter().skip(1).collect();
    let names: Vec<&str> = jobs.iter().map(|(name, _)| name.as_str()).collect();
    let mut expected = vec![];
    for format in ["iso", "raw"] {
        for system in ["aarch64", "x86_64"] {
            expected.push(format!("appliance/{format}/{system}-linux"));
        }
    }
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{document}");
    let job = &pipeline["appliance/iso/aarch64-linux"];
    assert_eq!(
        *job,
        json!({
            "extends": ".cbox-build",
            "tags": ["arm", "nix"],
            "variables": {
                "CBOX_TARGET": "appliance/iso/aarch64-linux",
                "CBOX_SLUG": "appliance-iso-aarch64-linux",
                "CBOX_KIND": "appliance",
                "CBOX_FORMAT": "iso",
                "CBOX_SYSTEM": "aarch64-linux",
                "CBOX_HOST": "_appliance_iso",
            },
        })
    );
    assert!(pipeline["appliance/raw/x86_64-linux"].get("tags").is_none());
    for (options, word) in [
        (
            &["--runner", "x86_64=", "--runner", "aarch64="][..],
            "leaves no target",
        ),
        (&["--json"], "ask for different forms"),
        (&["--format", "plain"], "[possible values: github, gitlab]"),
    ] {
        let words = [&["matrix", "--format", "gitlab"], options].concat();
        let words: Vec<&str> = match options {
            ["--format", _] => [&["matrix"], options].concat(),
            _ => words,
        };
        let run = place.cbox(&words).run().code(2);
        assert!(format!("{run}").contains(word), "{run}");
    }
}

#[test]
fn what_gives_no_matrix_is_an_error() {
    let place = Place::minibox();
    for (words, code, message) in [
        (&["appliance/is"][..], 2, "did you mean `iso`?"),
        (&["hosts/mini"], 2, "there is no host `mini`"),
        (&["appliance/iso/riscv64-linux"], 11, "cannot be built for"),
        (&["--runner", "x86_64"], 2, "aarch64=arm-runner"),
        (&["--runner", "arch64=x"], 2, "`arch64` is not a system"),
        (&["--runner", "appliance/oso=x"], 2, "no format `oso`"),
        (
            &["--runner", "x86_64=", "--runner", "aarch64="],
            2,
            "leaves no target",
        ),
    ] {
        let words = [&["matrix"], words].concat();
        let run = place.cbox(&words).run().code(code).says(&[message]);
        assert_eq!(run.stdout, "", "{run}");
    }
    let image = "[[target]]\nkind = \"a\"\nhost = \"h\"\nattribute = \"b\"\nartifact = \"c\"\n";
    let many = (0..129).map(|number| format!("{image}format = \"f{number}\"\n"));
    place.write("cbox.toml", many.collect::<String>());
    let run = place.cbox(&["matrix"]).run().code(2);
    run.says(&["258 jobs are more than the 256"]);
    place.write("cbox.toml", "");
    place
        .cbox(&["matrix"])
        .run()
        .code(3)
        .says(&["no [[target]]"]);
}

/// The targets of a narrowed matrix.
fn narrowed(place: &Place, words: &[&str]) -> Vec<String> {
    let run = place.cbox(&[&["matrix"], words].concat()).run().ok();
    let include = run.json()["include"].clone();
    let names = targets(include.as_array().unwrap()).into_iter();
    names.map(str::to_owned).collect()
}

#[test]
fn only_what_differs_from_a_commit_is_a_job() {
    let place = Place::minibox();
    place.commit("all of it");
    let hosts = ["hosts/mini-arm64", "hosts/mini-thinkcentre"];
    let since = ["--changed", "--base", "HEAD"];
    let changed = |more: &[&str]| narrowed(&place, &[&hosts[..], &since, more].concat());
    assert!(changed(&["appliance/iso"]).is_empty());
    let none = [&["matrix", "--format", "gitlab"], &hosts[..], &since].concat();
    let none = place.cbox(&none).run().ok();
    let jobs: Value = serde_saphyr::from_str(&none.stdout).unwrap();
    assert_eq!(jobs.as_object().unwrap().len(), 1, "{none}");
    none.says(&["jobs for 0 of 2 targets; the others are as at HEAD"]);
    place.edit(
        "hosts/mini-arm64/default.nix",
        "The machine that is not there.",
        "The machine that is there.",
    );
    assert_eq!(changed(&[]), ["hosts/mini-arm64"]);
    // An image carries the source, so it differs with every file of that.
    assert_eq!(changed(&["appliance/iso/x86_64"]).len(), 2);
    // What does not evaluate has a job, which says why.
    place.write("hosts/mini-arm64/default.nix", "throw \"not yet\"");
    assert_eq!(changed(&[]), ["hosts/mini-arm64"]);
    // So has what is new.
    let config = std::fs::read_to_string(place.path("cbox.toml")).unwrap();
    let config = config.replacen("format = \"qcow2\"", "format = \"disk\"", 1);
    place.write("cbox.toml", config);
    let all = narrowed(
        &place,
        &["appliance/disk/x86_64", "--changed", "--base", "HEAD"],
    );
    assert_eq!(all, ["appliance/disk/x86_64-linux"]);
    let run = place.cbox(&["matrix", "--changed"]).run().code(2);
    run.says(&["no commit to compare with", "--base REV"]);
    let run = place.cbox(&["matrix", "--base", "HEAD"]).run().code(2);
    run.says(&["--changed"]);
}
