//! What the program's standard streams are, and how progress is wanted on them.

use std::{io::IsTerminal as _, time::Duration};

use anstream::{AutoStream, ColorChoice};
use cbox_driver::{Environment, Error, Kind, ci::CiSystem, process::user_config::Color};

/// The standard streams, looked at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// Whether standard input and output are both a terminal.
    pub(crate) interactive: bool,
    /// How progress is shown on standard error.
    pub(crate) display: Display,
    /// After how long a silence a sign of life is given; `None` for never.
    pub(crate) heartbeat: Option<Duration>,
    /// Whether standard error is to have colours.
    pub(crate) colour: bool,
    /// Whether standard error is a terminal, so that text is wrapped.
    pub(crate) wraps: bool,
    /// Whether standard output is to have colours.
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
    /// Looks at the streams, and at what is wanted of them: the `color` that the command line
    /// asks for, or else the user's own settings; without both, anstream knows the variables that
    /// count for all programs (`NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`), and what a terminal can.
    /// Standard error of a job whose log shows colours is like a terminal in this; standard output
    /// is not, as nobody knows whether it goes there or to a program.
    ///
    /// # Errors
    /// When `CBOX_HEARTBEAT` holds no number of seconds.
    pub(crate) fn read(
        environment: &Environment,
        color: Option<ColorChoice>,
    ) -> Result<Self, Error> {
        let preferred = environment.preferred();
        let color = color.or(preferred.color.map(|color| match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }));
        color.unwrap_or_default().write_global();
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let terminal = stderr.is_terminal();
        let dumb = environment.terminal_is_dumb;
        let ci = environment.ci().map(|job| job.system);
        Ok(Self {
            interactive: stdin.is_terminal() && stdout.is_terminal(),
            display: match ci {
                _ if terminal && !dumb => Display::Live,
                Some(system) => Display::Groups(system),
                None => Display::Lines,
            },
            heartbeat: match (&environment.heartbeat, preferred.heartbeat) {
                (Some(text), _) => heartbeat(text)?,
                (None, Some(seconds)) => silence(seconds),
                (None, None) => Some(HEARTBEAT),
            },
            colour: match (AutoStream::choice(&stderr), ci) {
                (ColorChoice::Never, Some(ci)) => {
                    ci.shows_colours()
                        && ColorChoice::global() == ColorChoice::Auto
                        && !is_refused()
                }
                (choice, _) => choice != ColorChoice::Never,
            },
            wraps: terminal,
            wraps_results: stdout.is_terminal(),
            colours_results: AutoStream::choice(&stdout) != ColorChoice::Never,
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

/// Whether a variable says that no program is to use colours.
fn is_refused() -> bool {
    anstyle_query::no_color() || anstyle_query::clicolor() == Some(false)
}

/// The silence of so many seconds; none of them is never.
fn silence(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The silence that `text` allows, in whole seconds.
fn heartbeat(text: &str) -> Result<Option<Duration>, Error> {
    match text.parse() {
        Ok(seconds) => Ok(silence(seconds)),
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
