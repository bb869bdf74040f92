//! The gate for text from outside: names of files, values of a flake, what Nix, git, builders
//! and machines print. Behind it nothing in a text is obeyed by a terminal, turns the direction
//! of writing or stays unseen, and no line is without an end.
//!
//! Lines that a CI system would take for commands are the affair of [`crate::ci::defused`].

use std::{borrow::Cow, os::unix::ffi::OsStrExt as _, path::Path};

/// What is not seen: marks of direction, what has no width, what ends a line in some viewers
/// alone, and the tags of Unicode, which can carry a whole text.
const HIDDEN: [std::ops::RangeInclusive<char>; 14] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff9}'..='\u{fffb}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Whether a character would be obeyed by a terminal, or hidden, rather than shown.
#[must_use]
pub fn is_obeyed(character: char) -> bool {
    character.is_control() || HIDDEN.iter().any(|range| range.contains(&character))
}

/// What looks like a blank and is none.
const BLANKS: [std::ops::RangeInclusive<char>; 5] = [
    '\u{a0}'..='\u{a0}',
    '\u{2000}'..='\u{200a}',
    '\u{202f}'..='\u{202f}',
    '\u{205f}'..='\u{205f}',
    '\u{3000}'..='\u{3000}',
];

/// `text`, which differs from another one, with all that is not seen written out: blanks at its
/// end, tabs, carriage returns, blanks that are not the usual one, and what has no width.
#[must_use]
pub fn visible(text: &str) -> String {
    let is_invisible = |one: char| {
        let is_hidden = is_obeyed(one) && (!one.is_control() || matches!(one, '\t' | '\r'));
        is_hidden || BLANKS.iter().any(|range| range.contains(&one))
    };
    let seen = text.trim_end_matches(' ');
    let mut visible = String::with_capacity(text.len());
    for character in seen.chars() {
        match is_invisible(character) {
            true => visible.extend(character.escape_default()),
            false => visible.push(character),
        }
    }
    visible.extend(std::iter::repeat_n("\\u{20}", text.len() - seen.len()));
    visible
}

/// A line of `text`, in which what would be obeyed is escaped and a tab is two blanks, of at most
/// `most` characters.
#[must_use]
pub fn harmless(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(most));
    for (position, character) in text.chars().enumerate() {
        if position == most {
            line.push('…');
            break;
        }
        match character {
            '\t' => line.push_str("  "),
            obeyed if is_obeyed(obeyed) => line.extend(obeyed.escape_default()),
            other => line.push(other),
        }
    }
    line
}

/// Whether nothing in `text` can be obeyed, as far as its bytes tell; nearly every text is like
/// that. What is obeyed beyond ASCII begins with one of these.
fn is_plain(text: &str) -> bool {
    let obeyed = |byte: u8| {
        byte < b' '
            || matches!(
                byte,
                0x7f | 0xc2 | 0xcd | 0xd8 | 0xe1 | 0xe2 | 0xe3 | 0xef | 0xf3
            )
    };
    !text.bytes().any(obeyed)
}

/// The gate for text of several lines, however long: line feeds and tabs stay as they are.
#[must_use]
pub fn harmless_lines(text: &str) -> Cow<'_, str> {
    let is_escaped = |one: char| is_obeyed(one) && !matches!(one, '\n' | '\t');
    if is_plain(text) || !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut lines = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match is_escaped(character) {
            true => lines.extend(character.escape_default()),
            false => lines.push(character),
        }
    }
    Cow::Owned(lines)
}

/// The gate for a JSON document, which means the same behind it. serde_json escapes the control
/// characters of ASCII and no others; and what some CI systems take for commands wherever it
/// stands, `##[` and `section_start:`, is broken up. All of it can be in strings alone, where
/// `\u` escapes it.
#[must_use]
pub fn harmless_json(document: &str) -> Cow<'_, str> {
    let is_escaped = |one: char| is_obeyed(one) && one != '\n';
    let is_command = |before: &str, next: char| match next {
        '#' => before.ends_with('#'),
        ':' => before.ends_with("section_start") || before.ends_with("section_end"),
        _ => false,
    };
    let has_command = ["##", "section_"]
        .iter()
        .any(|part| document.contains(part));
    if !has_command && (is_plain(document) || !document.contains(is_escaped)) {
        return Cow::Borrowed(document);
    }
    let mut safe = String::with_capacity(document.len() + 8);
    for character in document.chars() {
        if is_escaped(character) || is_command(&safe, character) {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units).iter();
            units.for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// How many characters of a line are shown: more than any path has.
const LONGEST_LINE: usize = 8192;

/// How many bytes of a text are shown.
const LONGEST_TEXT: usize = 256 * 1024;

/// As much of `text` as somebody can read: lines and the whole have an end.
#[must_use]
pub fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_LINE {
        return Cow::Borrowed(text);
    }
    let kept = &text[..text.floor_char_boundary(LONGEST_TEXT)];
    let mut shown = String::with_capacity(kept.len());
    for line in kept.split_inclusive('\n') {
        match line.char_indices().nth(LONGEST_LINE) {
            Some((end, _)) => {
                shown.push_str(&line[..end]);
                shown.push('…');
                shown.push_str(if line.ends_with('\n') { "\n" } else { "" });
            }
            None => shown.push_str(line),
        }
    }
    if kept.len() < text.len() {
        shown.push_str(&format!("\n… and {} more bytes", text.len() - kept.len()));
    }
    Cow::Owned(shown)
}

/// A path as text, in which each byte that is no UTF-8 is written out: `\xff`.
#[must_use]
pub fn path_text(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid().iter();
        invalid.for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// The same in one line, as it is shown: also line feeds and tabs are written out.
#[must_use]
pub fn path_line(path: &Path) -> String {
    let text = path_text(path);
    if !text.contains(is_obeyed) {
        return text;
    }
    let mut line = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match is_obeyed(character) {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn what_differs_is_seen() {
        for (text, seen) in [
            ("hello", "hello"),
            ("hello\r", "hello\\r"),
            ("hello  ", "hello\\u{20}\\u{20}"),
            (" a\tb", " a\\tb"),
            ("a\u{a0}b", "a\\u{a0}b"),
            ("hel\u{ad}lo", "hel\\u{ad}lo"),
            ("hel\u{200b}lo", "hel\\u{200b}lo"),
            ("\u{feff}x", "\\u{feff}x"),
            ("grün ✓", "grün ✓"),
        ] {
            assert_eq!(visible(text), seen);
        }
    }

    #[test]
    fn what_is_from_outside_is_shown_and_not_obeyed() {
        assert_eq!(harmless("a\tb", 9), "a  b");
        assert_eq!(harmless("\u{1b}[2J", 9), "\\u{1b}[2J");
        assert_eq!(harmless("a\u{202e}b\nc", 9), "a\\u{202e}b\\nc");
        assert_eq!(harmless("abcd", 3), "abc…");
        assert_eq!(harmless("日本", 2), "日本");
        assert_eq!(harmless_lines("a\tb\n日本 …"), "a\tb\n日本 …");
        assert_eq!(
            harmless_lines("a\n\u{61c}b\r\u{9b}"),
            "a\n\\u{61c}b\\r\\u{9b}"
        );
    }

    /// The shortcut for plain text knows every character that is obeyed.
    #[test]
    fn every_gate_is_shut_for_every_character_that_is_obeyed() {
        let all = ('\0'..=char::MAX).filter(|&one| is_obeyed(one) && !"\n\t".contains(one));
        let mut count = 0;
        for one in all {
            count += 1;
            let text = one.to_string();
            assert!(!harmless(&text, 9).contains(one), "{one:?}");
            assert!(!harmless_lines(&text).contains(one), "{one:?}");
            let json = serde_json::Value::from(text.clone()).to_string();
            let safe = harmless_json(&json);
            assert!(safe.is_ascii(), "{one:?}: {safe}");
            assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
        assert!(count > 4000, "{count}");
    }

    #[test]
    fn json_means_the_same_behind_the_gate() {
        for text in [
            "##[error]x",
            "a##vso[b",
            "###",
            "# # [",
            "section_start:1:a",
            "x section_end:1",
            "grün \u{1f980}",
        ] {
            let json = format!("{:#}", serde_json::json!({ text: [text] }));
            let safe = harmless_json(&json);
            assert!(!safe.contains("##") && !safe.contains("t:1") && !safe.contains("d:1"));
            let (before, behind): (serde_json::Value, serde_json::Value) = (
                serde_json::from_str(&json).unwrap(),
                serde_json::from_str(&safe).unwrap(),
            );
            assert_eq!(before, behind);
        }
        let tag = serde_json::Value::from("\u{e0041}").to_string();
        assert_eq!(harmless_json(&tag), r#""\udb40\udc41""#);
    }

    #[test]
    fn what_is_shown_has_an_end() {
        let long = "é".repeat(1 << 20);
        assert_eq!(bounded(&long).chars().count(), LONGEST_LINE + 1 + 25);
        assert!(bounded(&long).ends_with("… and 1835008 more bytes"));
        let lines = "x\n".repeat(1 << 20);
        assert!(bounded(&lines).len() < LONGEST_TEXT + 100);
        let whole = format!("a\n{}", "b".repeat(LONGEST_LINE));
        assert_eq!(bounded(&whole), whole);
    }

    #[test]
    fn bytes_that_are_no_text_are_written_out() {
        let path = |bytes: &'static [u8]| path_text(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(path(b"a/\xff\xfeb\xc3"), "a/\\xff\\xfeb\\xc3");
        assert_eq!(path("grün".as_bytes()), "grün");
        assert_eq!(path_line(Path::new("a\tb\n\u{9b}")), "a\\tb\\n\\u{9b}");
    }
}
