//! Text that fits into a line, and its colours.

use cbox_driver::text::harmless;
use unicode_width::UnicodeWidthChar as _;

use super::printable::Printable;

/// How many characters of a text are looked at for a row: no window is as wide.
const LONGEST: usize = 500;

/// `text` without what a terminal would obey, in one line of at most `width` columns, with `…`
/// where something was cut off.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut fitted = String::new();
    let mut used = 0;
    // Where the cut would be, with one column left for its mark.
    let mut cut = 0;
    for character in harmless(text, LONGEST).chars() {
        let columns = character.width().unwrap_or(0);
        if used + columns > width {
            fitted.truncate(cut);
            if width > 0 {
                fitted.push('…');
            }
            return fitted;
        }
        used += columns;
        fitted.push(character);
        if used < width {
            cut = fitted.len();
        }
    }
    fitted.truncate(fitted.trim_end().len());
    fitted
}

/// `text` with a line feed in place of a blank wherever a line would be wider than `width`;
/// the first line has `taken` columns less, and those that are added begin with `indent` blanks.
/// What stands between backquotes is not broken, since
/// it is copied, and nor are lines that begin with a blank, which are lists and excerpts.
pub(super) fn wrap(text: &str, width: usize, taken: usize, indent: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    let (mut begun, mut used) = (taken, taken);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            wrapped.push('\n');
            (begun, used) = (0, 0);
        }
        if line.starts_with([' ', '\t']) {
            wrapped.push_str(line);
            continue;
        }
        let mut is_code = false;
        let pieces = line.split_inclusive(|one| {
            is_code ^= one == '`';
            one == ' ' && !is_code
        });
        for piece in pieces {
            let columns = columns(piece.trim_end());
            if used > begun && used + columns > width {
                wrapped.truncate(wrapped.trim_end_matches(' ').len());
                wrapped.push('\n');
                wrapped.extend(std::iter::repeat_n(' ', indent));
                (begun, used) = (indent, indent);
            }
            wrapped.push_str(piece);
            used += columns + (piece.len() - piece.trim_end().len());
        }
    }
    wrapped
}

/// The columns of a text, in which what sets colours has none.
pub(super) fn columns(text: &str) -> usize {
    let mut parts = text.split("\u{1b}[");
    let width = |text: &str| text.chars().filter_map(|one| one.width()).sum::<usize>();
    let first = parts.next().map_or(0, width);
    let rest = parts.filter_map(|part| Some(width(part.split_once('m')?.1)));
    first + rest.sum::<usize>()
}

/// As many of `parts` as fit into one line of `width` columns, the first in any case.
pub(super) fn fit_parts(parts: &[String], width: usize) -> String {
    let mut line = String::new();
    for (place, part) in parts.iter().filter(|part| !part.is_empty()).enumerate() {
        let longer = match place {
            0 => part.clone(),
            _ => format!("{line} · {part}"),
        };
        if place > 0 && longer.chars().filter_map(|one| one.width()).sum::<usize>() > width {
            continue;
        }
        line = longer;
    }
    fit(&line, width)
}

/// Colours for a stream, if that takes them (ECMA-48, 8.3.117).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    pub(crate) wanted: bool,
}

impl Paint {
    /// For what is read by programs.
    pub(crate) const NONE: Self = Self { wanted: false };

    /// A text of cbox's own in the look of `code`.
    pub(super) fn template(self, text: &str, code: &str) -> String {
        match self.wanted {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }

    /// What a warning begins with.
    pub(super) fn warning(self) -> Printable {
        self.paint("warning:", "33;1").and(" ")
    }

    /// A word for what became of something, in its colour.
    pub(crate) fn verdict(self, word: &str) -> Printable {
        match word {
            "changed" | "failed" | "removed" => self.paint(word, "31;1"),
            "added" | "equivalent" => self.paint(word, "33;1"),
            "unchanged" => self.paint(word, "32"),
            _ => Printable::from(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit() {
        for (text, width, fitted) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("a\tb", 9, "a  b"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("a\u{301}b", 2, "a\u{301}b"),
            ("a\u{202e}b\u{7}", 20, "a\\u{202e}b\\u{7}"),
            ("a\u{202e}b", 5, "a\\u{…"),
            ("a\nb\r\u{9b}c", 20, "a\\nb\\r\\u{9b}c"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(fit(text, width), fitted, "{text} in {width}");
        }
    }

    #[test]
    fn messages_are_wrapped_at_words() {
        for (text, taken, wrapped) in [
            ("one two three", 0, "one two\n  three"),
            ("one two three", 7, "one\n  two\n  three"),
            (
                "an `indivisible word` here",
                0,
                "an\n  `indivisible word`\n  here",
            ),
            (
                "one two three\n  left as it is",
                0,
                "one two\n  three\n  left as it is",
            ),
            (
                "\u{1b}[31mone\u{1b}[0m two",
                0,
                "\u{1b}[31mone\u{1b}[0m two",
            ),
            ("a  b\n\nc", 0, "a  b\n\nc"),
        ] {
            assert_eq!(wrap(text, 9, taken, 2), wrapped, "{text}");
        }
    }

    #[test]
    fn marks_without_width_do_not_pile_up() {
        let text = "a\u{301}".to_owned() + &"\u{301}".repeat(100_000);
        assert_eq!(fit(&text, 9).chars().count(), LONGEST + 1);
    }

    #[test]
    fn parts_that_do_not_fit_are_left_out() {
        let parts = ["first", "", "a long second part", "third"].map(str::to_owned);
        assert_eq!(fit_parts(&parts, 40), "first · a long second part · third");
        assert_eq!(fit_parts(&parts, 20), "first · third");
        assert_eq!(fit_parts(&parts, 4), "fir…");
    }
}
