//! What a program says, without what is another at each run or on each machine: as snapshots hold it.

use std::{collections::HashMap, sync::LazyLock};

use regex::{Captures, Regex};

use super::place::Place;

/// What stands in the place of each, in this order.
static REPLACEMENTS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"sha256-[A-Za-z0-9+/]{43}=", "sha256-<hash>"),
        (r"\b[0-9a-f]{40}\b", "<commit>"),
        (r"\baccepted at [0-9a-f]{10}\b", "accepted at <commit>"),
        (r"::[0-9a-f]{32}\b", "::<token>"),
        (r"\b(in|after) \d+(\.\d+)? (s|min)\b", "$1 <time>"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
    .into()
});

/// The hash in a store path. `<1>` is the first that a text names, wherever it does.
static STORE_HASH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("/[0-9abcdfghijklmnpqrsvwxyz]{32}-").unwrap());

impl Place {
    /// The text as it is in every place, at any time: `<place>` is the folder of this one, `<1>`
    /// the hash in a store path.
    pub(crate) fn stable(&self, text: &str) -> String {
        let folder = self.folder();
        let text = text.replace(folder.to_str().unwrap(), "<place>");
        let mut known = HashMap::new();
        let text = STORE_HASH.replace_all(&text, |found: &Captures<'_>| {
            let next = known.len() + 1;
            let number = known.entry(found[0].to_owned()).or_insert(next);
            format!("/<{number}>-")
        });
        let replace = |text: String, (pattern, with): &(Regex, &str)| {
            pattern.replace_all(&text, *with).into_owned()
        };
        REPLACEMENTS.iter().fold(text.into_owned(), replace)
    }
}
