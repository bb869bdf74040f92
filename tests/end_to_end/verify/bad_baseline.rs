//! Whatever a merge, a full disk, a newer cbox or a hand can leave behind as a baseline:
//! one sentence with the way out, and the file stays as it is.

use crate::support::place::Place;

use super::{BASELINE, accepted, verdicts, verify};

/// Shows that this content keeps everything from being judged, with these words, and that
/// nothing touches it.
#[track_caller]
fn refused(place: &Place, content: &[u8], words: &[&str]) {
    place.write(BASELINE, content);
    for args in [
        &["verify-hosts"][..],
        &["verify-hosts", "--host", "b"],
        // What others have in the file would be lost.
        &["accept"],
        &["accept", "--host", "b"],
    ] {
        let run = place.cbox(args).run().code(3).says(words);
        assert_eq!(run.stdout, "", "{run}");
        let errors = run.stderr.matches("error: ").count();
        let hints = run.stderr.matches("hint: ").count();
        assert_eq!((errors, hints), (1, 1), "{run}");
        assert_eq!(run.stderr.lines().count(), 2, "one sentence: {run}");
    }
    assert_eq!(std::fs::read(place.path(BASELINE)).unwrap(), content);
}

const WAY_OUT: &str = "hint: `git checkout -- baseline.json` restores the last one; if that is no better, remove it, and `cbox accept` writes a new one";

#[test]
fn an_empty_file() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    for nothing in [&b""[..], b"\n", b" \n\t\n"] {
        refused(&place, nothing, &["error: baseline.json is empty", WAY_OUT]);
    }
}

#[test]
fn a_file_that_was_cut_off() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    let whole = place.read(BASELINE);
    for (length, line) in [(1, 1), (whole.len() / 2, 0), (whole.len() - 3, 0)] {
        let line = match line {
            0 => whole[..length].lines().count(),
            line => line,
        };
        let sentence = format!("error: baseline.json is cut off: it ends in line {line}");
        refused(&place, &whole.as_bytes()[..length], &[&sentence, WAY_OUT]);
    }
    // Without its last line feed nothing is missing.
    place.write(BASELINE, whole.trim_end());
    verify(&place, &[]).run().ok();
}

#[test]
fn a_file_of_a_newer_cbox() {
    let place = accepted(&[("b", ":")]);
    let newer = r#"{ "schema": 3, "machines": [] }"#;
    refused(
        &place,
        newer.as_bytes(),
        &[
            "error: baseline.json has schema 3, and this cbox knows schemas up to 2",
            "hint: use the cbox that wrote it, or a newer one",
        ],
    );
}

#[test]
fn a_host_or_a_field_that_is_there_twice() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    let whole = place.read(BASELINE);
    let twice = whole.replace("\"b\": {", "\"a\": {");
    refused(
        &place,
        twice.as_bytes(),
        &["error: baseline.json: `hosts` names `a` twice", WAY_OUT],
    );
    let line = whole.lines().find(|line| line.contains("drvPath")).unwrap();
    let twice = whole.replacen(line, &format!("{line}\n{line}"), 1);
    refused(
        &place,
        twice.as_bytes(),
        &["error: baseline.json: host `a` names `drvPath` twice"],
    );
}

#[test]
fn what_is_no_json_and_what_is_another_json() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    let whole = place.read(BASELINE);
    for (content, sentence) in [
        (
            whole.replacen("\"hosts\": {", "\"hosts\": [", 1),
            "error: baseline.json:4:",
        ),
        (
            "hosts = 1".to_owned(),
            "error: baseline.json:1:1: this is not JSON",
        ),
        ("[]".to_owned(), "error: baseline.json: the file should be"),
        ("{}".to_owned(), "error: baseline.json has no `schema`"),
        (
            "{\"schema\": 1}".to_owned(),
            "error: baseline.json: the file has no `hosts`",
        ),
        (
            whole.replace("\"system\"", "\"sistem\""),
            "error: baseline.json: host `a` ",
        ),
        (
            whole.replace("\"flakeLock\": null", "\"flakeLock\": \"x\""),
            "error: baseline.json: the flakeLock of host `a` is `x`, which is not a sha256 hash",
        ),
    ] {
        refused(&place, content.as_bytes(), &[sentence, WAY_OUT]);
    }
    refused(&place, b"\xff\xfe{\0}\0", &["error: baseline.json:1:1:"]);
}

#[test]
fn a_derivation_that_is_no_path_of_a_store() {
    let place = accepted(&[("b", ":")]);
    let drv = super::entry(&place, "b", "drvPath");
    let whole = place.read(BASELINE);
    for wrong in [
        "",
        "b.drv",
        "/nix/store/b.drv",
        drv.trim_end_matches(".drv"),
    ] {
        let content = whole.replace(&format!("\"{drv}\""), &format!("\"{wrong}\""));
        let sentence = format!(
            "error: baseline.json: the drvPath of host `b` is `{wrong}`, which is not the store \
             path of a derivation"
        );
        refused(&place, content.as_bytes(), &[&sentence, WAY_OUT]);
    }
}

#[test]
fn one_that_is_removed_is_written_anew() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    let text = place.read(BASELINE);
    place.write(BASELINE, "");
    std::fs::remove_file(place.path(BASELINE)).unwrap();
    let run = place.cbox(&["accept"]).run().ok();
    assert_eq!(verdicts(&run), ["added a", "added b"]);
    assert_eq!(place.read(BASELINE), text);
}

#[test]
fn a_host_that_is_gone_is_removed() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    let text = place.read(BASELINE).replace("\"b\": {", "\"gone\": {");
    place.write(BASELINE, &text);
    let run = verify(&place, &[]).run().code(1);
    assert_eq!(verdicts(&run), ["unchanged a", "added b", "removed gone"]);
    assert_eq!(place.read(BASELINE), text);
}

#[test]
fn a_commit_with_a_bad_one_names_it() {
    let place = accepted(&[("a", ":")]);
    place.write(BASELINE, "{");
    place.commit("bad");
    verify(&place, &["--rev", "HEAD"]).run().code(3).says(&[
        "error: HEAD:baseline.json is cut off: it ends in line 1",
        "hint: it was committed like this: name another commit",
    ]);
    // At the base it does not matter: this change may be what mends it.
    std::fs::remove_file(place.path(BASELINE)).unwrap();
    place.cbox(&["accept"]).run().ok();
    let run = verify(&place, &["--base", "HEAD"]).run().ok();
    assert_eq!(verdicts(&run), ["unchanged a"]);
}
