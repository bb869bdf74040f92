//! The live view on a terminal: a few lines below everything else, drawn again and again.
//!
//! Between two drawings the cursor stands at the first cell of the first line. Whatever a
//! terminal does to the lines when its window changes (some wrap them anew), that cell stays
//! the beginning, and what is erased from there on is the view and nothing else. Also the
//! `^C` that a terminal writes on Ctrl-C lands there, and goes with the rest. Nothing is
//! switched that would have to be switched back.

use rustix::termios::tcgetwinsize;

use super::frame::Window;

/// Erases from the cursor on, which stands at the beginning of the view.
const ERASE: &str = "\r\u{1b}[J";

/// What the view has on the terminal.
#[derive(Debug, Default)]
pub(super) struct Screen {
    drawn: bool,
    colour: bool,
}

impl Screen {
    pub(super) fn new(colour: bool) -> Self {
        Self {
            drawn: false,
            colour,
        }
    }

    /// What has to be written before anything else is.
    pub(super) fn erase(&mut self) -> &'static str {
        if std::mem::take(&mut self.drawn) {
            ERASE
        } else {
            ""
        }
    }

    /// What draws `lines`, over those that are there.
    pub(super) fn draw(&mut self, lines: &[String]) -> String {
        if lines.is_empty() {
            return self.erase().to_owned();
        }
        self.drawn = true;
        // While they are drawn, lines that are wider than thought are cut by the terminal.
        let mut text = String::from("\u{1b}[?7l");
        for (place, line) in lines.iter().enumerate() {
            if place > 0 {
                text.push('\n');
            }
            text.push('\r');
            self.paint(line, &mut text);
            text.push_str("\u{1b}[K");
        }
        text.push_str("\u{1b}[J");
        if lines.len() > 1 {
            text.push_str(&format!("\u{1b}[{}A", lines.len() - 1));
        }
        text.push_str("\r\u{1b}[?7h");
        text
    }

    /// The line, the less important ones dim.
    fn paint(&self, line: &str, text: &mut String) {
        if self.colour && line.starts_with(' ') {
            text.push_str(&format!("\u{1b}[2m{line}\u{1b}[0m"));
        } else {
            text.push_str(line);
        }
    }
}

/// The size of the window that standard error is.
pub(super) fn window() -> Window {
    let size = tcgetwinsize(std::io::stderr()).ok();
    // Some terminals do not know, and say 0.
    let known = |number: u16, usual: usize| match number {
        0 => usual,
        number => usize::from(number),
    };
    Window {
        columns: known(size.map_or(0, |size| size.ws_col), 80),
        rows: known(size.map_or(0, |size| size.ws_row), 24),
    }
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
            let mut screen = Screen::new(colour);
            let mut terminal = vt100::Parser::new(6, 20, 0);
            terminal.process(b"$ cbox\r\n");
            for frame in [
                &["* head", "  one", "  two"][..],
                &["- head, longer", "  three"],
                &["+ h", "  one", "  two", "  three"],
            ] {
                let before = rows(&terminal);
                let lines: Vec<String> = frame.iter().map(|&line| line.to_owned()).collect();
                // The terminal adds it, unless it is told not to.
                let drawn = screen.draw(&lines).replace('\n', "\r\n");
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
                assert_eq!(rows(&terminal)[1..=frame.len()], lines[..]);
                assert_eq!(terminal.screen().cursor_position(), (1, 0));
            }
            terminal.process(screen.erase().as_bytes());
            assert_eq!(terminal.screen().contents(), "$ cbox");
            assert_eq!(screen.erase(), "");
        }
    }
}
