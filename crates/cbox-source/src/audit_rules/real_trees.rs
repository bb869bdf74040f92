//! What is found in real text: this repository, and NixOS in nixpkgs, in which people have put
//! thousands of values that only look like secrets, and the secrets of a hundred tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Found, of_content, of_path};
use crate::{
    list,
    long_tests::{is_long, nixpkgs},
    rules::{Made, Rules},
    tree::{Kind, Tree},
};

/// Where secrets are meant to be: what tests sign in with, and a key that is published.
const MEANT: [&str; 2] = ["tests/", "modules/profiles/keys/"];

/// What is found there and is no secret: a public key, a token that is meant to be wrong twice,
/// and a text in base64.
const NONE_ALL_THE_SAME: [&str; 4] = [
    "tests/taler/common/nodes.nix",
    "tests/librenms.nix",
    "tests/nitter.nix",
    "tests/speedtest-tracker.nix",
];

/// So many findings may be false, as a false one stops the build of an image.
const FALSE: usize = 9;

/// What is found in each file below `top` that `.gitignore` does not name.
fn audited(top: &Path) -> Vec<(PathBuf, Vec<Found>)> {
    let rules = Rules::new(Path::new(""), &[], &[], Made::default()).unwrap();
    let listed = list::from_walk(top).unwrap();
    let tree = Tree::select(top, listed, &rules, false).unwrap();
    let entries = tree.entries.into_iter().map(|entry| {
        let mut found: Vec<Found> = of_path(&entry.path).into_iter().collect();
        if let Kind::File { size, .. } = entry.kind {
            let content = fs::read(top.join(&entry.path)).unwrap();
            found.extend(of_content(&entry.path, &content, size));
        }
        (entry.path, found)
    });
    entries.collect()
}

/// All of it, also what `cbox.toml` leaves out of the images: the rules and their tests too.
#[test]
fn this_repository_has_no_findings() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let all = audited(&top);
    assert!(all.len() > 50, "{} files", all.len());
    let found: Vec<_> = all.iter().filter(|(_, found)| !found.is_empty()).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn nixos_has_few_false_findings() {
    let Some(nixpkgs) = nixpkgs().filter(|_| is_long()) else {
        println!(
            "LEFT OUT: the audit of nixpkgs' nixos/ needs CBOX_LONG=1 and BOX_NIXPKGS=git+file:///…"
        );
        return;
    };
    let top = nixpkgs.join("nixos");
    let mut count = 0;
    let mut wrong = 0;
    let all = audited(&top);
    let files = all.len();
    for (path, found) in all {
        for found in found {
            let is_among = |all: &[&str]| all.iter().any(|one| path.starts_with(one));
            let is_false = !is_among(&MEANT) || is_among(&NONE_ALL_THE_SAME);
            let word = if is_false { "false" } else { "true " };
            let line = found.line.unwrap_or(0);
            println!(
                "{word} nixos/{}:{line}: {} [{}]",
                path.display(),
                found.what,
                found.finding
            );
            count += 1;
            wrong += usize::from(is_false);
        }
    }
    println!("nixos/: {files} files, {count} findings, {wrong} of them false");
    assert!(files > 4000, "{files} files");
    assert!(count > 100, "the secrets of its tests are not found");
    assert!(wrong <= FALSE, "{wrong} false findings");
}
