//! The staged source against git, on repositories made at random.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
};

use crate::{
    source_list::{agrees_with_git, repository},
    support::{place::Place, random::Random},
};

const FOLDERS: [&str; 6] = ["a", "b", "deep", "Dir", "sp ace", "d7"];
const NAMES: [&[u8]; 14] = [
    b"a",
    b"b",
    b"b1",
    b"c d",
    b"x.iso",
    b"X9",
    b"7",
    b"y.log",
    b"\xc3\xa9",
    b"new\nline",
    b"\xff\xfe",
    b"-dash",
    b"#x",
    b"e ",
];
const PATTERNS: [&str; 15] = [
    "*.iso",
    "a/",
    "/b",
    "b*",
    "!b1",
    "[[:digit:]]*",
    "[[:upper:]]?",
    "c d",
    "**/7",
    "*.l[!x]g",
    "deep/**/a",
    "\\#x",
    "e\\ ",
    "/Dir/*",
    "!*.iso",
];

/// A repository that holds whatever the seed gives.
pub(crate) fn random_repository(seed: u64) -> Place {
    let place = repository();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    place.write("../excludes", random.one_of(&PATTERNS));
    let excludes = place.beside("excludes");
    place.git(&["config", "core.excludesFile", excludes.to_str().unwrap()]);
    place.write(".git/info/exclude", random.one_of(&PATTERNS));
    if random.once_in(3) {
        place.git(&["config", "core.ignoreCase", "true"]);
    }
    let mut files = Vec::new();
    for _ in 0..40 {
        let path = random_path(&mut random);
        if make_file(&place, &mut random, &path) {
            files.push(path);
        }
    }
    for _ in 0..3 {
        let folder = random_path(&mut random).parent().unwrap().to_owned();
        let lines: Vec<&str> = (0..3).map(|_| random.one_of(&PATTERNS)).collect();
        if place.path(&folder).is_dir() {
            place.write(folder.join(".gitignore"), lines.join("\n"));
        }
    }
    for file in &files {
        match random.below(4) {
            0 => add(&place, &["add", "--force"], file),
            1 => add(&place, &["add", "--force", "--intent-to-add"], file),
            2 => add(&place, &["add"], file),
            _ => {}
        }
    }
    place.git(&["commit", "--quiet", "--allow-empty", "--message", "random"]);
    for file in files {
        disturb(&place, &mut random, &file);
    }
    place
}

fn random_path(random: &mut Random) -> PathBuf {
    let mut path = PathBuf::new();
    for _ in 0..random.below(4) {
        path.push(random.one_of(&FOLDERS));
    }
    path.join(OsStr::from_bytes(random.one_of(&NAMES)))
}

/// Makes a file, or a symlink at times; where a file is in the way of its folder, nothing.
fn make_file(place: &Place, random: &mut Random, path: &Path) -> bool {
    let full = place.path(path);
    if fs::create_dir_all(full.parent().unwrap()).is_err() || full.symlink_metadata().is_ok() {
        return false;
    }
    if random.once_in(6) {
        symlink(random.one_of(&["a", "../b", "/nowhere", "deep"]), &full).unwrap();
        return true;
    }
    fs::write(&full, format!("{} {path:?}", random.below(1000))).unwrap();
    let mode = random.one_of(&[0o644, 0o755, 0o654, 0o744, 0o600]);
    fs::set_permissions(&full, fs::Permissions::from_mode(mode)).unwrap();
    true
}

fn add(place: &Place, words: &[&str], file: &Path) {
    let call = place.call("git").args(["--literal-pathspecs"]).args(words);
    // Git refuses what is ignored unless it is forced; then it is not tracked.
    call.args(["--"]).args([file]).run();
}

/// Changes a file after the commit: gone, a folder, a symlink, or its folder a symlink.
fn disturb(place: &Place, random: &mut Random, file: &Path) {
    let full = place.path(file);
    if full.symlink_metadata().is_err() || full.is_dir() {
        return;
    }
    match random.below(12) {
        0 => fs::remove_file(&full).unwrap(),
        1 => {
            fs::remove_file(&full).unwrap();
            fs::create_dir(&full).unwrap();
            fs::write(full.join("inner"), "new").unwrap();
        }
        2 => {
            fs::remove_file(&full).unwrap();
            symlink("somewhere", &full).unwrap();
        }
        3 => {
            let folder = full.parent().unwrap();
            if folder != place.path("") && !folder.symlink_metadata().unwrap().is_symlink() {
                let elsewhere = place
                    .beside("moved")
                    .join(random.below(1 << 30).to_string());
                fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
                fs::rename(folder, &elsewhere).unwrap();
                symlink(&elsewhere, folder).unwrap();
            }
        }
        _ => {}
    }
}

#[test]
fn random_repositories_are_staged_as_git_lists_them() {
    let mut sizes = Vec::new();
    for seed in 1..=24 {
        let place = random_repository(seed);
        sizes.push(agrees_with_git(&place, &format!("seed {seed}")).len());
    }
    assert!(sizes.iter().sum::<usize>() > 24 * 8, "too easy: {sizes:?}");
}
