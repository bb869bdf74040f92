//! The terminal of the live line, a little narrower than it is.
//!
//! A progress bar fills its line up to the last column. On Ctrl-C the terminal writes
//! `^C` behind it, which then wraps, and the bar clears the wrong line. The columns that
//! are kept free here are the room for that.

use std::io;

use console::Term;
use indicatif::TermLike;

/// How many columns are kept free.
const FREE: u16 = 4;

/// Standard error as indicatif wants it.
#[derive(Debug)]
pub(crate) struct Terminal(Term);

impl Terminal {
    pub(crate) fn stderr() -> Self {
        Self(Term::stderr())
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        let (_, columns) = self.0.size();
        columns.saturating_sub(FREE).max(1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    /// Leaves out the blanks that fill the line: a window that gets narrower would wrap
    /// them, and a line that wraps is not cleared whole.
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text.trim_end_matches(' '))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
