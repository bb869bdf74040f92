//! The live view on a terminal: rows below everything else, drawn again and again.
//!
//! indicatif counts the lines that it has drawn and moves up by as many, which leaves rows
//! behind where a window that was made narrower has wrapped them (console-rs/indicatif#182),
//! and would take the user's own away where it cuts them instead. So [`Lines`] takes what
//! indicatif draws, and here it is put on the screen such that nothing has to be counted:
//! between two drawings the cursor stands at the first cell of the first line. Whatever a
//! terminal does to the lines when its window changes, that cell stays the beginning, and what
//! is erased from there on is the view and nothing else. Also the `^C` that a terminal writes
//! on Ctrl-C lands there, and goes with the rest. Nothing is switched that would have to be
//! switched back.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use indicatif::TermLike;
use rustix::termios::tcgetwinsize;

use super::{bars::Bars, rows::Row, text::Paint};

/// Erases from the cursor on, which stands at the beginning of the view.
const ERASE: &str = "\r\u{1b}[J";

/// What the view has on the terminal.
#[derive(Debug)]
pub(super) struct Screen {
    bars: Bars,
    lines: Lines,
    is_drawn: bool,
}

impl Screen {
    pub(super) fn new(paint: Paint) -> Self {
        let lines = Lines::default();
        Self {
            bars: Bars::new(Box::new(lines.clone()), paint),
            lines,
            is_drawn: false,
        }
    }

    /// What has to be written before anything else is.
    pub(super) fn erase(&mut self) -> &'static str {
        match std::mem::take(&mut self.is_drawn) {
            true => ERASE,
            false => "",
        }
    }

    /// From now on `rows` are to be drawn.
    pub(super) fn show(&mut self, rows: &[Row]) {
        let (columns, height) = window();
        self.bars.show(rows, columns, height);
    }

    /// What draws the rows, over those that are there.
    pub(super) fn draw(&mut self) -> String {
        let lines = self.lines.state().drawn.clone();
        self.put(&lines)
    }

    fn put(&mut self, lines: &[String]) -> String {
        if lines.is_empty() {
            return self.erase().to_owned();
        }
        self.is_drawn = true;
        // While they are drawn, lines that are wider than thought are cut by the terminal.
        let mut text = String::from("\u{1b}[?7l");
        for (place, line) in lines.iter().enumerate() {
            if place > 0 {
                text.push('\n');
            }
            text.push_str(&format!("\r{line}\u{1b}[K"));
        }
        text.push_str("\u{1b}[J");
        if lines.len() > 1 {
            text.push_str(&format!("\u{1b}[{}A", lines.len() - 1));
        }
        text.push_str("\r\u{1b}[?7h");
        text
    }
}

/// The lines that indicatif draws, for [`Screen`] to put them on the terminal in one write.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Drawing>>);

#[derive(Debug, Default)]
struct Drawing {
    /// What is being drawn.
    next: Vec<String>,
    /// What was drawn last.
    drawn: Vec<String>,
}

impl Lines {
    fn state(&self) -> MutexGuard<'_, Drawing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TermLike for Lines {
    fn width(&self) -> u16 {
        window().0
    }

    fn height(&self) -> u16 {
        window().1
    }

    /// Takes a line. The blanks behind it, up to where the terminal would turn to the next,
    /// are not needed.
    fn write_str(&self, text: &str) -> io::Result<()> {
        if !text.trim_matches(' ').is_empty() {
            self.state().next.push(text.to_owned());
        }
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    /// All lines are there.
    fn flush(&self) -> io::Result<()> {
        let mut state = self.state();
        state.drawn = std::mem::take(&mut state.next);
        Ok(())
    }

    // Where the cursor goes is not indicatif's affair.

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The columns and rows of the window that standard error is.
pub(super) fn window() -> (u16, u16) {
    let size = tcgetwinsize(std::io::stderr()).ok();
    // Some terminals do not know, and say 0.
    let known = |number: u16, usual: u16| match number {
        0 => usual,
        number => number,
    };
    (
        known(size.map_or(0, |size| size.ws_col), 80),
        known(size.map_or(0, |size| size.ws_row), 24),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(terminal: &vt100::Parser) -> Vec<String> {
        let rows = terminal.screen().rows(0, 20);
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    #[test]
    fn a_frame_that_is_half_drawn_has_old_and_new_lines_and_nothing_else() {
        for colour in [false, true] {
            let paint = Paint { wanted: colour };
            let mut screen = Screen::new(paint);
            let mut terminal = vt100::Parser::new(6, 20, 0);
            terminal.process(b"$ cbox\r\n");
            for frame in [
                &["* head", "  one", "  two"][..],
                &["- head, longer", "  three"],
                &["+ h", "  one", "  two", "  three"],
            ] {
                let before = rows(&terminal);
                let look = |line: &&str| match line.starts_with(' ') {
                    true => paint.template(line, "2"),
                    false => (*line).to_owned(),
                };
                let lines: Vec<String> = frame.iter().map(look).collect();
                // The terminal adds it, unless it is told not to.
                let drawn = screen.put(&lines).replace('\n', "\r\n");
                for byte in drawn.bytes() {
                    terminal.process(&[byte]);
                    for (place, row) in rows(&terminal).iter().enumerate().skip(1) {
                        let new = frame.get(place - 1).copied().unwrap_or_default();
                        let is_part = new.starts_with(row) || {
                            // The new line's beginning, over the old one.
                            let same = |(a, b): &(char, char)| a == b;
                            let drawn = row.chars().zip(new.chars()).take_while(same).count();
                            row.chars()
                                .skip(drawn)
                                .eq(before[place].chars().skip(drawn))
                        };
                        assert!(is_part, "`{row}` between {before:?} and {frame:?}");
                    }
                }
                assert_eq!(rows(&terminal)[1..=frame.len()], frame[..]);
                assert_eq!(terminal.screen().cursor_position(), (1, 0));
            }
            terminal.process(screen.erase().as_bytes());
            assert_eq!(terminal.screen().contents(), "$ cbox");
            assert_eq!(screen.erase(), "");
        }
    }
}
