//! A terminal for a program: a pseudo-terminal, and what a user would see on its screen.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::ExitStatus,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use super::{
    call::{Call, Ended, Running, find_program},
    nix::say_left_out,
    place::Place,
    wait_until,
};

/// What the first column of the live view's head line shows.
const SPINNER: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/// The rows of a screen, without blanks at their ends.
pub(crate) type Rows = Vec<String>;

/// A screen, and all that came of what was written there.
struct Record {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    frames: Vec<Rows>,
}

impl Record {
    fn rows(&self) -> Rows {
        let screen = self.parser.screen();
        let rows = screen.rows(0, screen.size().1);
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    /// Takes what was written at once: what the screen shows then is a frame.
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.parser.process(bytes);
        self.frames.push(self.rows());
    }
}

/// A program that runs in a terminal of its own.
pub(crate) struct Terminal {
    keys: File,
    running: Running,
    record: Arc<Mutex<Record>>,
    reader: JoinHandle<()>,
}

/// What a program left behind on its terminal.
pub(crate) struct Left {
    pub(crate) status: ExitStatus,
    /// The rows that are not empty.
    pub(crate) lines: Rows,
    /// All that was written.
    pub(crate) bytes: Vec<u8>,
    /// Each screen that could be seen.
    pub(crate) frames: Vec<Rows>,
    pub(crate) cursor: (u16, u16),
    pub(crate) hides_cursor: bool,
}

impl Place {
    /// Starts cbox in a terminal of this size. `None`, said so, where there is no `setsid`,
    /// which makes it the program's own.
    pub(crate) fn in_terminal(
        &self,
        args: &[&str],
        (columns, rows): (u16, u16),
        change: impl FnOnce(Call) -> Call,
    ) -> Option<Terminal> {
        if find_program("setsid").is_none() {
            say_left_out("no `setsid` here");
            return None;
        }
        let call = self.call("setsid");
        let call = call.args(["--ctty", env!("CARGO_BIN_EXE_cbox")]).args(args);
        let call = change(call.env("TERM", "xterm-256color"));
        Some(Terminal::start(call, columns, rows))
    }

    /// The same in a terminal that has one size and says that it has another.
    pub(crate) fn in_terminal_that_says(
        &self,
        args: &[&str],
        size: (u16, u16),
        said: (u16, u16),
    ) -> Option<Terminal> {
        // The size is told before the program starts: it is started by one that waits for that.
        let script = "stty cols \"$1\" rows \"$2\"; shift 2; exec \"$@\"";
        let program = env!("CARGO_BIN_EXE_cbox");
        if find_program("setsid").is_none() || find_program("stty").is_none() {
            say_left_out("no `setsid` or no `stty` here");
            return None;
        }
        let (columns, rows) = (said.0.to_string(), said.1.to_string());
        let call = self.call("setsid");
        let call = call.args(["--ctty", "sh", "-c", script, "sh", &columns, &rows, program]);
        let call = call.args(args).env("TERM", "xterm-256color");
        Some(Terminal::start(call, size.0, size.1))
    }
}

impl Terminal {
    fn start(call: Call, columns: u16, rows: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        tcsetwinsize(&terminal, size(columns, rows)).unwrap();
        let name = ptsname(&terminal, vec![]).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program_side = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
        let program_side = File::from(program_side);
        let running = call
            .stdin(program_side.try_clone().unwrap())
            .stdout(program_side.try_clone().unwrap())
            .stderr(program_side)
            .start();
        let record = Arc::new(Mutex::new(Record {
            parser: vt100::Parser::new(rows, columns, 0),
            bytes: vec![],
            frames: vec![],
        }));
        let keys = File::from(terminal);
        let mut screen = keys.try_clone().unwrap();
        let shared = Arc::clone(&record);
        // A terminal that nobody has open any more is an error to those who read it.
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 1 << 16];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                shared.lock().unwrap().take(&bytes[..read]);
            }
        });
        Self {
            keys,
            running,
            record,
            reader,
        }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Changes the size of the window. What was seen until then is forgotten: how lines of
    /// the old size look in the new one is the terminal's affair.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let mut record = self.record.lock().unwrap();
        record.parser.screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.keys, size(columns, rows)).unwrap();
    }

    /// Forgets the frames so far.
    pub(crate) fn forget_frames(&self) {
        self.record.lock().unwrap().frames.clear();
    }

    /// What the screen shows now.
    pub(crate) fn rows(&self) -> Rows {
        self.record.lock().unwrap().rows()
    }

    /// Waits until the screen is as `holds` says.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, holds: impl Fn(&[String]) -> bool) -> Rows {
        wait_until(what, || {
            // Asked first: what is written last may come just before the end.
            let is_over = self.running.has_ended() && self.reader.is_finished();
            let rows = self.rows();
            let does = holds(&rows);
            assert!(does || !is_over, "no {what}: {rows:#?}");
            does
        });
        self.rows()
    }

    /// Waits until these words stand on the screen.
    #[track_caller]
    pub(crate) fn shows(&mut self, words: &str) -> Rows {
        self.wait_for(words, |rows| rows.iter().any(|row| row.contains(words)))
    }

    /// Waits for the program's end.
    #[track_caller]
    pub(crate) fn wait(self) -> Left {
        let Ended { status, .. } = self.running.wait();
        self.reader.join().unwrap();
        let mut record = self.record.lock().unwrap();
        let mut lines = record.rows();
        lines.retain(|line| !line.is_empty());
        let screen = record.parser.screen();
        Left {
            status,
            lines,
            cursor: screen.cursor_position(),
            hides_cursor: screen.hide_cursor(),
            bytes: std::mem::take(&mut record.bytes),
            frames: std::mem::take(&mut record.frames),
        }
    }
}

impl Left {
    /// Fails the test unless the program ended with this exit code, nothing of the live view
    /// is left, and no screen was to be seen that was wrong.
    #[track_caller]
    pub(crate) fn clean(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{:#?}", self.lines);
        for line in &self.lines {
            assert!(!is_of_view(line), "`{line}` of {:#?}", self.lines);
        }
        assert!(!self.hides_cursor);
        assert_eq!(self.cursor.1, 0, "the prompt begins a line");
        self.frames.iter().for_each(|frame| check(frame));
        self
    }
}

/// Fails the test unless a user would take these rows for a head line with its lines below
/// it, or for no view.
#[track_caller]
pub(crate) fn check(rows: &[String]) {
    let is_head = |row: &&String| is_of_view(row) && !row.starts_with(' ');
    assert!(rows.iter().filter(is_head).count() <= 1, "{rows:#?}");
    let head = rows.iter().position(|row| is_head(&row));
    for (place, row) in rows.iter().enumerate() {
        assert!(
            !row.chars().skip(2).any(|one| SPINNER.contains(one)),
            "{rows:#?}"
        );
        match head {
            Some(head) if place == head => {}
            Some(head) if place > head => {
                assert!(row.is_empty() || row.starts_with("  "), "{rows:#?}");
            }
            _ => assert!(!is_of_view(row), "{rows:#?}"),
        }
    }
}

/// Whether a row is a line that goes with the view.
fn is_of_view(row: &str) -> bool {
    // What a terminal writes itself for Ctrl-C stands where the spinner did.
    let spins = row.starts_with(|one| SPINNER.contains(one)) || row.starts_with("^C");
    spins || row.starts_with("  │")
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_col: columns,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
