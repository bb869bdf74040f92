//! When colours are used: `--color`, the user's settings, and the variables of
//! <https://no-color.org> and <https://bixense.com/clicolors>, on a terminal and in a pipe.

use std::fs;

use crate::support::{call::Call, place::Place};

/// What gives words of cbox's, and words of clap's, colours: an error each, and help.
const WORDS: [&[&str]; 3] = [&["build", "nosuch/iso"], &["--nosuch"], &["--help"]];

type Variables<'v> = &'v [(&'v str, &'v str)];

fn with(mut call: Call, variables: Variables<'_>) -> Call {
    for (name, value) in variables {
        call = call.env(name, value);
    }
    call
}

/// Whether each of [`WORDS`] has colours in a pipe.
fn in_a_pipe(place: &Place, options: &[&str], variables: Variables<'_>) -> [bool; 3] {
    WORDS.map(|words| {
        let call = place.cbox(&[options, words].concat());
        let run = with(call.env("TERM", "xterm-256color"), variables).run();
        (run.stdout + &run.stderr).contains("\u{1b}[")
    })
}

/// The same on a terminal, where there can be one.
fn on_a_terminal(place: &Place, options: &[&str], variables: Variables<'_>) -> Option<[bool; 3]> {
    let mut colored = [false; 3];
    for (is_colored, words) in colored.iter_mut().zip(WORDS) {
        let words = [options, words].concat();
        let terminal = place.in_terminal(&words, (100, 50), |call| with(call, variables))?;
        let bytes = String::from_utf8_lossy(&terminal.wait().bytes).into_owned();
        // What clears a line is no colour.
        let mut codes = bytes.split("\u{1b}[").skip(1);
        *is_colored = codes.any(|code| {
            code.find(|one: char| one.is_alphabetic())
                .is_some_and(|end| code[end..].starts_with('m'))
        });
    }
    Some(colored)
}

#[test]
fn options_settings_and_variables_have_an_order() {
    let place = Place::minibox();
    let config = place.beside("home/.config/cbox/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let always: &[&str] = &["--color=always"];
    let never: &[&str] = &["--color", "never"];
    let auto: &[&str] = &["--color=auto"];
    // The settings, the options, the variables; and whether there are colours on a terminal and in
    // a pipe.
    let cases: &[(&str, &[&str], Variables<'_>, bool, bool)] = &[
        ("", &[], &[], true, false),
        ("", auto, &[], true, false),
        ("", always, &[], true, true),
        ("", never, &[], false, false),
        // One variable.
        ("", &[], &[("NO_COLOR", "1")], false, false),
        ("", &[], &[("NO_COLOR", "")], true, false),
        ("", &[], &[("CLICOLOR", "1")], true, false),
        ("", &[], &[("CLICOLOR", "0")], false, false),
        ("", &[], &[("CLICOLOR_FORCE", "1")], true, true),
        ("", &[], &[("CLICOLOR_FORCE", "0")], true, true),
        ("", &[], &[("CLICOLOR_FORCE", "")], true, false),
        ("", &[], &[("TERM", "dumb")], false, false),
        // Two of them.
        (
            "",
            &[],
            &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")],
            false,
            false,
        ),
        (
            "",
            &[],
            &[("NO_COLOR", "1"), ("CLICOLOR", "1")],
            false,
            false,
        ),
        (
            "",
            &[],
            &[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")],
            true,
            true,
        ),
        (
            "",
            &[],
            &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")],
            true,
            true,
        ),
        ("", &[], &[("TERM", "dumb"), ("CLICOLOR", "1")], true, false),
        // The option counts before variables.
        ("", always, &[("NO_COLOR", "1")], true, true),
        ("", never, &[("CLICOLOR_FORCE", "1")], false, false),
        ("", auto, &[("NO_COLOR", "1")], false, false),
        ("", auto, &[("CLICOLOR_FORCE", "1")], true, true),
        // The user's own settings for cbox count before what is said to all programs.
        ("always", &[], &[], true, true),
        ("never", &[], &[], false, false),
        ("always", &[], &[("NO_COLOR", "1")], true, true),
        ("never", &[], &[("CLICOLOR_FORCE", "1")], false, false),
        ("auto", &[], &[("NO_COLOR", "1")], false, false),
        // And behind the option.
        ("always", never, &[], false, false),
        ("never", always, &[], true, true),
        ("always", auto, &[], true, false),
    ];
    for (setting, options, variables, terminal, pipe) in cases {
        let text = match *setting {
            "" => String::new(),
            color => format!("color = \"{color}\"\n"),
        };
        fs::write(&config, text).unwrap();
        let case = format!("{setting} {options:?} {variables:?}");
        assert_eq!(
            in_a_pipe(&place, options, variables),
            [*pipe; 3],
            "pipe: {case}"
        );
        if let Some(colored) = on_a_terminal(&place, options, variables) {
            assert_eq!(colored, [*terminal; 3], "terminal: {case}");
        }
    }
}

#[test]
fn json_has_no_colours() {
    let place = Place::minibox();
    for words in [
        &["list", "--json"][..],
        &["build", "nosuch/iso", "--json-lines"],
    ] {
        let run = place.cbox(words).args(["--color=always"]).run();
        assert!(!run.stdout.contains('\u{1b}'), "{run}");
    }
}

#[test]
fn a_wish_that_is_none_is_refused() {
    let place = Place::minibox();
    let run = place.cbox(&["--color", "sometimes", "list"]).run().code(2);
    run.says(&["sometimes", "auto, always, never"]);
}
