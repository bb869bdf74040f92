//! Ctrl-C while hosts are judged: exit code 130, no process, no temporary folder, and the
//! baseline as it was.

use rustix::process::Signal;

use crate::support::{place::Place, processes, unique, wait_until};

use super::{BASELINE, accepted, set};

/// A host that was accepted and has changed, in a commit of its own.
fn changed() -> Place {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    set(&place, "b", &format!("echo {}", unique()));
    place.commit("changed");
    place
}

/// Interrupts a command while `program` is at the call that has `pattern` in it.
#[track_caller]
fn interrupted(args: &[&str], program: &str, pattern: &str) {
    let place = changed();
    let text = place.read(BASELINE);
    let word = unique();
    let reached = place.stall(program, pattern);
    let mut running = place.cbox(args).env("CBOX_TEST_WORD", &word).start();
    wait_until("the call is reached", || {
        assert!(!running.has_ended(), "cbox ended before");
        reached.exists()
    });
    running.signal(Signal::INT);
    let ended = running.wait().code(130);
    assert_eq!(ended.stdout, "", "no verdict: {ended}");
    assert_eq!(place.read(BASELINE), text);
    assert_eq!(place.names("../tmp"), [""; 0], "{ended}");
    let names = place.names(".");
    assert!(
        !names.iter().any(|name| name.starts_with(".cbox")),
        "{names:?}"
    );
    wait_until("no process is left", || {
        processes::with_word(&word).is_empty()
    });
}

#[test]
fn while_hosts_are_evaluated() {
    interrupted(&["verify-hosts"], "nix", "*' --apply '*");
}

#[test]
fn while_a_commit_is_laid_out() {
    interrupted(
        &["verify-hosts", "--rev", "HEAD"],
        "git",
        "*' read-tree -m '*",
    );
}

#[test]
fn while_what_is_to_be_accepted_is_evaluated() {
    interrupted(&["accept"], "nix", "*' --apply '*");
}

#[test]
fn while_two_sides_are_compared() {
    interrupted(&["diff", "HEAD~1:b", "b"], "nix", "*' --apply '*");
}
