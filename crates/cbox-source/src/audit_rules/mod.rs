//! What must not be in a tree that images are made of: keys, tokens, passwords, state.
//!
//! [`of_path`] goes by a file's name, [`of_content`] by what is in it. The rules are tables:
//! names in [`paths`], marks such as the beginning of a key in [`marks`], and values beside a
//! telling name in [`assignments`]. What a rule finds is never kept whole: see [`Redacted`].

mod assignments;
mod finding;
mod marks;
mod paths;
#[cfg(test)]
mod tests;
mod values;

use std::{io::Read as _, path::Path};

use memchr::{memchr, memchr_iter};
use serde::Serialize;

use crate::disk_image;

pub use finding::{Finding, UnknownFinding};
pub use paths::{bare_repositories, of_path};

/// Larger files are a finding, in bytes.
pub const LARGEST: u64 = 10_000_000;

/// How much of a file's beginning is looked into, in bytes.
pub const LOOKED_INTO: u64 = 16 << 20;

/// A file with a NUL in so many first bytes is no text.
const TEXT_HEAD: usize = 8000;

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
    let head = &content[..content.len().min(TEXT_HEAD)];
    if memchr(0, head).is_none() {
        marks::find(content, &mut found);
        assignments::find(path, content, &mut found);
    }
    found.sort();
    found.dedup_by(|one, other| {
        one.line.is_some() && (one.line, one.finding) == (other.line, other.finding)
    });
    found
}

/// The line of the byte at `offset`, from 1.
fn line_of(content: &[u8], offset: usize) -> usize {
    memchr_iter(b'\n', &content[..offset]).count() + 1
}
