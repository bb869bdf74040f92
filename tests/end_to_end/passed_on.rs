//! What stands behind `--` is for Nix; what would undo a promise of cbox is refused.

use crate::{
    bad_words::check,
    support::{place::Place, stand_in::count},
};

#[test]
fn what_would_be_impure_is_refused() {
    let place = Place::minibox();
    check(
        &place,
        &[
            (
                &["appliance", "iso", "--", "--impure"],
                2,
                &["`--impure`", "purely"],
            ),
            (
                &["appliance", "iso", "--", "--no-pure-eval"],
                2,
                &["`--no-pure-eval`", "purely"],
            ),
            (
                &["appliance", "iso", "--", "--option", "pure-eval", "false"],
                2,
                &["pure-eval", "purely"],
            ),
        ],
    );
}

#[test]
fn every_evaluation_of_the_flake_is_pure_whatever_was_passed_on() {
    let place = Place::minibox();
    let log = place.log_nix();
    let args = ["appliance", "iso", "--drv", "--", "--option", "cores", "1"];
    place.ask(&args);
    let calls = log.take();
    let evaluations: Vec<_> = calls
        .iter()
        .filter(|call| call.contains(" --apply "))
        .collect();
    assert!(!evaluations.is_empty(), "{calls:#?}");
    for call in evaluations {
        let (_, behind) = call.split_once("--option cores 1").unwrap();
        assert!(behind.contains("--option pure-eval true"), "{call}");
    }
}

#[test]
fn an_option_that_nix_does_not_know_is_the_users_mistake() {
    let place = Place::minibox();
    let log = place.log_nix();
    check(
        &place,
        &[(
            &["appliance", "iso", "--", "--wrong"],
            2,
            &["--wrong", "hint:", "arguments after `--`"],
        )],
    );
    assert_eq!(count(&log.take(), " --apply "), 0);
}
