//! Numbers and texts without a bound: no panic, and an answer that can be read.

use crate::support::{place::Place, tiny};

const BUILD: [&str; 2] = ["build", "hosts/box"];

fn place() -> Place {
    Place::flake(&tiny::scripts(&[("box", "echo >$out")]))
}

#[test]
fn a_terminal_of_any_width() {
    let place = place();
    for columns in [
        "0",
        "1",
        "65535",
        "65536",
        "4294967296",
        "99999999999999999999",
        "-1",
        "x",
    ] {
        let call = place.cbox(&["--help"]).env("COLUMNS", columns);
        let help = call.env("LINES", columns).run().ok();
        assert!(help.stdout.contains("verify-hosts"), "{columns}: {help}");
        assert!(help.stdout.len() < 100_000, "{columns}: {help}");
        let call = place.cbox(&BUILD).env("COLUMNS", columns);
        call.env("LINES", columns).run().ok();
    }
    for size in [(0, 0), (1, 1), (65535, 65535), (65535, 1), (1, 65535)] {
        for words in [&BUILD[..], &["--help"], &["build", "hosts/bax"]] {
            // The screen of the test has a size that can be drawn.
            let Some(terminal) = place.in_terminal_that_says(words, (80, 24), size) else {
                return;
            };
            let left = terminal.wait();
            let text = String::from_utf8_lossy(&left.bytes);
            assert!(
                left.status.code().is_some_and(|code| code <= 2),
                "{size:?}: {text}"
            );
            assert!(!text.contains("panicked"), "{size:?}: {text}");
            assert!(
                left.bytes.len() < 2_000_000,
                "{size:?}: {}",
                left.bytes.len()
            );
        }
    }
}

#[test]
fn a_version_without_end() {
    let place = place();
    let real = crate::support::quoted(crate::support::nix::real());
    for (line, code) in [("nix (Nix) 2.26.3", 0), ("x", 5)] {
        for end in ["", " | tr '\\n' ' '"] {
            let script = format!(
                "case \" $* \" in *' --version '*) yes '{line}' | head -c 30000000{end}; exit ;; esac\n\
                 exec {real} \"$@\""
            );
            place.stand_in("nix", &script);
            let run = place.cbox(&BUILD).run();
            let is_good = run.status.code() == Some(code) || !end.is_empty();
            assert!(
                is_good && !run.stderr.contains("panicked"),
                "{}",
                run.status
            );
            assert!(run.stderr.len() < 2000, "{} bytes", run.stderr.len());
            let doctor = place.cbox(&["doctor"]).run();
            assert!(doctor.stdout.len() < 5000, "{} bytes", doctor.stdout.len());
        }
    }
}

#[test]
fn a_megabyte_that_a_flake_throws() {
    for separator in [" ", "\\n"] {
        let text = format!(
            "throw (builtins.concatStringsSep \"{separator}\" (builtins.genList (n: \"word${{toString n}}\") 100000))"
        );
        let place = Place::flake(&tiny::flake(&[("box", &text)]));
        for words in [
            &BUILD[..],
            &["build", "hosts/box", "--json"],
            &["build", "hosts/box", "--drv"],
        ] {
            let run = place.cbox(words).run();
            assert_eq!(run.status.code(), Some(7));
            let size = run.stdout.len() + run.stderr.len();
            assert!(size < 20_000, "{words:?} {size} bytes");
            assert!(
                run.stderr.contains("host `box` does not evaluate: word"),
                "{run}"
            );
        }
    }
}

/// What is written in one line of the flake itself, which the error shows.
#[test]
fn a_line_without_end() {
    let long = "x".repeat(1 << 20);
    let text = format!("/* {long} */ throw \"no\" /* {long} */");
    let place = Place::flake(&tiny::flake(&[("box", &text)]));
    let run = place.cbox(&BUILD).run().code(7);
    assert!(run.stderr.len() < 20_000, "{} bytes", run.stderr.len());
}
