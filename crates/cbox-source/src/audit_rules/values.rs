//! What tells a secret value from a word, a path or an example.

/// What stands in values that are examples, in lower case.
const EXAMPLES: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "replace",
    "dummy",
    "redacted",
    "sample",
    "your",
    "todo",
    "xxxx",
    "abcdef",
    "012345",
    "123456",
    "....",
    "****",
];

/// The fewest characters of a value that is random.
const SHORTEST: usize = 16;

/// The fewest characters in a row, of which some are digits, in a value that is random.
const SHORTEST_RUN: usize = 12;

/// The least entropy of a value that is random, in bits for each character. Sixteen random
/// hexadecimal digits have 3.3 on average, words of a language 3 and less.
const LEAST_ENTROPY: f64 = 3.0;

/// What stands in a value that has the form of a token and is none, in lower case.
const NO_TOKENS: &[&str] = &["example", "placeholder", "redacted", "xxxx", "....", "****"];

/// Whether `value` is obviously not meant to be one.
fn is_example(value: &[u8]) -> bool {
    holds(value, EXAMPLES)
}

/// Whether `value`, which has the very form of a token, is obviously none all the same. Rows
/// of letters or digits do not make it an example.
pub(super) fn is_no_token(value: &[u8]) -> bool {
    holds(value, NO_TOKENS)
}

fn holds(value: &[u8], words: &[&str]) -> bool {
    let text = String::from_utf8_lossy(value).to_lowercase();
    words.iter().any(|word| text.contains(word)) || entropy(value) < 2.5
}

/// Whether `value` looks as if it was made by a machine to be secret: no word, path, name,
/// interpolation or hash.
pub(super) fn is_random(value: &[u8]) -> bool {
    let is_written = value.iter().all(u8::is_ascii_graphic)
        && !value
            .iter()
            .any(|byte| matches!(byte, b'{' | b'}' | b'<' | b'>' | b'(' | b')' | b'\\'));
    let is_path = value.starts_with(b"/") || value.starts_with(b".") || value.starts_with(b"~/");
    let is_reference = value.starts_with(b"$") || contains(value, b"://");
    let hashes: [&[u8]; 5] = [b"sha1", b"sha256", b"sha384", b"sha512", b"md5"];
    let is_hash = hashes.iter().any(|name| {
        let rest = value.strip_prefix(*name);
        rest.is_some_and(|rest| rest.starts_with(b"-") || rest.starts_with(b":"))
    });
    value.len() >= SHORTEST
        && is_written
        && !is_path
        && !is_reference
        && !is_hash
        && has_random_run(value)
        && entropy(value) >= LEAST_ENTROPY
        && !is_example(value)
}

/// Whether there is a long run of letters and digits that are mixed, as no name has it: at
/// least two changes between them.
fn has_random_run(value: &[u8]) -> bool {
    value
        .split(|byte| !byte.is_ascii_alphanumeric())
        .any(|run| {
            let changes = run
                .windows(2)
                .filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit());
            run.len() >= SHORTEST_RUN && changes.count() >= 2
        })
}

/// Shannon's entropy of the bytes, in bits for each.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in value {
        counts[usize::from(byte)] += 1;
    }
    let length = value.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|&count| {
            let share = f64::from(count) / length;
            -share * share.log2()
        })
        .sum()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
