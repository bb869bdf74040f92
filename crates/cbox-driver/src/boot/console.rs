//! What a machine says on its serial console, made harmless and read line by line.
//!
//! A guest prints what it likes: escape sequences that would move the user's cursor or
//! rename the window, text that is no UTF-8, lines without an end. [`Cleaner`] lets through
//! text alone, [`Lines`] finds the line that a boot waits for and keeps the last ones.

use std::collections::VecDeque;

use regex::Regex;

use crate::text::is_obeyed;

/// How much of a line is looked at; the rest of it is passed on unseen.
const LINE_LIMIT: usize = 16 * 1024;

/// How many lines are kept for an error, and how much of each.
const KEPT: usize = 12;
const KEPT_LENGTH: usize = 300;

/// Where in an escape sequence the stream is (ECMA-48, 5.3 to 5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// Behind ESC.
    Escape,
    /// In a control sequence.
    Control,
    /// In a control string: OSC, DCS, SOS, PM or APC.
    String,
    /// Behind ESC in a control string.
    StringEscape,
}

/// Turns the bytes of a console into text, across the borders of what was read at once.
#[derive(Debug)]
pub struct Cleaner {
    state: State,
    /// The beginning of a character whose end is yet to come.
    begun: Vec<u8>,
    /// Whether a carriage return waits to be told what it meant.
    returned: bool,
    at_line_start: bool,
    /// What the line holds while nothing of it can be read: blanks and frames.
    blank: String,
    /// Whether something of the line can be read.
    has_text: bool,
    /// Whether the line before was empty.
    after_empty: bool,
}

/// Whether a character is no more than a frame or a gap. Boot loaders draw frames in the
/// characters of old machines, which are no UTF-8.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            char::REPLACEMENT_CHARACTER | '\u{2500}'..='\u{259f}'
        )
}

impl Default for Cleaner {
    fn default() -> Self {
        Self::new()
    }
}

impl Cleaner {
    /// At the beginning of a console.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Text,
            begun: vec![],
            returned: false,
            at_line_start: true,
            blank: String::new(),
            has_text: false,
            after_empty: false,
        }
    }

    /// The text in `bytes`. Lines end with a line feed, also those that the guest ended
    /// with a carriage return or by moving the cursor. Of lines with nothing to read, one
    /// empty line is left.
    pub fn clean(&mut self, bytes: &[u8]) -> String {
        let mut begun = std::mem::take(&mut self.begun);
        begun.extend_from_slice(bytes);
        let mut text = String::with_capacity(begun.len());
        let mut chunks = begun.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for character in chunk.valid().chars() {
                self.take(character, &mut text);
            }
            let invalid = chunk.invalid();
            let may_go_on = chunks.peek().is_none()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if may_go_on {
                self.begun = invalid.to_owned();
            } else if !invalid.is_empty() {
                self.take(char::REPLACEMENT_CHARACTER, &mut text);
            }
        }
        text
    }

    fn take(&mut self, character: char, text: &mut String) {
        self.state = match (self.state, character) {
            // A line feed ends whatever was begun: a guest that died in the middle of a
            // control string must not swallow the rest.
            (_, '\n') => {
                self.returned = false;
                self.end_line(text);
                State::Text
            }
            (State::String, '\u{1b}') => State::StringEscape,
            (State::String, '\u{7}' | '\u{9c}') | (State::StringEscape, '\\') => State::Text,
            (State::String, _) => State::String,
            (_, '\u{1b}') => State::Escape,
            (State::Escape | State::StringEscape, '[') => State::Control,
            (State::Escape | State::StringEscape, ']' | 'P' | 'X' | '^' | '_') => State::String,
            (State::Escape | State::StringEscape, ' '..='/') => State::Escape,
            (State::Escape | State::StringEscape, _) => State::Text,
            (State::Control, '\u{40}'..='\u{7e}') => {
                // The cursor goes elsewhere: what follows is no part of this line.
                if matches!(character, 'H' | 'f' | 'A' | 'B' | 'E' | 'F' | 'd')
                    && !self.at_line_start
                {
                    self.end_line(text);
                }
                State::Text
            }
            (State::Control, _) => State::Control,
            (State::Text, '\u{9b}') => State::Control,
            (State::Text, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => State::String,
            (State::Text, '\r') => {
                self.returned = true;
                State::Text
            }
            (State::Text, other) => {
                // Of what is obeyed the marks of direction, and what is hidden, are written out.
                if other == '\t' || !other.is_control() {
                    if self.returned && !self.at_line_start {
                        self.end_line(text);
                    }
                    self.returned = false;
                    self.at_line_start = false;
                    match is_obeyed(other) && other != '\t' {
                        true => other.escape_default().for_each(|one| self.push(one, text)),
                        false => self.push(other, text),
                    }
                }
                State::Text
            }
        };
    }

    fn push(&mut self, character: char, text: &mut String) {
        if is_blank(character) && !self.has_text {
            self.blank.push(character);
            return;
        }
        self.has_text = true;
        text.push_str(&self.blank);
        self.blank.clear();
        text.push(character);
    }

    fn end_line(&mut self, text: &mut String) {
        self.at_line_start = true;
        self.blank.clear();
        let is_empty = !std::mem::take(&mut self.has_text);
        if !(is_empty && self.after_empty) {
            text.push('\n');
        }
        self.after_empty = is_empty;
    }
}

/// What a machine may tell the terminal that it has for itself: to move the cursor, to colour and
/// to clear, but nothing in a control string (OSC, DCS, SOS, PM, APC; ECMA-48, 5.6), by which it
/// would write to the clipboard, rename the window or make a link. Characters of C1 begin such
/// strings too.
#[derive(Debug, Default)]
pub struct Screened {
    state: Screening,
    /// Behind the first byte of a character of C1.
    c1: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Screening {
    #[default]
    Passed,
    Escape,
    String,
    StringEscape,
}

impl Screened {
    /// What of `bytes` is passed on.
    pub fn screen(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(bytes.len() + 2);
        for &byte in bytes {
            self.take(byte, &mut passed);
        }
        passed
    }

    fn take(&mut self, byte: u8, passed: &mut Vec<u8>) {
        // All of C1 is dropped: 0xc2 and a byte up to 0x9f. What it would end, or begin, is told.
        let begins = |byte: u8| matches!(byte, b'P' | b'X' | b']' | b'^' | b'_');
        if std::mem::take(&mut self.c1) {
            match byte {
                0x9c => self.state = Screening::Passed,
                0x80..=0x9f if begins(byte - 0x40) => self.state = Screening::String,
                0x80..=0x9f => {}
                0xa0..=0xbf if self.state == Screening::Passed => passed.extend([0xc2, byte]),
                // Alone it is no character, and could become one with what follows.
                _ => {}
            }
            if matches!(byte, 0x80..=0xbf) {
                return;
            }
        }
        if byte == 0xc2 {
            self.c1 = true;
            // An escape sequence does not go on with it.
            if self.state == Screening::Escape {
                self.state = Screening::Passed;
            }
            return;
        }
        self.state = match (self.state, byte) {
            (Screening::Passed | Screening::Escape, 0x1b) => Screening::Escape,
            (Screening::Escape, byte) if begins(byte) => Screening::String,
            (Screening::Escape, byte) => {
                passed.extend([0x1b, byte]);
                Screening::Passed
            }
            (Screening::Passed, byte) => {
                passed.push(byte);
                Screening::Passed
            }
            // A line feed ends what was begun: a machine that died must not swallow the rest.
            (Screening::String | Screening::StringEscape, b'\n') => {
                passed.push(byte);
                Screening::Passed
            }
            (Screening::String, 0x07) | (Screening::StringEscape, b'\\') => Screening::Passed,
            (Screening::String | Screening::StringEscape, 0x1b) => Screening::StringEscape,
            (Screening::StringEscape, byte) if begins(byte) => Screening::String,
            (Screening::StringEscape, _) | (Screening::String, _) => Screening::String,
        };
    }
}

/// Whether a kernel says this: its lines begin with the seconds since it began, as
/// `[    0.000000]`.
pub(super) fn is_of_kernel(line: &str) -> bool {
    let stamp = line.strip_prefix('[').and_then(|line| line.split_once(']'));
    let parts = stamp.and_then(|(stamp, _)| stamp.trim_start().split_once('.'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    parts.is_some_and(|(seconds, micros)| digits(seconds) && micros.len() == 6 && digits(micros))
}

/// The lines of a console, of which one may be waited for.
#[derive(Debug)]
pub(super) struct Lines {
    until: Option<Regex>,
    /// The line that has no end yet.
    line: String,
    last: VecDeque<String>,
}

impl Lines {
    /// Waits for `until`, or only keeps the last lines.
    pub(super) fn new(until: Option<Regex>) -> Self {
        Self {
            until,
            line: String::new(),
            last: VecDeque::new(),
        }
    }

    /// Takes more text. Answers the line that was waited for, when it is there.
    pub(super) fn push(&mut self, text: &str) -> Option<String> {
        for part in text.split_inclusive('\n') {
            let (content, ends) = match part.strip_suffix('\n') {
                Some(content) => (content, true),
                None => (part, false),
            };
            let room = LINE_LIMIT.saturating_sub(self.line.len());
            self.line
                .push_str(&content[..content.floor_char_boundary(room)]);
            if ends {
                let found = self.unfinished();
                let line = std::mem::take(&mut self.line);
                self.keep(&line);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// The line that has no end yet, if it is what was waited for: a prompt. It is asked
    /// for when nothing has come for a while, since more of the line could follow.
    pub(super) fn unfinished(&self) -> Option<String> {
        let until = self.until.as_ref()?;
        let line = self.line.trim_end();
        (until.is_match(&self.line) || until.is_match(line)).then(|| line.to_owned())
    }

    /// Whether there is a line without an end.
    pub(super) fn has_unfinished(&self) -> bool {
        !self.line.is_empty()
    }

    /// The last lines that are not blank, for an error.
    pub(super) fn last(&self) -> Vec<String> {
        let mut lines = Self {
            until: None,
            line: String::new(),
            last: self.last.clone(),
        };
        lines.keep(&self.line);
        lines.last.into()
    }

    fn keep(&mut self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        let short = match line.char_indices().nth(KEPT_LENGTH) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_owned(),
        };
        self.last.push_back(short);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All at once, and byte by byte, which has to be the same.
    fn clean(bytes: &[u8]) -> String {
        let at_once = Cleaner::new().clean(bytes);
        let mut cleaner = Cleaner::new();
        let one_by_one: String = bytes.iter().map(|byte| cleaner.clean(&[*byte])).collect();
        assert_eq!(at_once, one_by_one);
        at_once
    }

    #[test]
    fn text_stays_and_escapes_go() {
        for (bytes, text) in [
            (&b"a\tb\n"[..], "a\tb\n"),
            ("grün €\u{1f980}\n".as_bytes(), "grün €\u{1f980}\n"),
            (b"\x1b[1;31mred\x1b[0m\n", "red\n"),
            (b"\x1b]0;title\x07a\x1b]52;c;eA==\x1b\\b", "ab"),
            (b"\x1bPq#0\x1b\\a\x1b_x\x1b\\b\x1b(Bc\x1b=d\x1bcd", "abcdd"),
            ("\u{9b}31ma\u{9d}x\u{9c}b\u{85}".as_bytes(), "ab"),
            (b"\x07\x08a\x00\x7fb\x0e", "ab"),
            (b"\x1b]0;never ended\nnext", "\nnext"),
            (b"\x1b[31\nnext\x1b", "\nnext"),
            (b"\x1b]0;a\x1b]0;b\x07c", "c"),
            (
                "a\u{202e}b\u{2028}\u{200b}".as_bytes(),
                "a\\u{202e}b\\u{2028}\\u{200b}",
            ),
        ] {
            assert_eq!(clean(bytes), text, "{bytes:?}");
        }
    }

    #[test]
    fn a_screen_is_drawn_on_and_the_clipboard_is_not() {
        for (bytes, passed) in [
            (
                &b"\x1b[2J\x1b[1;31mred\x1b[0m\r\n\x1bM\x1b(B"[..],
                &b"\x1b[2J\x1b[1;31mred\x1b[0m\r\n\x1bM\x1b(B"[..],
            ),
            (b"a\x1b]52;c;eA==\x07b\x1b]0;t\x1b\\c", b"abc"),
            (
                b"a\x1bPq#0\x1b\\b\x1b_x\x1b\\c\x1b^y\x1b\\d\x1bXz\x1b\\e",
                b"abcde",
            ),
            ("a\u{9d}52;c;x\u{9c}b\u{9b}31mc\u{85}".as_bytes(), b"ab31mc"),
            ("grün \u{a0}€".as_bytes(), "grün \u{a0}€".as_bytes()),
            (b"\x1b]0;never ended\nnext", b"\nnext"),
            (b"\x1b]0;a\x1b[31mb\x07c\x1b", b"c"),
            (b"\x1b]0;a\x1b]52;b\x07c", b"c"),
            (b"a\x1b\xc2\x9d0;t\x07b\xc2\x1b]0;t\x07c", b"abc"),
            (b"a\xc2\xc2\x9b\x9d0;t", b"a\x9d0;t"),
        ] {
            assert_eq!(Screened::default().screen(bytes), passed, "{bytes:?}");
            let mut screened = Screened::default();
            let one_by_one = bytes.iter().flat_map(|byte| screened.screen(&[*byte]));
            assert_eq!(one_by_one.collect::<Vec<_>>(), passed, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_utf_8_is_shown_as_such() {
        assert_eq!(clean(b"a\xff\xfeb\n"), "a\u{fffd}\u{fffd}b\n");
        assert_eq!(clean(b"\xe2\x82b"), "\u{fffd}b");
        // The end of a character may come later.
        assert_eq!(clean(b"a\xe2\x82"), "a");
    }

    #[test]
    fn lines_end_as_the_guest_ends_them() {
        for (bytes, text) in [
            (&b"a\r\nb\r\r\nc"[..], "a\nb\nc"),
            (b"10%\r20%\r\n", "10%\n20%\n"),
            (b"\r\r\na\r", "\na"),
            (b"\x1b[2J\x1b[1;1Hmenu\x1b[2;1Hentry\n", "menu\nentry\n"),
        ] {
            assert_eq!(clean(bytes), text, "{bytes:?}");
        }
    }

    fn lines(until: &str) -> Lines {
        Lines::new(Some(Regex::new(until).unwrap()))
    }

    #[test]
    fn a_kernel_is_told_by_its_clock() {
        for (line, is) in [
            ("[    0.000000] Linux version 6.12", true),
            ("[12345.123456] x", true),
            ("[  OK  ] Started x.", false),
            ("[1.5] x", false),
            ("x [    0.000000]", false),
            ("[", false),
        ] {
            assert_eq!(is_of_kernel(line), is, "{line}");
        }
    }

    #[test]
    fn a_line_is_found_when_it_is_whole() {
        let mut lines = lines("^ready (a|b)");
        assert_eq!(lines.push("not ready a\nrea"), None);
        assert_eq!(lines.push("dy a to"), None);
        assert_eq!(lines.push(" go \nmore"), Some("ready a to go".to_owned()));
    }

    #[test]
    fn a_prompt_has_no_end() {
        for until in ["login: $", "login:$", "^box login"] {
            let mut lines = lines(until);
            assert_eq!(lines.push("boot\nbox login: "), None);
            assert!(lines.has_unfinished());
            assert_eq!(lines.unfinished(), Some("box login:".to_owned()), "{until}");
        }
        assert_eq!(Lines::new(None).unfinished(), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut lines = lines("^.{9}$");
        let much = "é".repeat(1_000_000);
        for _ in 0..10 {
            assert_eq!(lines.push(&much), None);
        }
        assert!(lines.line.len() <= LINE_LIMIT);
        for number in 0..1000 {
            lines.push(&format!("{number}\n\n"));
        }
        lines.push("open");
        let last = lines.last();
        assert_eq!(last.len(), KEPT);
        assert_eq!(last[KEPT - 2..], ["999", "open"]);
        let mut lines = Lines::new(None);
        lines.push(&much);
        assert!(lines.last()[0].chars().count() == KEPT_LENGTH + 1);
    }
}
