//! `--help` of every command: one snapshot each.

use crate::support::place::Place;

/// What `--help` shows where there is no flake.
#[track_caller]
fn help(words: &[&str]) -> String {
    let run = Place::empty("repo").cbox(words).args(["--help"]).run().ok();
    assert_eq!(run.stderr, "", "{run}");
    run.stdout
}

/// The commands below `words`, as their help names them.
fn commands(words: &[&str]) -> Vec<String> {
    let help = help(words);
    let Some((_, commands)) = help.split_once("\nCommands:\n") else {
        return vec![];
    };
    let commands = commands.lines().take_while(|line| !line.is_empty());
    commands
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_help_of_cbox_names_every_command_and_every_exit_code() {
    insta::assert_snapshot!("cbox", help(&[]));
}

#[test]
fn every_command_has_help_with_an_example() {
    let mut count = 0;
    let mut missing = commands(&[]);
    while let Some(command) = missing.pop() {
        let words: Vec<&str> = command.split(' ').collect();
        let below = commands(&words);
        missing.extend(below.iter().map(|inner| format!("{command} {inner}")));
        let help = help(&words);
        assert!(help.contains("Example") || !below.is_empty(), "{help}");
        insta::assert_snapshot!(command.replace(' ', "-"), help);
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn a_kind_has_the_help_of_its_targets() {
    let place = Place::minibox();
    let run = place.cbox(&["appliance", "--help"]).run().ok();
    insta::assert_snapshot!("appliance", run.stdout);
}

#[test]
fn a_kind_has_help_where_there_is_no_flake() {
    for words in [&["appliance"][..], &["appliance", "iso"]] {
        assert!(help(words).contains("--dry-run"), "{words:?}");
    }
    let place = Place::empty("repo");
    let run = place.cbox(&["appliance", "-h"]).run().ok();
    assert_eq!(run.stderr, "", "{run}");
    assert!(run.stdout.contains("--dry-run"), "{run}");
}
