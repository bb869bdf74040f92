//! The live view, as a user sees it: in a terminal, step by step, while a build says what the
//! test tells it. No screen on the way may be one that a user would take for garbage.

use serde_json::json;

use crate::support::{
    place::Place,
    scripted::{self, Scripted, all_builds, build, build_of, counts, failure, log, phase, stop},
    terminal::{Left, Terminal, check},
    tiny, unique,
};

const BUILD: [&str; 2] = ["build", "hosts/box"];

/// What a window usually is.
const USUAL: (u16, u16) = (80, 24);

/// A place with a build that waits for its words.
fn place() -> (Place, Scripted) {
    let script = format!("echo {} >$out", unique());
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    let scripted = place.scripted_build();
    (place, scripted)
}

/// A build in a window of this size, with these further arguments and this variable.
fn with(
    window: (u16, u16),
    more: &[&str],
    variable: (&str, &str),
) -> Option<(Place, Scripted, Terminal)> {
    let (place, scripted) = place();
    let (name, value) = variable;
    let terminal = place.in_terminal(&[&BUILD, more].concat(), window, |call| {
        call.env(name, value)
    })?;
    Some((place, scripted, terminal))
}

fn in_window(window: (u16, u16)) -> Option<(Place, Scripted, Terminal)> {
    with(window, &[], ("LINES", ""))
}

/// Says that two builds run, one of which has printed something.
fn two_builds(scripted: &Scripted) {
    scripted.say(&[
        all_builds(),
        build(10, "alpha"),
        counts(0, 3, 1, 0),
        build(11, "beta"),
        counts(0, 3, 2, 0),
        log(10, "first"),
    ]);
}

/// The row with these words.
#[track_caller]
fn row<'a>(rows: &'a [String], words: &str) -> &'a str {
    let found = rows.iter().find(|row| row.contains(words));
    found.unwrap_or_else(|| panic!("no `{words}` in {rows:#?}"))
}

/// What stays of a build that went well.
#[track_caller]
fn good(left: Left) -> Left {
    let left = left.clean(0);
    let [.., summary, link] = &left.lines[..] else {
        panic!("{:#?}", left.lines)
    };
    assert!(summary.starts_with("built "), "{:#?}", left.lines);
    assert_eq!(link, "out/hosts-box");
    left
}

#[test]
fn a_build_that_says_nothing_is_shown_to() {
    let Some((_place, scripted, mut terminal)) = with(USUAL, &[], ("CBOX_HEARTBEAT", "1")) else {
        return;
    };
    scripted.say(&[all_builds(), build(10, "alpha"), counts(0, 1, 1, 0)]);
    let rows = terminal.wait_for("it says nothing", |rows| {
        rows.iter().any(|row| row.contains("no output for"))
    });
    assert!(
        row(&rows, "no output for").contains("alpha · "),
        "{rows:#?}"
    );
    scripted.say(&[log(10, "first")]);
    terminal.wait_for("it speaks", |rows| {
        !rows.iter().any(|row| row.contains("no output for"))
    });
    scripted.say(&[counts(1, 1, 0, 0), stop(10)]);
    scripted.end(0);
    good(terminal.wait());
}

#[test]
fn a_build_is_followed_step_by_step() {
    let Some((_place, scripted, mut terminal)) = in_window(USUAL) else {
        return;
    };
    scripted.say(&[all_builds(), build(10, "alpha-1.0"), counts(0, 3, 1, 0)]);
    let rows = terminal.shows("building 0/3");
    assert!(row(&rows, "alpha").starts_with("  alpha-1.0"), "{rows:#?}");
    assert!(!rows.iter().any(|row| row.contains('│')), "{rows:#?}");

    scripted.say(&[phase(10, "buildPhase"), log(10, "one"), log(10, "two")]);
    let rows = terminal.shows("  │ two");
    assert!(row(&rows, "alpha").ends_with(" · buildPhase"), "{rows:#?}");
    assert!(!rows.iter().any(|row| row.contains("one")), "{rows:#?}");

    scripted.say(&[build(11, "beta"), counts(0, 3, 2, 0), log(11, "three")]);
    let rows = terminal.shows("2 at once");
    row(&rows, "  beta");
    row(&rows, "  │ two");

    scripted.say(&[counts(1, 3, 1, 0), stop(10)]);
    let rows = terminal.shows("building 1/3");
    assert!(!rows.iter().any(|row| row.contains("alpha")), "{rows:#?}");
    row(&rows, "  │ three");

    scripted.say(&[counts(2, 3, 0, 0), stop(11)]);
    let rows = terminal.shows("building 2/3");
    assert!(!rows.iter().any(|row| row.contains("beta")), "{rows:#?}");

    scripted.end(0);
    let left = good(terminal.wait());
    assert_eq!(left.lines.len(), 2, "{:#?}", left.lines);
    assert!(left.lines[0].starts_with("built 2 derivations, in "));
}

#[test]
fn a_build_that_nix_has_counted_is_shown_no_more() {
    let Some((_place, scripted, mut terminal)) = in_window(USUAL) else {
        return;
    };
    two_builds(&scripted);
    terminal.shows("2 at once");
    // The activity of one that was asked for by name stops only when all is over.
    scripted.say(&[counts(1, 3, 1, 0), log(11, "goes on")]);
    let rows = terminal.shows("  │ goes on");
    assert!(!rows.iter().any(|row| row.contains("alpha")), "{rows:#?}");
    scripted.say(&[counts(2, 3, 0, 0), stop(11), stop(10)]);
    scripted.end(0);
    let left = good(terminal.wait());
    assert!(left.lines[0].starts_with("built 2 derivations, in "));
}

#[test]
fn images_of_one_name_are_rows_of_their_targets() {
    let word = unique();
    let image = |host| tiny::script_host("image", &format!("echo {host} {word} >$out"));
    let hosts = ["iso", "qcow2", "raw"].map(|host| (host, image(host)));
    let hosts: Vec<(&str, &str)> = hosts.iter().map(|(host, text)| (*host, &**text)).collect();
    let place = Place::flake(&tiny::flake(&hosts));
    let targets = ["hosts/iso", "hosts/qcow2", "hosts/raw"];
    let drvs = targets.map(|target| place.drv(&["build", target]));
    let scripted = place.scripted_build();
    let args = ["build", targets[0], targets[1], targets[2]];
    let Some(mut terminal) = place.in_terminal(&args, (40, 10), |call| call) else {
        return;
    };
    scripted.say(&[all_builds(), counts(0, 3, 0, 0)]);
    for (id, drv) in (10..).zip(&drvs) {
        scripted.say(&[build_of(id, drv)]);
    }
    scripted.say(&[counts(0, 3, 3, 0)]);
    let rows = terminal.shows("  hosts/raw: image");
    row(&rows, "  hosts/iso: image");
    row(&rows, "  hosts/qcow2: image");
    scripted.say(&[counts(3, 3, 0, 0), stop(10), stop(11), stop(12)]);
    scripted.end(0);
    let left = terminal.wait().clean(0);
    row(&left.lines, "built 3 derivations, in ");
}

#[test]
fn fetching_is_shown_with_sizes() {
    let Some((_place, scripted, mut terminal)) = in_window(USUAL) else {
        return;
    };
    let of = |id, kind| scripted::start(id, kind, &json!(["/nix/store/x", "https://c", ""]));
    let progress = |id, done, all| scripted::result(id, 105, &json!([done, all, 0, 0]));
    scripted.say(&[
        of(2, 103),
        of(3, 100),
        of(4, 101),
        progress(2, 1, 4),
        progress(4, 3_000_000, 12_000_000),
    ]);
    let rows = terminal.shows("fetching [==>       ] 3.0 MB of 12.0 MB");
    assert!(row(&rows, "fetching").contains("1/4 paths"), "{rows:#?}");
    scripted.end(0);
    let left = terminal.wait().clean(0);
    row(&left.lines, "fetched 1 path (3.0 MB), in ");
}

#[test]
fn every_line_fits_into_the_window() {
    let names = [
        "alpha",
        "一个很长的名字一个很长的名字一个很长的名字",
        "a-name-that-is-longer-than-a-small-window-1.0.0-pre20260101",
        "delta",
        "epsilon",
        "zeta",
    ];
    for window in [(80, 24), (40, 10), (20, 6), (20, 3), (8, 2)] {
        let Some((_place, scripted, mut terminal)) = in_window(window) else {
            return;
        };
        scripted.say(&[all_builds(), counts(0, 9, 0, 0)]);
        for (id, name) in (10..).zip(names) {
            scripted.say(&[build(id, name), phase(id, "buildPhase")]);
        }
        let wide = "🦀日本語\u{200d}🧑‍🔬 a\u{301}\t".repeat(20);
        scripted.say(&[log(10, &wide)]);
        let (columns, rows) = window;
        match rows {
            24 => terminal.shows("and 2 more builds"),
            6.. => terminal.shows("  │ 🦀"),
            3 => terminal.shows("  alpha"),
            _ => terminal.shows("buil"),
        };
        let shown = terminal.rows();
        check(&shown);
        for row in &shown {
            let width = unicode_width::UnicodeWidthStr::width(row.as_str());
            assert!(width < usize::from(columns), "{shown:#?}");
        }
        let empty = shown.iter().filter(|row| row.is_empty()).count();
        assert!(rows == 1 || empty > 0, "{shown:#?}");
        scripted.end(0);
        terminal.wait().clean(0);
    }
}

#[test]
fn a_window_can_change_its_size() {
    let Some((_place, scripted, mut terminal)) = in_window(USUAL) else {
        return;
    };
    two_builds(&scripted);
    terminal.shows("  │ first");
    let long = "a line that is wider than a small window, and then goes on, and on, and on";
    for (window, cut) in [
        ((30, 8), "  │ a line that is"),
        ((20, 24), "  │ a line"),
        (USUAL, long),
    ] {
        scripted.say(&[log(10, "short")]);
        terminal.shows("  │ short");
        terminal.resize(window.0, window.1);
        scripted.say(&[log(10, long)]);
        terminal.shows(cut);
        terminal.forget_frames();
        scripted.say(&[log(10, "short again")]);
        check(&terminal.shows("  │ short"));
    }
    scripted.end(0);
    terminal.wait().clean(0);
}

#[test]
fn ctrl_c_leaves_only_what_stays() {
    let Some((place, scripted, mut terminal)) = in_window(USUAL) else {
        return;
    };
    two_builds(&scripted);
    terminal.shows("  │ first");
    terminal.press(b"\x03");
    let left = terminal.wait().clean(130);
    assert_eq!(left.lines, ["stopped by Ctrl-C"]);
    assert!(place.names("out").is_empty());
}

#[test]
fn ctrl_c_while_a_host_is_evaluated_leaves_as_little() {
    let (place, _) = place();
    place.stall("nix", "*' --apply '*");
    let Some(mut terminal) = place.in_terminal(&BUILD, (40, 10), |call| call) else {
        return;
    };
    terminal.shows("evaluating hosts/box");
    terminal.press(b"\x03");
    let left = terminal.wait().clean(130);
    assert_eq!(left.lines, ["stopped by Ctrl-C"]);
}

#[test]
fn a_failure_is_told_at_once_and_the_rest_goes_on() {
    let Some((_place, scripted, mut terminal)) = in_window(USUAL) else {
        return;
    };
    two_builds(&scripted);
    scripted.say(&[
        log(10, "the reason"),
        counts(0, 3, 1, 1),
        stop(10),
        failure("alpha"),
    ]);
    let rows = terminal.shows("1 failed");
    assert!(row(&rows, "failed: alpha").starts_with("failed: alpha after "));
    row(&rows, "  beta");
    scripted.say(&[counts(1, 3, 0, 1), stop(11)]);
    terminal.shows("building 1/3");
    scripted.end(1);
    let left = terminal.wait().clean(8);
    for words in [
        "failed: alpha after ",
        "error: the build of ",
        "  | the reason",
        "  needed by: hosts/box",
    ] {
        row(&left.lines, words);
    }
}

#[test]
fn quiet_shows_no_view() {
    let Some((_place, scripted, mut terminal)) = with(USUAL, &["-q"], ("LINES", "")) else {
        return;
    };
    two_builds(&scripted);
    scripted.end(0);
    terminal.shows("out/hosts-box");
    let left = terminal.wait().clean(0);
    assert_eq!(String::from_utf8_lossy(&left.bytes), "out/hosts-box\r\n");

    let Some((_place, scripted, terminal)) = with(USUAL, &["-q"], ("NO_COLOR", "1")) else {
        return;
    };
    two_builds(&scripted);
    scripted.say(&[counts(0, 3, 1, 1), stop(10), failure("alpha")]);
    scripted.end(1);
    let left = terminal.wait().clean(8);
    assert!(left.lines[0].starts_with("error: "), "{:#?}", left.lines);
    assert!(!left.bytes.contains(&b'\x1b'), "{:#?}", left.lines);
}

/// Whether something sets a colour or another look.
fn is_painted(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut sequences = text.split("\u{1b}[").skip(1);
    sequences.any(|rest| {
        rest.trim_start_matches(|one: char| one.is_ascii_digit() || one == ';')
            .starts_with('m')
    })
}

#[test]
fn colours_are_as_the_user_wants_them() {
    for (variable, is_wanted) in [(("NO_COLOR", "1"), false), (("LINES", ""), true)] {
        let Some((_place, scripted, mut terminal)) = with(USUAL, &[], variable) else {
            return;
        };
        two_builds(&scripted);
        terminal.shows("  │ first");
        scripted.say(&[counts(0, 3, 1, 1), stop(10), failure("alpha")]);
        scripted.end(1);
        let left = terminal.wait().clean(8);
        assert_eq!(is_painted(&left.bytes), is_wanted, "{variable:?}");
    }
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let Some((_place, scripted, mut terminal)) = with(USUAL, &[], ("TERM", "dumb")) else {
        return;
    };
    two_builds(&scripted);
    terminal.shows("building alpha");
    scripted.say(&[counts(1, 3, 1, 0), stop(10)]);
    let rows = terminal.shows("built alpha in ");
    row(&rows, "evaluated hosts/box in ");
    scripted.end(0);
    let left = terminal.wait().clean(0);
    assert!(!left.bytes.contains(&b'\x1b'), "{:#?}", left.lines);
}

#[test]
fn verbose_shows_logs_above_the_view() {
    let Some((_place, scripted, mut terminal)) = with((40, 10), &["-v"], ("LINES", "")) else {
        return;
    };
    two_builds(&scripted);
    scripted.say(&[log(11, "from beta")]);
    let rows = terminal.wait_for("the log and the view", |rows| {
        let place = |words: &str| rows.iter().position(|row| row.contains(words));
        let (line, head) = (place("beta> from beta"), place("building 0/3"));
        line.is_some() && line < head
    });
    row(&rows, "  │ first");
    for number in 0..200 {
        scripted.say(&[log(11, &format!("line {number}"))]);
    }
    terminal.shows("beta> line 199");
    scripted.end(0);
    let left = terminal.wait().clean(0);
    let text = String::from_utf8_lossy(&left.bytes);
    for number in 0..200 {
        let line = format!("beta> line {number}\r\n");
        assert_eq!(text.matches(&line).count(), 1, "{line}");
    }
}

#[test]
fn what_builds_print_moves_no_cursor() {
    let Some((_place, scripted, mut terminal)) = with(USUAL, &["-v"], ("NO_COLOR", "1")) else {
        return;
    };
    two_builds(&scripted);
    let evil = "\u{1b}[2J\u{1b}[5;5Hred\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}1;1H\u{1b}(B\u{8}\u{8}\rmore\u{202e}";
    scripted.say(&[
        log(10, evil),
        phase(10, "\u{1b}[2Jphase"),
        build(12, "\u{1b}[1;1Hname"),
        scripted::message(0, "\u{1b}]2;title\u{1b}\\said"),
        "\u{1b}[2Jno json".to_owned(),
    ]);
    let rows = terminal.shows("  │ red");
    row(&rows, "alpha> red");
    // A mark that turns the direction of writing would turn what is behind it.
    let turned = rows.iter().filter(|row| row.ends_with("more\\u{202e}"));
    assert_eq!(turned.count(), 2, "{rows:#?}");
    scripted.say(&[counts(0, 3, 1, 1), stop(10), failure("alpha")]);
    scripted.end(1);
    let left = terminal.wait().clean(8);
    // The sequences that are cbox's own.
    let own = |sequence: &str| {
        let rest = sequence.trim_start_matches(|one: char| one.is_ascii_digit());
        ["[J", "[K", "[?7l", "[?7h"]
            .iter()
            .any(|own| sequence.starts_with(own))
            || sequence[1..]
                .trim_start_matches(|one: char| one.is_ascii_digit())
                .starts_with('A')
            || rest.is_empty()
    };
    let text = String::from_utf8_lossy(&left.bytes).into_owned();
    for sequence in text.split('\u{1b}').skip(1) {
        assert!(own(sequence), "{sequence:?}");
    }
    assert!(
        !text.contains(['\u{7}', '\u{8}', '\u{9b}', '\u{202e}']),
        "{text:?}"
    );
}
