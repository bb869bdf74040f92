//! What must not be in a tree that images are made of: keys, tokens, passwords, state.
//!
//! [`of_path`] goes by a file's name, [`of_content`] by what is in it. The rules are tables:
//! names in [`paths`], binary formats in [`stores`], marks such as the beginning of a key in
//! [`known`] and [`gitleaks`], which [`marks`] looks for, and values beside a telling name in
//! [`assignments`]. A file is read in several ways, which [`views`] has. What a rule finds is
//! never kept whole: see [`Redacted`].

mod assignments;
mod examples;
mod finding;
mod gitleaks;
#[cfg(test)]
mod hostile;
mod known;
mod marks;
mod paths;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod real_trees;
mod stores;
#[cfg(test)]
mod tests;
mod values;
mod views;
mod whole;

use std::{collections::BTreeMap, io::Read as _, path::Path};

use serde::Serialize;

use crate::disk_image;

pub use finding::{Finding, UnknownFinding};
pub use paths::{bare_repositories, of_path};

/// Larger files are a finding, in bytes.
pub const LARGEST: u64 = 10_000_000;

/// How much of a file's beginning is looked into, in bytes.
pub const LOOKED_INTO: u64 = 16 << 20;

/// The most findings of one kind that are told of one file.
const MOST: usize = 1000;

/// Something that was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Found {
    /// The line, from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// Under which name it is allowed.
    pub finding: Finding,
    /// What it is, for people: `a GitHub token`.
    pub what: String,
    /// The value, where there is one.
    pub value: Option<Redacted>,
}

impl Found {
    /// A file that is a finding as a whole.
    pub(crate) fn file(finding: Finding, what: impl Into<String>) -> Self {
        Self {
            line: None,
            finding,
            what: what.into(),
            value: None,
        }
    }
}

/// What may be told of a secret: how it begins and how long it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Redacted {
    /// Its first four characters.
    pub begins: String,
    /// How many bytes it has.
    pub length: usize,
}

impl Redacted {
    fn of(value: &[u8]) -> Self {
        let text = String::from_utf8_lossy(value);
        Self {
            begins: text.chars().take(4).collect(),
            length: value.len(),
        }
    }
}

impl std::fmt::Display for Redacted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { begins, length } = self;
        write!(formatter, "{begins}… ({length} characters)")
    }
}

/// What is found in one file.
struct Collected<'f> {
    found: &'f mut Vec<Found>,
    /// How many of each kind.
    counts: BTreeMap<Finding, usize>,
    has_lines: bool,
}

impl Collected<'_> {
    /// Whether there are so many of a kind that no more are told.
    fn is_full(&self, finding: Finding) -> bool {
        self.counts
            .get(&finding)
            .is_some_and(|count| *count >= MOST)
    }

    /// Adds one, unless there are enough of its kind.
    fn add(&mut self, mut found: Found) {
        if !self.is_full(found.finding) {
            *self.counts.entry(found.finding).or_default() += 1;
            found.line = found.line.filter(|_| self.has_lines);
            self.found.push(found);
        }
    }
}

/// What is found in the file at `path` of `size` bytes, whose first [`LOOKED_INTO`] bytes are
/// `content`. The findings are in the order of their lines, each line's finding once.
#[must_use]
pub fn of_content(path: &Path, content: &[u8], size: u64) -> Vec<Found> {
    let mut found = Vec::new();
    let head = &content[..content.len().min(disk_image::HEAD)];
    let read_at = |buffer: &mut [u8], offset| {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| content.get(at..));
        rest.unwrap_or_default().read(buffer)
    };
    if let Some(image) = disk_image::find(head, size, &read_at) {
        found.push(Found::file(Finding::DiskImage, image.to_string()));
    } else if size > LARGEST {
        let megabytes = size.div_ceil(1_000_000);
        found.push(Found::file(
            Finding::LargeFile,
            format!("a file of {megabytes} MB"),
        ));
    }
    if let Some((finding, what)) = stores::find(content) {
        found.push(Found::file(finding, what));
    }
    found.extend(paths::with_passwords(path, content));
    found.extend(whole::find(content));
    of_texts(path, content, &mut found);
    if path.extension().is_some_and(|extension| extension == "nix") {
        let is_example = {
            let lines: Vec<&[u8]> = match found.is_empty() {
                true => Vec::new(),
                false => content.split(|&byte| byte == b'\n').collect(),
            };
            move |line: usize| examples::documents_option(&lines, line)
        };
        found.retain(|it| !it.line.is_some_and(&is_example));
    }
    found.sort();
    found.dedup_by(|one, other| {
        let is_same = one.finding == other.finding || one.value == other.value;
        match one.line {
            Some(_) => one.line == other.line && is_same,
            None => one == other,
        }
    });
    found
}

/// Adds what is found in the texts that `content` can be read as.
fn of_texts(path: &Path, content: &[u8], found: &mut Vec<Found>) {
    let kind = views::Kind::of(content);
    let mut found = Collected {
        found,
        counts: BTreeMap::new(),
        has_lines: kind != views::Kind::Binary,
    };
    let mut look = |text: &[u8], is_setting: bool| {
        let unescaped = views::unescaped(text);
        for text in std::iter::once(text).chain(unescaped.as_deref()) {
            marks::find(text, &mut found);
            if is_setting {
                assignments::find(path, text, &mut found);
            }
        }
    };
    look(content, kind == views::Kind::Text);
    let narrow = views::narrow(content);
    if !narrow.is_empty() {
        look(&narrow, kind == views::Kind::Utf16);
    }
}
