//! A Nix that does not end by itself.

use crate::support::{nix, place::Place, quoted, tiny};

const BUILD: [&str; 2] = ["build", "hosts/box"];

/// A place where each evaluation does what `script` says.
fn place(script: &str) -> Place {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    let nix = quoted(nix::real());
    place.stand_in(
        "nix",
        &format!("case \" $* \" in *' --apply '*) {script} ;; esac\nexec {nix} \"$@\""),
    );
    place
}

#[test]
fn a_crash_shows_what_nix_said() {
    for (signal, number) in [("SEGV", 11), ("ABRT", 6), ("BUS", 7), ("ILL", 4)] {
        let script =
            format!("echo 'nix: src/libexpr/eval.cc:1: assertion failed' >&2; kill -{signal} $$");
        let run = place(&script).cbox(&BUILD).run().code(5);
        let status = format!("was killed by signal {number}");
        let run = run.says(&[
            &status,
            "assertion failed",
            "host `box`",
            "another version of Nix",
        ]);
        assert!(!run.stderr.contains("memory"), "{run}");
        assert_eq!(run.stderr.matches("hint:").count(), 1, "{run}");
    }
}

#[test]
fn one_that_says_nothing_is_no_want_of_memory_either() {
    let run = place("kill -SEGV $$").cbox(&BUILD).run().code(5);
    let run = run.says(&["host `box` was not evaluated: Nix was killed by signal 11"]);
    assert!(!run.stderr.contains("memory"), "{run}");
}

#[test]
fn one_that_somebody_kills_is_said_to_be() {
    let run = place("kill -9 $$").cbox(&BUILD).run().code(5);
    assert_eq!(run.stderr.matches("trying once more").count(), 1, "{run}");
    let run = run.says(&[
        "was killed by signal 9",
        "did not do that for want of memory",
    ]);
    assert!(!run.stderr.contains("not enough memory"), "{run}");
}

#[test]
fn a_warning_of_the_collector_is_no_error() {
    let script = "echo 'GC Warning: Failed to expand heap by 4 KiB' >&2; \
        echo \"error: attribute 'x' missing\" >&2; exit 1";
    let run = place(script).cbox(&BUILD).run().code(7);
    let run = run.says(&["attribute 'x' missing"]);
    assert!(!run.stderr.contains("memory"), "{run}");
}

#[test]
fn a_build_that_crashes_shows_what_nix_said() {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    place.stand_in_for_build("echo 'terminate called' >&2; kill -SEGV $$");
    let run = place.cbox(&BUILD).run().code(5);
    run.says(&["was killed by signal 11", "terminate called"]);
}
