//! Log lines, and what ends the program: a sentence and an exit code. All of it goes to stderr,
//! and no caller hands over a secret.

use std::path::Path;

/// Why the program ends, as README.md lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Usage = 64,
    BrokenTemplate = 65,
    NoInput = 66,
    Unexpected = 70,
    Io = 74,
    Later = 75,
    LockedOut = 77,
    Config = 78,
}

/// One sentence for whoever reads the log, and for the console.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Code {
    pub(crate) fn fail<T>(self, message: impl Into<String>) -> Result<T> {
        Err(Failure {
            code: self,
            message: message.into(),
        })
    }
}

/// A result of the system, with what could not be done to which file.
pub(crate) trait Context<T> {
    fn to(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn to(self, doing: &str, path: &Path) -> Result<T> {
        self.or_else(|error| Code::Io.fail(format!("cannot {doing} {}: {error}", path.display())))
    }
}

macro_rules! log {
    ($($text:tt)*) => {{
        // In one piece; and without a log there is nobody to tell.
        let line = format!("first-boot: {}\n", format_args!($($text)*));
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }};
}
pub(crate) use log;
