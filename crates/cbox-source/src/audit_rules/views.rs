//! The texts that a file can be read as: as it is, as UTF-16, and with its escapes undone.
//!
//! What is looked for is ASCII, so nothing else is kept of the other texts. Their lines are
//! those of the file.

use memchr::{memchr, memchr2_iter, memrchr};

/// How much of a file's beginning tells whether it is text, in bytes.
const HEAD: usize = 8000;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Utf16,
    Binary,
}

impl Kind {
    /// Tells it by the beginning of `content`, with a mark of the byte order or without.
    pub(super) fn of(content: &[u8]) -> Self {
        let head = &content[..content.len().min(HEAD)];
        if memchr(0, head).is_none() {
            return Self::Text;
        }
        let has_mark = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
        let nuls = |first: usize| head.iter().skip(first).step_by(2).filter(|it| **it == 0);
        let (even, odd) = (nuls(0).count(), nuls(1).count());
        // Text of few letters that are not of ASCII: the one half is NUL, the other is not.
        let is_half = even.max(odd) * 3 > head.len() && even.min(odd) * 16 < head.len();
        match has_mark || is_half {
            true => Self::Utf16,
            false => Self::Binary,
        }
    }
}

/// What of `content` is ASCII in UTF-16, in either order and at any place. What is between
/// such texts is one blank.
pub(super) fn narrow(content: &[u8]) -> Vec<u8> {
    let is_text = |byte: u8| (b' '..=b'~').contains(&byte) || matches!(byte, b'\n' | b'\r' | b'\t');
    // The character of a pair at `at`, whichever half is NUL.
    let character = |at: usize, nul_is_first: bool| {
        let pair = content.get(at..at + 2)?;
        let (nul, character) = match nul_is_first {
            true => (pair[0], pair[1]),
            false => (pair[1], pair[0]),
        };
        (nul == 0 && is_text(character)).then_some(character)
    };
    let mut text = Vec::with_capacity(content.len() / 2);
    let mut at = 0;
    while let Some(nul) = memchr(0, &content[at..]) {
        at = (at + nul).saturating_sub(1).max(at);
        let nul_is_first = content[at] == 0;
        let start = text.len();
        while let Some(character) = character(at, nul_is_first) {
            text.push(character);
            at += 2;
        }
        if text.len() > start {
            text.push(b' ');
        } else {
            at += 1;
        }
    }
    text
}

/// The lines of `text` in which escapes hide something, with all escapes undone, and of the
/// others only their ends. `None` where there is no such line.
pub(super) fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut undone = Vec::new();
    let mut done = 0;
    for at in memchr2_iter(b'\\', b'%', text) {
        if at < done || !hides(&text[at..]) {
            continue;
        }
        let start = memrchr(b'\n', &text[done..at]).map_or(done, |end| done + end + 1);
        let end = memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end);
        let passed = memchr::memchr_iter(b'\n', &text[done..start]).count();
        undone.resize(undone.len() + passed, b'\n');
        undo(&text[start..end], &mut undone);
        done = end;
    }
    (!undone.is_empty()).then_some(undone)
}

/// Whether the escape at the beginning of `text` stands for a character that a secret or what
/// is around it can have.
fn hides(text: &[u8]) -> bool {
    match text {
        [b'%', rest @ ..] => hex(rest, 2).is_some(),
        [b'\\', b'/' | b'"', ..] => true,
        [b'\\', b'u', rest @ ..] => hex(rest, 4).is_some(),
        [b'\\', b'x', rest @ ..] => hex(rest, 2).is_some(),
        _ => false,
    }
}

/// Adds one line without its escapes.
fn undo(line: &[u8], undone: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        let rest = &line[at + 1..];
        let (character, length) = match byte {
            b'%' => hex(rest, 2).map_or((b'%', 0), |character| (character, 2)),
            b'\\' => match rest.first() {
                Some(b'u') => hex(rest.get(1..).unwrap_or_default(), 4)
                    .map_or((byte, 0), |character| (character, 5)),
                Some(b'x') => hex(rest.get(1..).unwrap_or_default(), 2)
                    .map_or((byte, 0), |character| (character, 3)),
                Some(b'n' | b'r' | b't') => (b' ', 1),
                // An escape in an escape: what is left of it is undone next.
                Some(b'\\') => {
                    at += 1;
                    continue;
                }
                Some(&other) if other.is_ascii_punctuation() => (other, 1),
                _ => (byte, 0),
            },
            _ => (byte, 0),
        };
        // The lines have to stay those of the file.
        undone.push(if character == b'\n' { b' ' } else { character });
        at += 1 + length;
    }
}

/// The character that the first `digits` of `text` are the number of, if it is one of ASCII.
fn hex(text: &[u8], digits: usize) -> Option<u8> {
    let digits = text.get(..digits)?;
    let number = digits.iter().try_fold(0u32, |number, digit| {
        Some(number * 16 + char::from(*digit).to_digit(16)?)
    })?;
    u8::try_from(number).ok().filter(u8::is_ascii)
}
