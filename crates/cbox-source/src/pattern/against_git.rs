//! Random patterns on random trees, against git itself.
//!
//! `CBOX_LONG=1` tries 500 lists of patterns on 500 trees each, and not some of them.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use fastrand::Rng;

use super::{Above, Patterns};
use crate::{list, long_tests::is_long};

/// What parts of paths are called: everything that a pattern could trip over.
const NAMES: [&[u8]; 34] = [
    b"a",
    b"b",
    b"ab",
    b"ba",
    b"a b",
    b"x ",
    b" ",
    b"x  ",
    b"{a,b}",
    b"[a]",
    b"a.nix",
    b".a",
    b"a\\",
    b"\\a",
    b"\xc3\xa9",
    b"\xff",
    b"A",
    b"1",
    b"#a",
    b"!a",
    b"-",
    b"a*",
    b"*",
    b"]",
    b"a-b",
    b"\t",
    b"abc",
    b"aab",
    b"[",
    b"a\x0b",
    b"?",
    b"^",
    b"a\r",
    b"a:",
];

/// What patterns are made of.
const PARTS: [&[u8]; 76] = [
    b"a",
    b"b",
    b"a",
    b"b",
    b"c",
    b"*",
    b"*",
    b"**",
    b"***",
    b"?",
    b"[ab]",
    b"[!a]",
    b"[^a]",
    b"[[:alpha:]]",
    b"[[:digit:]x]",
    b"[[:space:]]",
    b"[[:punct:]]",
    b"[[:upper:]]",
    b"[[:bad:]]",
    b"[[:alpha:",
    b"[a-c]",
    b"[]a]",
    b"[!]a]",
    b"[a-]",
    b"[--0]",
    b"[\\]]",
    b"[\\a-\\c]",
    b"[",
    b"]",
    b"\\",
    b"\\a",
    b"\\*",
    b"/",
    b"/",
    b"/",
    b"/",
    b"**/",
    b"/**",
    b"/**/",
    b"*/",
    b"{a,b}",
    b"{",
    b" ",
    b" ",
    b"\\ ",
    b"!",
    b"#",
    b"\\!",
    b"\\#",
    b"\xff",
    b"\xc3\xa9",
    b".",
    b".nix",
    b"\t",
    b"\r",
    b"-",
    b"A",
    b"1",
    b"[a/]",
    b"[!b/]",
    b"\\/",
    b"[[:cntrl:]]",
    b"x",
    b"^",
    b"[z-a]",
    b"[a-[:alpha:]]",
    b"[[.a.]]",
    b"[[=a=]]",
    b"[[:alpha:]-z]",
    b"[[:alpha:]a-]",
    b"[[:]",
    b"[[::]]",
    b":",
    b"[!",
    b"[^]",
    b"\0",
];

fn one_of<'l>(random: &mut Rng, list: &[&'l [u8]]) -> &'l [u8] {
    list[random.usize(..list.len())]
}

fn random_path(random: &mut Rng) -> PathBuf {
    let parts = random.usize(1..5);
    (0..parts)
        .map(|_| OsStr::from_bytes(one_of(random, &NAMES)))
        .collect()
}

fn random_patterns(random: &mut Rng) -> Vec<u8> {
    let mut lines = Vec::new();
    for _ in 0..random.usize(1..4) {
        if random.u8(..6) == 0 {
            lines.push(b'!');
        }
        for _ in 0..random.usize(1..6) {
            lines.extend(one_of(random, &PARTS));
        }
        lines.push(b'\n');
    }
    lines
}

/// Makes the files that can be made: one may be where another wants a folder.
fn make(folder: &Path, files: &[PathBuf]) {
    for file in files {
        let file = folder.join(file);
        let above = file.parent().unwrap();
        if fs::create_dir_all(above).is_ok() && !file.is_dir() {
            fs::write(file, "").unwrap();
        }
    }
}

/// What `git ls-files -z --others` lists in `top`.
fn others(top: &Path, exclude: &OsStr) -> BTreeSet<PathBuf> {
    let answer = git(
        top,
        &[
            "ls-files".as_ref(),
            "-z".as_ref(),
            "--others".as_ref(),
            exclude,
        ],
    );
    list::from_git(b"", &answer)
        .into_iter()
        .map(|listed| listed.path)
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "git is what these are compared with"
)]
fn git(folder: &Path, arguments: &[&OsStr]) -> Vec<u8> {
    let output = std::process::Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn differences(gits: &BTreeSet<PathBuf>, ours: &BTreeSet<PathBuf>) -> String {
    format!(
        "only git: {:?}, only cbox: {:?}",
        gits.difference(ours).collect::<Vec<_>>(),
        ours.difference(gits).collect::<Vec<_>>(),
    )
}

#[test]
fn a_list_ignores_what_git_ignores() {
    let (trees, lists) = if is_long() { (500, 20) } else { (8, 15) };
    let mut random = Rng::with_seed(1);
    let mut effects = 0;
    for tree in 0..trees {
        let folder = tempfile::tempdir().unwrap();
        let (top, file) = (folder.path().join("top"), folder.path().join("patterns"));
        fs::create_dir(&top).unwrap();
        git(&top, &["init".as_ref(), "--quiet".as_ref()]);
        let files: Vec<PathBuf> = (0..12).map(|_| random_path(&mut random)).collect();
        make(&top, &files);
        let all = others(&top, "--exclude=".as_ref());
        let mut exclude = std::ffi::OsString::from("--exclude-from=");
        exclude.push(&file);
        for _ in 0..lists {
            let lines = random_patterns(&mut random);
            fs::write(&file, &lines).unwrap();
            let gits = others(&top, &exclude);
            let patterns = Patterns::of_file(&lines);
            let mut above = Above::default();
            let mut stays = |path: &&PathBuf| patterns.ignoring(path, &mut above).is_none();
            let ours = all.iter().filter(&mut stays).cloned().collect();
            let lines = String::from_utf8_lossy(&lines);
            assert!(
                gits == ours,
                "tree {tree}, {lines:?}: {}",
                differences(&gits, &ours)
            );
            effects += usize::from(gits != all);
        }
    }
    assert!(
        effects > trees * lists / 10,
        "{effects} lists ignored something"
    );
}

#[test]
fn a_walk_lists_what_git_lists() {
    let (trees, lists) = if is_long() { (500, 500) } else { (5, 40) };
    let mut random = Rng::with_seed(2);
    let (mut listed, mut there) = (0, 0);
    for tree in 0..trees {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        git(top, &["init".as_ref(), "--quiet".as_ref()]);
        let files: Vec<PathBuf> = (0..12).map(|_| random_path(&mut random)).collect();
        // The same tree once for each list, so that one run of git answers for all.
        for list in 0..lists {
            let copy = top.join(list.to_string());
            make(&copy, &files);
            fs::write(copy.join(".gitignore"), random_patterns(&mut random)).unwrap();
            let deeper = files[random.usize(..files.len())].parent().unwrap();
            if list % 2 == 0 && copy.join(deeper).is_dir() && deeper != Path::new("") {
                let lines = random_patterns(&mut random);
                fs::write(copy.join(deeper).join(".gitignore"), lines).unwrap();
            }
        }
        let gits = others(top, "--exclude-per-directory=.gitignore".as_ref());
        let walked = list::from_walk(top).unwrap();
        let ours: BTreeSet<PathBuf> = walked.into_iter().map(|listed| listed.path).collect();
        assert!(gits == ours, "tree {tree}: {}", differences(&gits, &ours));
        listed += ours.len();
        there += lists * files.len();
    }
    assert!(listed < there, "nothing was ignored");
}
