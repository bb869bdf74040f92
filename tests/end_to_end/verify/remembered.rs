//! What is known of a host is not found out again.

use super::{HOST, accepted, accepted_minibox, set, verdicts, verify};

#[test]
fn hosts_that_nothing_has_touched_are_not_evaluated_again() {
    let place = accepted_minibox();
    let log = place.log_nix();
    let run = verify(&place, &[]).run().ok();
    assert_eq!(log.evaluations(), 0, "accepting has evaluated them");
    assert!(!run.stderr.contains("evaluating"), "{run}");
    verify(&place, &["--rev", "HEAD"]).run().ok();
    verify(&place, &["--base", "HEAD~1"]).run().ok();
    assert_eq!(log.evaluations(), 0, "it is the same tree everywhere");

    place.edit(HOST, "under the desk", "somewhere else");
    verify(&place, &[]).run().code(1);
    assert!(log.evaluations() > 0, "another tree");
    verify(&place, &[]).run().code(1);
    assert_eq!(
        log.evaluations(),
        0,
        "a verdict of changed is remembered too"
    );
    verify(&place, &["--explain", "full"]).run().code(1);
    assert_eq!(log.evaluations(), 0);
}

#[test]
fn one_can_ask_for_all_of_it_anew() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    let log = place.log_nix();
    for _ in 0..2 {
        let run = verify(&place, &["--no-cache"]).run().ok();
        assert_eq!(verdicts(&run), ["unchanged a", "unchanged b"]);
        let hosts = log.take();
        let hosts = hosts
            .iter()
            .filter(|call| call.contains(".nixosConfigurations.\""));
        assert_eq!(hosts.count(), 2, "each host");
    }
}

#[test]
fn what_failed_is_tried_again() {
    let place = accepted(&[("a", ":")]);
    place.write("hosts/a/default.nix", "throw \"no disk\"");
    let log = place.log_nix();
    for _ in 0..2 {
        verify(&place, &[]).run().code(7);
        assert!(log.evaluations() > 0);
    }
    set(&place, "a", ":");
    verify(&place, &[]).run().ok();
}
