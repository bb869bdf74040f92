//! The Makefile and the scripts of set-up, in a copy of them whose folder has a blank and an
//! apostrophe in its name: what a machine lacks is said before anything is done, what was made is
//! found again, and nothing is left behind.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use crate::support::{
    call::{Call, Ended},
    place::{Place, copy_folder, top},
    quoted,
};

/// Tools that the scripts may call while they look at a machine.
const TOOLS: [&str; 18] = [
    "awk", "basename", "cat", "dirname", "env", "grep", "head", "id", "make", "mkdir", "mktemp",
    "paste", "rm", "sed", "sh", "sort", "tr", "uname",
];

/// A copy of what set-up and installation are made of.
fn clone() -> Place {
    let place = Place::empty("it's a clone");
    copy_folder(&top().join("scripts"), &place.path("scripts"));
    for file in [
        "Makefile",
        "Cargo.toml",
        "flake.nix",
        "examples/minibox/debs.lock.json",
    ] {
        place.write(file, fs::read(top().join(file)).unwrap());
    }
    place
}

/// Puts a Rust of these versions on the PATH, whose cargo builds nothing and writes down what else
/// it is told.
fn stand_in_rust(place: &Place, cargo: &str, rustc: &str) {
    let script = format!(
        "if [ \"$1\" = --version ]; then echo 'cargo {cargo}'; else echo \"$*\" >>\"$HOME/cargo\"; fi"
    );
    place.stand_in("cargo", &script);
    place.stand_in("rustc", &format!("echo 'rustc {rustc}'"));
}

/// `rust-version` of Cargo.toml.
fn rust_version() -> String {
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("\nrust-version = \"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// All below a folder, sorted.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(folder).unwrap().display().to_string());
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Each goal of make that compiles stops with `sentence` as the last line but make's own, and
/// has done nothing.
#[track_caller]
fn all_stop(place: &Place, sentence: &str) {
    let few = place.path_with_only(&TOOLS);
    let path = format!("{}:{}", place.beside("bin").display(), few.display());
    let before = tree(&place.path(""));
    for goal in [
        "build",
        "demo",
        "install",
        "test",
        "appliance/iso",
        "bench",
        "bench-instructions",
    ] {
        let words = [goal, "PREFIX=~/.local"];
        let call = place.call("make").args(words).env("PATH", &path);
        let ended = call.run().code(2);
        let mut lines = ended.stderr.lines();
        let last = lines.rfind(|line| !line.starts_with("make")).unwrap();
        assert!(last.starts_with("setup: error: "), "{goal}: {ended}");
        assert!(last.contains(sentence), "no `{sentence}`: {ended}");
        assert_eq!(ended.stdout, "", "{goal}");
        assert_eq!(tree(&place.path("")), before, "{goal}");
    }
    assert_eq!(tree(&place.beside("home")), [""; 0]);
}

#[test]
fn without_rust_it_is_said_at_once() {
    let place = clone();
    all_stop(&place, "there is no cargo on the PATH");
    all_stop(&place, &format!("Rust {} or newer", rust_version()));
}

#[test]
fn a_rust_that_is_too_old_is_told_its_version_and_the_way_out() {
    let place = clone();
    stand_in_rust(&place, "1.65.0", "1.63.0");
    all_stop(&place, "/cargo is version 1.65.0, and compiling cbox takes");
    all_stop(&place, "rustup (https://rustup.rs) has it");
    stand_in_rust(&place, "1.999.0-nightly (abc 2026-01-01)", "1.63.0");
    all_stop(&place, "/rustc is version 1.63.0, and compiling cbox takes");
    place.stand_in("rustup", "");
    all_stop(&place, "Run: rustup update stable");
    place.stand_in("cargo", "echo 'error: no default toolchain' >&2; exit 1");
    all_stop(&place, "fails (error: no default toolchain)");
}

#[test]
fn without_a_linker_it_is_said_at_once() {
    let place = clone();
    stand_in_rust(&place, "1.999.0", "2.0.0");
    all_stop(&place, "there is no C compiler (cc) on the PATH");
    place.stand_in("cc", "echo 'ld: cannot find crt1.o' >&2; exit 1");
    all_stop(&place, "cannot make a program (ld: cannot find crt1.o)");
    place.stand_in("cc", "");
    place.call("make").args(["check-rust"]).run().ok();
}

#[test]
fn the_pages_name_the_rust_that_is_needed() {
    for page in ["README.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(top().join(page)).unwrap();
        for (at, _) in text.match_indices("Rust 1.") {
            let named = &text[at..];
            let wanted = format!("Rust {}", rust_version());
            assert!(named.starts_with(&wanted), "{page}: {}", &named[..10]);
        }
    }
}

/// `make` with a Rust that builds nothing: target/release/cbox is there, and is this one.
fn make(place: &Place, words: &[&str]) -> Ended {
    stand_in_rust(place, "1.999.0", "1.999.0");
    let program = "target/release/cbox";
    let script = format!(
        "#!/bin/sh\nexec {} \"$@\"\n",
        quoted(env!("CARGO_BIN_EXE_cbox"))
    );
    place.write(program, script);
    fs::set_permissions(place.path(program), fs::Permissions::from_mode(0o755)).unwrap();
    place.call("make").args(words).run()
}

#[test]
fn uninstall_removes_what_install_installed_and_nothing_else() {
    let place = clone();
    let home = place.beside("home");
    place.write(home.join(".local/share/man/man1/other.1"), "");
    let before = tree(&home);
    let same = ["PREFIX=~/.local"];
    for _twice in 0..2 {
        let said = make(&place, &["install", same[0]]).ok();
        let last = said.stderr.lines().last().unwrap();
        assert!(last.contains("cbox is installed in "), "{said}");
        assert!(last.contains("`make uninstall PREFIX='"), "{said}");
    }
    let installed = tree(&home);
    for file in [
        "bin/cbox",
        "share/man/man1/cbox-boot.1",
        "share/zsh/site-functions/_cbox",
    ] {
        let file = format!(".local/{file}");
        assert!(installed.contains(&file), "no {file}: {installed:?}");
    }
    assert!(!place.path("~").exists());
    Call::new(home.join(".local/bin/cbox"), &home)
        .args(["--version"])
        .run()
        .ok();

    place.write(home.join(".local/share/fish/mine"), "");
    let words = ["install: cbox is uninstalled: all ", " are removed"];
    make(&place, &["uninstall", same[0]]).ok().says(&words);
    let mut left = before;
    left.extend([".local/share/fish", ".local/share/fish/mine", "cargo"].map(str::to_owned));
    left.sort();
    assert_eq!(tree(&home), left);
    let words = ["nothing to uninstall"];
    make(&place, &["uninstall", same[0]]).ok().says(&words);
}

#[test]
fn a_package_is_made_below_destdir() {
    let place = clone();
    let destdir = format!("DESTDIR={}", place.beside("the package's").display());
    make(&place, &["install", &destdir]).ok();
    let made = place.beside("the package's");
    assert!(made.join("usr/local/bin/cbox").exists());
    let record = fs::read_to_string(made.join("usr/local/share/cbox/installed")).unwrap();
    assert!(record.contains("/usr/local/bin/cbox\n"), "{record}");
    assert!(!record.contains("package"), "{record}");
    make(&place, &["uninstall", &destdir]).ok();
    assert_eq!(tree(&made), [""; 0]);
}

#[test]
fn a_folder_that_cannot_be_meant_is_refused_before_anything_is_built() {
    let place = clone();
    let refused = |words: &[&str], sentence: &str| {
        make(&place, words).code(2).says(&[sentence]);
        assert!(!place.beside("home/cargo").exists(), "{words:?} has built");
    };
    let sentence = "PREFIX=~somebody/x: only a shell knows that folder";
    refused(&["install", "PREFIX=~somebody/x"], sentence);
    refused(&["uninstall", "PREFIX=~somebody/x"], sentence);
    let sentence = "DESTDIR=~somebody: only a shell knows that folder";
    refused(&["install", "DESTDIR=~somebody"], sentence);
    refused(
        &["install", "PREFIX=/dev/null"],
        "cannot write to /dev/null",
    );
    place.write(place.beside("other/bin/cbox"), "");
    let prefix = format!("PREFIX={}", place.beside("other").display());
    refused(&["uninstall", &prefix], "is not from this `make install`");
    assert!(place.beside("other/bin/cbox").exists());
}

#[test]
fn what_set_up_writes_is_quoted() {
    let place = clone();
    place.stand_in("shellcheck", "");
    fs::create_dir_all(place.path(".tools/bin")).unwrap();
    place
        .call("scripts/setup.sh")
        .args(["shellcheck"])
        .run()
        .ok();
    let script =
        r#". .tools/env; . .tools/env; printf '%s\n' "$PATH" | tr : '\n' | grep -c "it's a""#;
    let answer = place.call("sh").args(["-c", script]).run().ok();
    assert_eq!(answer.text(), "2", "{}", place.read(".tools/env"));

    // A program of the private prefix, and a loader that shows what it is told.
    place.write(
        ".tools/debian/usr/lib64/ld-linux-some.so.2",
        "#!/bin/sh\nprintf '%s\\n' \"$@\"\n",
    );
    let loader = place.path(".tools/debian/usr/lib64/ld-linux-some.so.2");
    fs::set_permissions(loader, fs::Permissions::from_mode(0o755)).unwrap();
    place.write(".tools/debian/usr/lib/libc.so.6", "");
    let script = r#"
set -eu
root=$PWD
for part in common apt prefix; do . "scripts/lib/$part.sh"; done
prefix_wrapper tool -L "$root/with"
.tools/bin/tool "it's" '$HOME'"#;
    let answer = place.call("sh").args(["-c", script]).run().ok();
    let inside = |path: &str| place.path(path).display().to_string();
    assert_eq!(
        answer.lines(),
        [
            "--library-path",
            &inside(".tools/debian/usr/lib"),
            &inside(".tools/debian/usr/bin/tool"),
            "-L",
            &inside("with"),
            "it's",
            "$HOME"
        ]
    );
}

/// `undo` of a clone whose .tools is there, where `undo_roots` prints the lines of `roots`. /nix is
/// nobody's to touch here.
fn undo(place: &Place, roots: &str) -> Call {
    let script = r#"
set -eu
root=$PWD
for part in common undo; do . "scripts/lib/$part.sh"; done
undo_roots() { printf '%s' "$ROOTS"; }
undo_nix() { die "/nix was to be removed"; }
undo"#;
    place.call("sh").args(["-c", script]).env("ROOTS", roots)
}

#[test]
fn undo_leaves_nothing_of_cbox_and_says_nothing_else() {
    let place = clone();
    for out in ["out", "examples/minibox/out"] {
        place.write(format!("{out}/.log/2026.log"), "");
    }
    place.write(".tools/env", "");
    let out = place.path("examples/minibox/out");
    place.write(out.join("appliance-iso.json"), "{}");
    symlink("/nix/store/none", out.join("appliance-iso")).unwrap();
    let said = undo(&place, "").run().ok();
    assert!(!said.stderr.contains("leaving"), "{said}");
    assert!(!place.path(".tools").exists());
    assert!(!out.exists());

    place.write(".tools/env", "");
    place.write(out.join("mine"), "");
    undo(&place, "").run().ok().says(&["leaving "]);
    assert!(out.join("mine").exists());
}

#[test]
fn undo_says_how_to_remove_a_profile() {
    let place = clone();
    for file in ["made-nix", "env", "bin/nix", "roots/parts-amd64"] {
        place.write(format!(".tools/{file}"), "");
    }
    // One generation, one with nothing in it, and the link to a build.
    let elements = r#"{"elements":{"cbox":{}},"version":3}"#;
    place.write(place.beside("profile/manifest.json"), elements);
    let elements = r#"{"elements":{},"version":3}"#;
    place.write(place.beside("empty-1-link/manifest.json"), elements);
    let generation = place.beside("it's-1-link");
    symlink(place.beside("profile"), &generation).unwrap();
    let link = place.beside("result");
    symlink(place.beside("tmp"), &link).unwrap();

    let empty = place.beside("empty-1-link").display().to_string();
    let roots = format!("{}\n{empty}\n{}\n", generation.display(), link.display());
    let said = undo(&place, &roots).run().code(1);
    let profile = place.beside("it'\\''s").display().to_string();
    let said = said.says(&[
        &format!("nix profile remove --profile '{profile}' --all"),
        &format!("\n  {}\n", link.display()),
        "error: /nix is left.",
    ]);
    assert!(!said.stderr.contains("/empty"), "{said}");
    // What removes it stays, and the note.
    assert_eq!(
        tree(&place.path(".tools")),
        ["bin", "bin/nix", "env", "made-nix"]
    );
    let said = undo(&place, &format!("{}\n", link.display())).run().code(1);
    assert!(!said.stderr.contains("profile"), "{said}");
    assert_eq!(tree(&place.path(".tools")), ["made-nix"]);
}
