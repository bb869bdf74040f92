//! What the program's standard streams are, and how progress is wanted on them.

use std::{io::IsTerminal as _, time::Duration};

use cbox_driver::{
    Error, Kind,
    ci::{CiSystem, Job},
};

/// The standard streams, looked at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// Whether standard input and output are both a terminal.
    pub(crate) interactive: bool,
    /// How progress is shown on standard error.
    pub(crate) display: Display,
    /// After how long a silence a sign of life is given: `CBOX_HEARTBEAT`; `None` for never.
    pub(crate) heartbeat: Option<Duration>,
    /// Whether standard error is a terminal that wants colour.
    pub(crate) colour: bool,
    /// Whether standard error is a terminal, so that text is wrapped.
    pub(crate) wraps: bool,
    /// Whether standard output is one.
    pub(crate) colours_results: bool,
    /// Whether standard output is a terminal, so that text in tables is wrapped.
    pub(crate) wraps_results: bool,
    /// The CI system that reads along.
    pub(crate) ci: Option<&'static dyn CiSystem>,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Display {
    /// As a few lines that change, on a terminal.
    Live,
    /// As lines that stay.
    Lines,
    /// As lines in groups that a CI system folds.
    Groups(&'static dyn CiSystem),
}

/// After how long a silence a sign of life is given: some that watch a job's output end it
/// after a few minutes without any.
const HEARTBEAT: Duration = Duration::from_secs(30);

impl Terminal {
    /// Looks at the streams and at the variables that say what is wanted of them, in a run
    /// that is a `job` of a CI system or none.
    ///
    /// # Errors
    /// When `CBOX_HEARTBEAT` holds no number of seconds.
    #[expect(
        clippy::disallowed_methods,
        reason = "with the driver's environment, the one place that reads variables"
    )]
    pub(crate) fn read(job: Option<&Job>) -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
        let terminal = std::io::stderr().is_terminal();
        let dumb = variable("TERM").is_none_or(|terminal| terminal == "dumb");
        let wants_colour = !dumb && variable("NO_COLOR").is_none();
        let ci = job.map(|job| job.system);
        Ok(Self {
            interactive: stdin.is_terminal() && stdout.is_terminal(),
            display: match ci {
                _ if terminal && !dumb => Display::Live,
                Some(system) => Display::Groups(system),
                None => Display::Lines,
            },
            heartbeat: match variable("CBOX_HEARTBEAT") {
                Some(text) => heartbeat(&text)?,
                None => Some(HEARTBEAT),
            },
            colour: terminal && wants_colour,
            wraps: terminal,
            wraps_results: stdout.is_terminal(),
            colours_results: stdout.is_terminal() && wants_colour,
            ci,
        })
    }

    /// Streams of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self {
            interactive: false,
            display: Display::Lines,
            heartbeat: Some(HEARTBEAT),
            colour: false,
            wraps: false,
            wraps_results: false,
            colours_results: false,
            ci: None,
        }
    }
}

/// The silence that `text` allows, in whole seconds; none of them is never.
fn heartbeat(text: &str) -> Result<Option<Duration>, Error> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
        Err(_) => Err(Error::new(
            Kind::Usage,
            format!("CBOX_HEARTBEAT is `{text}`, which is not a number of seconds"),
        )
        .hint("set it to a whole number, such as 30, or to 0 to turn it off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_comes_after_whole_seconds_or_never() {
        assert_eq!(heartbeat("7").unwrap(), Some(Duration::from_secs(7)));
        assert_eq!(heartbeat("0").unwrap(), None);
        for wrong in ["-1", "1.5", "soon", " 3", "99999999999999999999"] {
            assert_eq!(heartbeat(wrong).unwrap_err().kind, Kind::Usage, "{wrong}");
        }
    }
}
