//! How numbers, times and rows are written for people.

pub mod byte_size;
pub mod duration;
mod gate;
pub mod memory_size;
pub mod nearest;
pub mod text_file;
pub mod utc;

pub use self::gate::{
    bounded, harmless, harmless_json, harmless_lines, is_obeyed, path_line, path_text, visible,
};

use std::time::Duration;

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

/// The difference of two sizes, with its sign: `+1.5 kB`.
pub fn signed_size(old: u64, new: u64) -> String {
    let sign = if new < old { '-' } else { '+' };
    format!("{sign}{}", size(old.abs_diff(new)))
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

/// How many characters of a cell are shown: more than any path has.
const LONGEST_CELL: usize = 4200;

/// How wide a column is at most; a cell that is wider moves what stands behind it.
const WIDEST_COLUMN: usize = 400;

/// Rows as columns, as wide as their widest cell.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    // A cell takes the room of what is shown of it.
    let shown = |row: &[String; N]| row.each_ref().map(|cell| harmless(cell, LONGEST_CELL));
    let rows: Vec<[String; N]> = rows.iter().map(shown).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0).min(WIDEST_COLUMN)
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
        assert_eq!(signed_size(0, 1500), "+1.5 kB");
        assert_eq!(signed_size(1500, 500), "-1.0 kB");
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
        let rows = [
            ["\u{1b}".to_owned(), "b".to_owned()],
            ["x".repeat(1 << 20), "b\n".to_owned()],
        ];
        let lines = columns(&rows);
        assert_eq!(lines[0].trim_end_matches('b').trim_end(), "\\u{1b}");
        assert!(lines[0].len() == WIDEST_COLUMN + 3 && lines[1].len() < 5000);
        assert!(lines[1].ends_with("…  b\\n"));
        assert_eq!(count(1, "file"), "1 file");
    }
}
