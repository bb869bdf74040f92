//! Files that are made to take long: the time is bounded by their size, whatever is in them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use fastrand::Rng;

use super::{MOST, gitleaks, known, of_content};
use crate::long_tests::is_long;

/// How long a file of a megabyte may take: a build without optimisation, on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);

const MEGABYTE: usize = 1 << 20;

/// What stands between words: what ends a value and what goes on with it.
const BETWEEN: [&str; 26] = [
    "", "-", "_", ".", " ", "=", ":", "\"", "'", "/", "\\n", "\\\"", "%20", "\n", "a", "A1b2",
    "= \"", "\": \"", "''", "+", "$", "@", "\0", "\\u002d", "A: ", "secret=",
];

/// Those that once took long, by the size squared.
const ONCE: [&str; 8] = [
    "======",
    "A: -----BEGIN PRIVATE KEY-----\\n",
    "\"terraform_version\":",
    "\"d\":\"a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6\"",
    "password = \"a1b2c3d4e5f6a7b8c9d0\";\n",
    "-eyJabcdefghijklmn.eyJ",
    ":_auth\t@",
    "q\0",
];

#[test]
fn a_file_of_nothing_but_words_takes_no_longer_than_another() {
    let (size, count) = match is_long() {
        true => (4 * MEGABYTE, 100),
        false => (MEGABYTE / 8, 12),
    };
    let mut rules = known::rules();
    rules.extend(gitleaks::rules().unwrap());
    let words: Vec<String> = rules.into_iter().flat_map(|rule| rule.words).collect();
    let mut random = Rng::with_seed(14);
    let mut units: Vec<String> = ONCE.map(str::to_owned).into();
    units.push(words.join(" "));
    units.push(words.join("-"));
    for _ in 0..count {
        let mut unit = String::new();
        for _ in 0..random.usize(1..4) {
            unit.push_str(random.choice(&words).unwrap());
            let between = random.choice(BETWEEN).unwrap_or_default();
            unit.push_str(&between.repeat([1, 1, 3, 30][random.usize(..4)]));
        }
        units.push(unit);
    }
    let longest = LONGEST * u32::try_from(size.div_ceil(MEGABYTE)).unwrap();
    for unit in units {
        let text = unit.repeat(size / unit.len() + 1);
        let path = ["a.nix", "a.json", "a.yaml", "a"][random.usize(..4)];
        let start = Instant::now();
        let found = of_content(Path::new(path), text.as_bytes(), size as u64);
        assert!(
            start.elapsed() < longest,
            "{:?}: {unit:?} in {path}",
            start.elapsed()
        );
        assert!(
            found.len() <= 4 * MOST,
            "{} findings: {unit:?}",
            found.len()
        );
    }
}
