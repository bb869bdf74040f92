//! The matrix for GitHub Actions, which comes without Nix.

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
    let run = place.cbox(&["matrix", "--runner", "aarch64="]).run().ok();
    assert_eq!(run.json()["include"].as_array().unwrap().len(), 3);
    run.says(&["appliance/raw/aarch64-linux is left out"]);
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
