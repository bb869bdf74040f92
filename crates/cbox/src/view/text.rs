//! How numbers, times and rows are written for people.

use std::time::Duration;

use unicode_width::UnicodeWidthChar as _;

/// A size: `22.7 MB`.
pub(crate) fn size(bytes: u64) -> String {
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
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_millis() as f64 / 1000.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The same for a time that goes on, which has no tenths.
pub(crate) fn elapsed(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..10 => format!("{seconds} s"),
        seconds => duration(Duration::from_secs(seconds)),
    }
}

/// How long ago something was: `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`.
pub(crate) fn age(time: Duration) -> String {
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
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Rows as columns, as wide as their widest cell.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
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

/// `text` in one line of at most `width` columns, with `…` where something was cut off.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut fitted = String::new();
    let mut used = 0;
    // Where the cut would be, with one column left for its mark.
    let mut cut = 0;
    for character in text.chars() {
        let character = if character == '\t' { ' ' } else { character };
        // A mark that turns the direction of writing has no width, and would turn the rest.
        let turns = matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let Some(columns) = character.width().filter(|_| !turns) else {
            continue;
        };
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

    /// `text` in the look of `code`.
    pub(crate) fn paint(self, text: &str, code: &str) -> String {
        match self.wanted {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }

    /// A word for what became of something, in its colour.
    pub(crate) fn verdict(self, word: &str) -> String {
        match word {
            "changed" | "failed" | "removed" => self.paint(word, "31;1"),
            "added" | "equivalent" => self.paint(word, "33;1"),
            "unchanged" => self.paint(word, "32"),
            _ => word.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn columns_line_up() {
        let rows = [
            ["a".to_owned(), "bb".to_owned()],
            ["ccc".to_owned(), String::new()],
        ];
        assert_eq!(columns(&rows), ["a    bb", "ccc"]);
        assert_eq!(count(1, "file"), "1 file");
    }

    #[test]
    fn lines_fit() {
        for (text, width, fitted) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("a\tb", 9, "a b"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("a\u{301}b", 2, "a\u{301}b"),
            ("a\u{202e}b\u{7}", 9, "ab"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(fit(text, width), fitted, "{text} in {width}");
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_left_out() {
        let parts = ["first", "", "a long second part", "third"].map(str::to_owned);
        assert_eq!(fit_parts(&parts, 40), "first · a long second part · third");
        assert_eq!(fit_parts(&parts, 20), "first · third");
        assert_eq!(fit_parts(&parts, 4), "fir…");
    }
}
