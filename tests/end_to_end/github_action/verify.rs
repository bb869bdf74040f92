//! `cbox verify-hosts` in a job: the verdict is left as a text, and the exit code is cbox's.

use std::fs;

use crate::support::{
    call::{Call, Ended},
    place::{Place, top},
    tiny,
};

fn place() -> Place {
    let place = Place::flake(&tiny::scripts(&[
        ("one", "echo 1 >$out"),
        ("two", "echo 2 >$out"),
    ]));
    place.cbox(&["accept"]).run().ok();
    place.commit("accepted");
    place
}

fn call(place: &Place, variables: &[(&str, &str)]) -> Call {
    let mut call = place
        .call(top().join(".github/actions/verify/verify.sh"))
        .env("CBOX", env!("CARGO_BIN_EXE_cbox"))
        .env("FOLDER", place.beside("verdict"))
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", place.beside("summary"))
        .env("GITHUB_OUTPUT", place.beside("outputs"));
    for (name, value) in variables {
        call = call.env(name, value);
    }
    call
}

fn verdict(place: &Place, ended: &Ended) -> String {
    let names: Vec<_> = fs::read_dir(place.beside("verdict")).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing else is left: {ended}");
    fs::read_to_string(place.beside("verdict/verdict.txt")).unwrap()
}

#[test]
fn the_verdict_is_a_text_beside_the_summary() {
    let place = place();
    let ended = call(&place, &[]).run().ok();
    let text = verdict(&place, &ended);
    let plain = place
        .cbox(&["verify-hosts", "--format", "plain"])
        .run()
        .ok();
    assert_eq!(text, plain.stdout);
    let summary = || fs::read_to_string(place.beside("summary")).unwrap();
    assert!(
        summary().starts_with("### Install hosts: unchanged\n"),
        "{}",
        summary()
    );
    place.edit("flake.nix", "echo 2", "echo 3");
    place.commit("a change");
    let ended = call(&place, &[]).run().code(1);
    let text = verdict(&place, &ended);
    assert!(text.contains("+echo 3 >$out"), "{text}");
    assert!(!text.contains("::"), "{text}");
    assert!(
        ended.stdout.contains("\n::error "),
        "annotations are for GitHub: {ended}"
    );
    let outputs = fs::read_to_string(place.beside("outputs")).unwrap();
    assert!(
        outputs.contains("verdict=changed\nchanged=[\"two\"]\n"),
        "{outputs}"
    );
    // Some of the hosts, and further arguments.
    let some = [("HOSTS", "o*\n"), ("ARGS", "--explain\nnone\n")];
    let ended = call(&place, &some).run().ok();
    let text = verdict(&place, &ended);
    assert!(text.contains("one") && !text.contains("two"), "{text}");
    let flake = place.path("").display().to_string();
    let elsewhere = call(&place, &[("FLAKE", &flake)]).folder(place.beside("tmp"));
    elsewhere.run().code(1);
}

#[test]
fn without_a_verdict_the_error_is_the_text() {
    let place = place();
    place.write(
        "flake.nix",
        "{ outputs = _: { nixosConfigurations.one = throw \"<b>@all `x`\"; }; ",
    );
    place.commit("broken");
    let ended = call(&place, &[]).run();
    let code = ended.status.code().unwrap();
    assert!(![0, 1].contains(&code), "{ended}");
    let text = verdict(&place, &ended);
    let first = format!("no verdict: cbox ended with exit code {code}\nerror: ");
    assert!(text.starts_with(&first), "{text}");
    let summary = fs::read_to_string(place.beside("summary")).unwrap();
    let quoted =
        format!("### Install hosts: no verdict\n\n    {first}").replace("\nerror", "\n    error");
    assert!(summary.starts_with(&quoted), "{summary}");
}

#[test]
fn inputs_are_words_of_cbox() {
    let place = place();
    for (name, value) in [
        ("HOSTS", "$(touch${IFS}x)"),
        ("HOSTS", "`touch x`"),
        ("HOSTS", "one;touch x"),
        ("ARGS", "--base\n$(touch x)"),
        ("FLAKE", "$(touch x)"),
    ] {
        let ended = call(&place, &[(name, value)]).run();
        assert_ne!(ended.status.code(), Some(0), "{value}: {ended}");
        assert!(!place.path("x").exists(), "{value}");
    }
    let ended = call(&place, &[("HOSTS", "--accept")]).run().code(2);
    ended.says(&["::error title=cbox::the input hosts names hosts, and --accept is an option"]);
    // A pattern is cbox's to read, whatever files there are.
    place.write("one", "");
    call(&place, &[("HOSTS", "on?")]).run().ok();
}
