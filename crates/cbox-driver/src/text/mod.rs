//! How numbers, times and rows are written for people.

pub mod byte_size;
pub mod duration;
pub mod nearest;
pub mod text_file;
pub mod utc;

use std::{borrow::Cow, time::Duration};

/// A size: `22.7 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 999.95 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{number:.1} {}", UNITS[unit])
    }
}

/// A time: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_millis() as f64 / 1000.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The same for a time that goes on, which has no tenths.
pub fn elapsed(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..10 => format!("{seconds} s"),
        seconds => duration(Duration::from_secs(seconds)),
    }
}

/// How long ago something was: `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`.
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3600 => (seconds / 60, "min"),
        3600..172_800 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{number} {unit} ago")
}

/// A number with its noun: `1 file`, `2 files`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Rows as columns, as wide as their widest cell.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

/// What marks the direction of writing, and would turn what stands behind it.
const DIRECTIONS: [std::ops::RangeInclusive<char>; 4] = [
    '\u{61c}'..='\u{61c}',
    '\u{200e}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2066}'..='\u{2069}',
];

/// Whether a character would be obeyed by a terminal rather than shown.
#[must_use]
pub fn is_obeyed(character: char) -> bool {
    let turns = DIRECTIONS.iter().any(|marks| marks.contains(&character));
    character.is_control() || turns
}

/// What is not seen, or looks like a blank and is none.
const INVISIBLE: [std::ops::RangeInclusive<char>; 8] = [
    '\u{a0}'..='\u{a0}',
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{180e}'..='\u{180e}',
    '\u{2000}'..='\u{200d}',
    '\u{2028}'..='\u{202f}',
    '\u{205f}'..='\u{2064}',
    '\u{3000}'..='\u{3000}',
];

/// `text`, which differs from another one, with all that is not seen written out: blanks at its
/// end, tabs, carriage returns, blanks that are not the usual one, and what has no width.
#[must_use]
pub fn visible(text: &str) -> String {
    let is_invisible = |one: char| {
        matches!(one, '\t' | '\r' | '\u{feff}')
            || INVISIBLE.iter().any(|range| range.contains(&one))
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

/// The gate for text from outside: names of files, values of a flake, what Nix and builders
/// print. A line of it, in which what a terminal would obey is escaped and a tab is two blanks,
/// of at most `most` characters.
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

/// The gate for text of several lines, however long: line feeds and tabs stay as they are.
#[must_use]
pub fn harmless_lines(text: &str) -> Cow<'_, str> {
    let is_escaped = |one: char| is_obeyed(one) && !matches!(one, '\n' | '\t');
    // Nearly every text has nothing to escape; beyond ASCII that begins with one of three bytes.
    let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2);
    if text.bytes().all(is_plain) || !text.contains(is_escaped) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn ages_have_one_unit() {
        for (seconds, text) in [
            (0, "0 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3 * 3600 + 59, "3 h ago"),
            (47 * 3600, "47 h ago"),
            (48 * 3600, "2 d ago"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (22_700_000, "22.7 MB"),
            (999_960, "1.0 MB"),
            (3 << 40, "3.3 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times_are_short() {
        for (milliseconds, done, going_on) in [
            (0, "0.0 s", "0 s"),
            (420, "0.4 s", "0 s"),
            (9_999, "10.0 s", "9 s"),
            (12_900, "12 s", "12 s"),
            (185_000, "3 min 5 s", "3 min 5 s"),
            (7_444_000, "2 h 4 min", "2 h 4 min"),
        ] {
            let time = Duration::from_millis(milliseconds);
            assert_eq!((&*duration(time), &*elapsed(time)), (done, going_on));
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

    #[test]
    fn columns_line_up() {
        let rows = [
            ["a".to_owned(), "bb".to_owned()],
            ["ccc".to_owned(), String::new()],
        ];
        assert_eq!(columns(&rows), ["a    bb", "ccc"]);
        assert_eq!(count(1, "file"), "1 file");
    }
}
