//! Messages that Nix has not given yet: what a flake can say itself, and odd forms. What Nix
//! gave is under `tests/errors/`, and is read by a test of the program.

use super::*;

const STAGED: &str = "/nix/store/00000000000000000000000000000000-source";

fn of(text: &str) -> Fault {
    Fault::of(&text.replace("STAGED", STAGED), "", STAGED)
}

/// An error that was thrown in `file`.
fn thrown(file: &str, text: &str) -> Fault {
    of(&format!(
        "error:\n       … while calling the 'throw' builtin\n         at {file}:3:4:\n            2| {{\n            \
         3|    throw x\n             |    ^\n\n       error: {text}\n"
    ))
}

#[test]
fn who_speaks_counts() {
    let missing =
        "The option `a.b' does not exist. Definition values:\n       - In `STAGED/x.nix': 1";
    let library = "/nix/store/11111111111111111111111111111111-source/lib/modules.nix";
    assert!(matches!(
        thrown(library, missing).cause,
        Some(Cause::NoSuchOption { option }) if option == "a.b"
    ));
    for own in [
        "STAGED/lib/modules.nix",
        "/nix/store/11111111111111111111111111111111-source/lib/trivial.nix",
        "«string»",
    ] {
        assert_eq!(thrown(own, missing).cause, None, "{own}");
    }
    for words in [
        "attribute 'x' missing",
        "infinite recursion encountered",
        "path 'STAGED/x.nix' does not exist",
        "access to absolute path '/etc' is forbidden in pure evaluation mode",
        "writing to file: No space left on device",
        "cbox-no-attribute: a.b",
    ] {
        let own = thrown("STAGED/x.nix", words);
        assert_eq!(own.cause, None, "{words}");
        assert_eq!(own.places[0].position, Some((3, 4)));
        assert!(of(&format!("error: {words}")).cause.is_some() || words.starts_with("cbox"));
    }
    assert!(thrown("«string»", "cbox-no-attribute: a.b").cause.is_some());
}

#[test]
fn what_is_thrown_may_look_like_an_error() {
    let fault = thrown(
        "STAGED/x.nix",
        "mine\n\n       error: attribute 'x' missing",
    );
    assert_eq!(fault.summary, "mine\n\nerror: attribute 'x' missing");
    assert_eq!(fault.cause, None);
}

#[test]
fn own_places_come_from_the_inside_out() {
    let fault = of(
        "error:\n       … while evaluating a\n         at STAGED/flake.nix:5:7:\n            4| x\n\n       \
         … while evaluating definitions from `STAGED/hosts/box':\n\n       … while calling b\n         \
         at STAGED/lib/a b.nix:1:2:\n            1| y\n             |  ^\n            2|\n\n       … while \
         calling c\n         at /nix/store/11111111111111111111111111111111-source/z.nix:9:9:\n\n       \
         error: cannot do it\n",
    );
    let places: Vec<String> = fault.places.iter().map(Place::to_string).collect();
    let own = |file: &str| format!("{STAGED}/{file}");
    assert_eq!(
        places,
        [
            own("lib/a b.nix:1:2"),
            own("hosts/box"),
            own("flake.nix:5:7")
        ]
    );
    assert_eq!(fault.places[0].excerpt, ["1| y", " |  ^"]);
}

#[test]
fn a_store_elsewhere_is_the_same_store() {
    let text = format!(
        "error: undefined variable 'x'\n       at /tmp/s{STAGED}/a.nix:1:2:\n            1| x\n"
    );
    let fault = Fault::of(&text, "/tmp/s", STAGED);
    assert_eq!(fault.places[0].file, "a.nix");
}

#[test]
fn other_forms_are_shown_as_they_are() {
    for text in ["", "killed", "errors: none", "error"] {
        let fault = of(text);
        assert_eq!((fault.summary.as_str(), fault.cause), (text, None));
    }
    assert_eq!(of("error:").summary, "");
    assert_eq!(of("error: x\n       at nowhere:").summary, "x\nat nowhere:");
}

#[test]
fn machines_have_errors_of_their_own() {
    let cause = |text: &str| cause::of_build(text);
    assert_eq!(
        cause("error: writing to file: No space left on device"),
        Some(Cause::NoSpace)
    );
    assert_eq!(
        cause(
            "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused"
        ),
        Some(Cause::Daemon)
    );
    let owner = |folder: &str| {
        let folder = Some(folder.to_owned());
        Some(Cause::Ownership { folder })
    };
    assert_eq!(
        cause("error: repository path '/srv/x' is not owned by current user"),
        owner("/srv/x")
    );
    let git = "fatal: detected dubious ownership in repository at '/srv/x'\nTo add an exception";
    assert_eq!(cause::of_git(git), owner("/srv/x"));
    assert_eq!(
        cause::of_git("hint: fatal: detected dubious ownership"),
        None
    );
    let downloaded = "error: hash mismatch in file downloaded from 'https://x':\n         specified: sha256:a\n         got:       sha256:b";
    assert!(
        matches!(cause(downloaded), Some(Cause::HashMismatch { got, .. }) if got == "sha256:b")
    );
}

#[test]
fn a_cache_that_cannot_be_written_to_is_no_fault_of_the_flake() {
    let fetching = "error:\n       … while fetching the input 'path:/x'\n\n       error: ";
    for (said, folder, reason) in [
        (
            "creating directory '/home/me/.cache/nix': Read-only file system",
            "/home/me/.cache/nix",
            "Read-only file system",
        ),
        (
            "creating directory '/dev/null/nix': Not a directory",
            "/dev/null/nix",
            "Not a directory",
        ),
        (
            r#"creating directory "/dev/null/nix": Not a directory"#,
            "/dev/null/nix",
            "Not a directory",
        ),
        (
            "executing SQLite statement '\n\n  create table if not exists Cache (\n  );\n  ': database or \
             disk is full, database or disk is full (in '/h/.cache/nix/fetcher-cache-v3.sqlite')",
            "/h/.cache/nix",
            "database or disk is full",
        ),
        (
            "cannot open SQLite database '/h/.cache/nix/fetcher-cache-v3.sqlite': unable to open \
             database file",
            "/h/.cache/nix",
            "unable to open database file",
        ),
    ] {
        let cause = of(&format!("{fetching}{said}\n")).cause;
        let (folder, reason) = (folder.to_owned(), reason.to_owned());
        assert_eq!(cause, Some(Cause::Cache { folder, reason }), "{said}");
    }
    for other in [
        "creating directory '/nix/store/x-cache': Read-only file system",
        "creating directory '/home/me/x': Read-only file system",
        "creating directory '/home/me/.cache/nix': File exists",
    ] {
        let cause = of(&format!("error: {other}\n")).cause;
        assert!(!matches!(cause, Some(Cause::Cache { .. })), "{other}");
    }
}

#[test]
fn files_without_lines_get_them_from_their_text() {
    let library = "/nix/store/11111111111111111111111111111111-source/lib/modules.nix";
    let text =
        "The option `a.b' does not exist. Definition values:\n       - In `STAGED/hosts/box': 1";
    let mut fault = thrown(library, text);
    fault.find_lines(|file| {
        (file == "hosts/box/default.nix").then(|| "{\n  a.b = 1;\n}\n".to_owned())
    });
    assert!(fault.to_string().ends_with(&format!(
        "\n  at {STAGED}/hosts/box/default.nix:2:3:\n  1| {{\n  2|   a.b = 1;\n   |   ^\n  3| }}"
    )));
}
