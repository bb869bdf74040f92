//! `--help` of every command: one snapshot each.

use std::{collections::BTreeSet, fs};

use crate::support::place::{Place, top};

/// What `--help` shows where there is no flake.
#[track_caller]
fn help(words: &[&str]) -> String {
    let run = Place::empty("repo").cbox(words).args(["--help"]).run().ok();
    assert_eq!(run.stderr, "", "{run}");
    run.stdout
}

/// The commands below `words`, as their help names them.
pub(crate) fn commands(words: &[&str]) -> Vec<String> {
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
    let mut pages = BTreeSet::from(["appliance".to_owned(), "cbox".to_owned()]);
    let mut missing = commands(&[]);
    while let Some(command) = missing.pop() {
        let words: Vec<&str> = command.split(' ').collect();
        let below = commands(&words);
        missing.extend(below.iter().map(|inner| format!("{command} {inner}")));
        let help = help(&words);
        assert!(help.contains("Example") || !below.is_empty(), "{help}");
        let page = command.replace(' ', "-");
        insta::assert_snapshot!(page.as_str(), help);
        pages.insert(page);
    }
    // What nothing is compared with any more is of a command that is gone.
    let snapshots = fs::read_dir(top().join("tests/end_to_end/snapshots")).unwrap();
    let kept: BTreeSet<String> = snapshots
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let page = name.strip_prefix("end_to_end__help__")?;
            Some(page.strip_suffix(".snap")?.to_owned())
        })
        .collect();
    assert_eq!(kept, pages);
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
