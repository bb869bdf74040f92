//! What Nix says while it evaluates: the first few different lines of warnings and traces,
//! and how many more there were. Some flakes print megabytes of them.

use nix_formats::nix_text::without_escapes;

/// How many different lines are kept.
const MOST: usize = 20;

/// How much of a line is kept, in bytes.
const LONGEST: usize = 500;

/// Lines as they come, kept in bounded memory.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    lines: Vec<Vec<u8>>,
    more: usize,
    is_over: bool,
    /// Whether the lines at hand are about the lock file.
    in_lock: bool,
}

/// What Nix says of each input that `--override-input` replaces, over some lines: the user
/// has just said so himself.
const REPLACED_INPUTS: &str = "warning: not writing modified lock file";

impl Messages {
    /// Takes the next line. From Nix's error on, which is told elsewhere, nothing is kept.
    pub fn push(&mut self, line: &[u8]) {
        self.is_over |= line.starts_with(b"error:") || line.starts_with(b"\x1b[31;1merror:");
        if self.is_over || line.trim_ascii().is_empty() {
            return;
        }
        let line = &line[..line.len().min(LONGEST)];
        let goes_on = line.starts_with(b" ") || line.starts_with("•".as_bytes());
        self.in_lock &= goes_on;
        self.in_lock |=
            without_escapes(&String::from_utf8_lossy(line)).starts_with(REPLACED_INPUTS);
        if self.in_lock {
            return;
        }
        if self.lines.iter().any(|known| known == line) {
            return;
        }
        if self.lines.len() < MOST {
            self.lines.push(line.to_owned());
        } else {
            self.more += 1;
        }
    }

    /// The lines that were kept, without what would move a terminal's cursor.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.lines
            .iter()
            .map(|line| without_escapes(&String::from_utf8_lossy(line)))
    }

    /// How many lines came that are none of those.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_once_and_in_bounded_number() {
        let mut messages = Messages::default();
        for round in 0..3 {
            for number in 0..MOST + 5 {
                messages.push(format!("warning: {number}").as_bytes());
            }
            messages.push(b"");
            assert_eq!(messages.more(), 5 * (round + 1));
        }
        let lines: Vec<String> = messages.lines().collect();
        assert_eq!(lines.len(), MOST);
        assert_eq!(lines[1], "warning: 1");
    }

    #[test]
    fn lines_are_cut_and_harmless() {
        let mut messages = Messages::default();
        messages.push(&vec![b'x'; 1 << 20]);
        messages.push(b"\x1b[35;1mwarning:\x1b[0m look \xff");
        let lines: Vec<String> = messages.lines().collect();
        assert_eq!(lines[0].len(), LONGEST);
        assert_eq!(lines[1], "warning: look \u{fffd}");
    }

    #[test]
    fn what_the_user_replaced_is_no_news() {
        let mut messages = Messages::default();
        for line in [
            "trace: a",
            "\u{1b}[35;1mwarning:\u{1b}[0m not writing modified lock file of flake 'path:x':",
            "• \u{1b}[1mUpdated input 'a':\u{1b}[0m",
            "    'path:b'",
            "  → 'path:c'",
            "warning: b",
            "  of two lines",
        ] {
            messages.push(line.as_bytes());
        }
        let lines: Vec<String> = messages.lines().collect();
        assert_eq!(lines, ["trace: a", "warning: b", "  of two lines"]);
    }

    #[test]
    fn the_error_is_told_elsewhere() {
        let mut messages = Messages::default();
        for line in ["trace: a", "error:", "   … while", "trace: b"] {
            messages.push(line.as_bytes());
        }
        assert_eq!(messages.lines().collect::<Vec<_>>(), ["trace: a"]);
    }
}
