//! Files that hold one value and nothing else, so that no name beside it tells what it is.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{Finding, Found, Redacted, values::is_dense};

/// Larger files hold more than one value, in bytes.
const LARGEST: usize = 256;

/// What the value is, and its form.
const VALUES: [(Finding, &str, &str); 2] = [
    (
        Finding::Token,
        "a session token of Coder",
        "[A-Za-z0-9]{10}-[A-Za-z0-9]{22}",
    ),
    (
        Finding::PrivateKey,
        "a key that signs for a binary cache",
        "[A-Za-z0-9._-]+:[A-Za-z0-9+/]{86}==",
    ),
];

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = VALUES
        .iter()
        .map(|(_, _, pattern)| Regex::new(&format!("^(?-u:{pattern})$")));
    patterns.filter_map(Result::ok).collect()
});

/// What `content` is, if it is one of them.
pub(super) fn find(content: &[u8]) -> Option<Found> {
    if content.len() > LARGEST {
        return None;
    }
    let value = content.trim_ascii();
    let matching = PATTERNS
        .iter()
        .position(|pattern| pattern.is_match(value))?;
    let (finding, what, _) = VALUES[matching];
    is_dense(value).then(|| Found {
        line: Some(1),
        finding,
        what: what.to_owned(),
        value: Some(Redacted::of(value)),
    })
}

#[cfg(test)]
pub(super) fn is_sound() -> bool {
    PATTERNS.len() == VALUES.len()
}
