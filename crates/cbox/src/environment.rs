//! The environment of the process, read once and passed on as values.

use std::{ffi::OsString, io::IsTerminal as _, path::PathBuf, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

use crate::{error::Error, exit::Kind};

/// What the program takes from its environment.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// The working directory.
    pub(crate) folder: Utf8PathBuf,
    /// Where caches go: `$XDG_CACHE_HOME/cbox` or `~/.cache/cbox`.
    pub(crate) cache: Utf8PathBuf,
    /// Where temporary files go: `TMPDIR`, or `/tmp`.
    pub(crate) temporary: Utf8PathBuf,
    /// `NIX_STORE_DIR`, which moves the store's directory.
    pub(crate) nix_store_dir: Option<String>,
    /// Where programs are.
    pub(crate) path: OsString,
    /// Where the user has UEFI firmware: `CBOX_FIRMWARE_DIR`.
    pub(crate) firmware: Option<Utf8PathBuf>,
    /// Where programs keep what the user configured.
    pub(crate) config_home: Option<Utf8PathBuf>,
    /// Whether there is a display for windows.
    pub(crate) has_display: bool,
    /// Whether standard input and output are both a terminal.
    pub(crate) interactive: bool,
    /// How progress is shown on standard error.
    pub(crate) display: Display,
    /// After how long a silence a sign of life is given: `CBOX_HEARTBEAT`; `None` for never.
    pub(crate) heartbeat: Option<Duration>,
    /// Whether standard error is a terminal that wants colour.
    pub(crate) colour: bool,
    /// How many processors this process may use.
    pub(crate) cores: usize,
    /// Whether the user has set the heap that Nix starts with.
    pub(crate) heap_is_set: bool,
    /// What GitHub Actions says of a run in it.
    pub(crate) github: GitHub,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Display {
    /// As a few lines that change, on a terminal.
    Live,
    /// As lines that stay.
    Lines,
    /// As lines in groups that GitHub Actions folds.
    GitHub,
}

/// After how long a silence a sign of life is given: some that watch a job's output end it
/// after a few minutes without any.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What GitHub Actions tells the programs that it runs (its documentation, "Variables
/// reference"); nothing of it elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GitHub {
    /// Whether the program runs there.
    pub(crate) actions: bool,
    /// What started the run: `pull_request`, `push`.
    pub(crate) event_name: Option<String>,
    /// The branch that a pull request is for.
    pub(crate) base_ref: Option<String>,
    /// The branch that a pull request comes from.
    pub(crate) head_ref: Option<String>,
    /// The file that takes the summary of the job.
    pub(crate) step_summary: Option<Utf8PathBuf>,
    /// The file that takes the outputs of the step.
    pub(crate) output: Option<Utf8PathBuf>,
}

impl Environment {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub(crate) fn read() -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let folder = std::env::current_dir().map_err(|error| {
            Error::file(Kind::Environment, "find", "the working directory", &error)
        })?;
        let folder = Utf8PathBuf::from_path_buf(folder).map_err(|folder| {
            Error::new(
                Kind::Environment,
                format!(
                    "the name of the working directory {} is not UTF-8",
                    folder.display()
                ),
            )
            .hint("Nix cannot name it either: rename it")
        })?;
        let cache = variable("XDG_CACHE_HOME")
            .map(Utf8PathBuf::from)
            .filter(|cache| cache.is_absolute())
            .or_else(|| variable("HOME").map(|home| Utf8PathBuf::from(home).join(".cache")))
            .unwrap_or_else(|| folder.join(".cache"));
        let terminal = std::io::stderr().is_terminal();
        let dumb = variable("TERM").is_none_or(|terminal| terminal == "dumb");
        let actions = variable("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let display = match actions {
            _ if terminal && !dumb => Display::Live,
            true => Display::GitHub,
            false => Display::Lines,
        };
        let heartbeat = match variable("CBOX_HEARTBEAT") {
            Some(text) => heartbeat(&text)?,
            None => Some(HEARTBEAT),
        };
        Ok(Self {
            folder,
            cache: cache.join("cbox"),
            temporary: variable("TMPDIR").map_or_else(|| "/tmp".into(), Utf8PathBuf::from),
            nix_store_dir: variable("NIX_STORE_DIR"),
            path: std::env::var_os("PATH").unwrap_or_default(),
            firmware: variable("CBOX_FIRMWARE_DIR").map(Utf8PathBuf::from),
            config_home: variable("XDG_CONFIG_HOME")
                .map(Utf8PathBuf::from)
                .or_else(|| variable("HOME").map(|home| Utf8PathBuf::from(home).join(".config"))),
            has_display: variable("DISPLAY").is_some() || variable("WAYLAND_DISPLAY").is_some(),
            interactive: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
            display,
            heartbeat,
            colour: terminal && !dumb && variable("NO_COLOR").is_none(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            heap_is_set: std::env::var_os(cbox_nix::eval::HEAP_VARIABLE).is_some(),
            github: GitHub {
                actions,
                event_name: variable("GITHUB_EVENT_NAME"),
                base_ref: variable("GITHUB_BASE_REF"),
                head_ref: variable("GITHUB_HEAD_REF"),
                step_summary: variable("GITHUB_STEP_SUMMARY").map(Utf8PathBuf::from),
                output: variable("GITHUB_OUTPUT").map(Utf8PathBuf::from),
            },
        })
    }

    /// What there is to go by when the environment cannot be read.
    pub(crate) fn unknown() -> Self {
        Self {
            folder: Utf8PathBuf::new(),
            cache: Utf8PathBuf::new(),
            temporary: Utf8PathBuf::new(),
            nix_store_dir: None,
            path: OsString::new(),
            firmware: None,
            config_home: None,
            has_display: false,
            interactive: false,
            display: Display::Lines,
            heartbeat: Some(HEARTBEAT),
            colour: false,
            cores: 1,
            heap_is_set: false,
            github: GitHub::default(),
        }
    }

    /// The file of a program on the PATH.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.path)
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
    }

    /// `path` as the user means it: relative to the working directory.
    pub(crate) fn absolute(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.folder.join(path)
    }

    /// `path` as the user would write it: relative to the working directory where it is
    /// below it or a few steps up, otherwise as it is.
    pub(crate) fn shown(&self, path: &Utf8Path) -> Utf8PathBuf {
        for (steps, above) in self.folder.ancestors().take(4).enumerate() {
            if let Ok(inside) = path.strip_prefix(above)
                && (steps == 0 || above.parent().is_some())
            {
                return Utf8PathBuf::from("../".repeat(steps)).join(inside);
            }
        }
        path.to_owned()
    }
}

/// The silence that `text` allows, in whole seconds; none of them is never.
fn heartbeat(text: &str) -> Result<Option<Duration>, Error> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
        Err(_) => Err(Error::new(
            Kind::Usage,
            format!("CBOX_HEARTBEAT is `{text}`, which is no number of seconds"),
        )
        .hint("give it a whole number, such as 30, or 0 for no sign of life")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_where_the_user_stands() {
        let environment = Environment {
            folder: "/home/me/box/hosts".into(),
            ..Environment::unknown()
        };
        for (path, shown) in [
            ("/home/me/box/hosts/a", "a"),
            ("/home/me/box/out/x", "../out/x"),
            ("/home/me/box", "../"),
            ("/home/me/box/hosts", ""),
            ("/nix/store/a", "/nix/store/a"),
        ] {
            assert_eq!(environment.shown(path.into()).as_str(), shown, "{path}");
        }
    }

    #[test]
    fn a_sign_of_life_comes_after_whole_seconds_or_never() {
        assert_eq!(heartbeat("7").unwrap(), Some(Duration::from_secs(7)));
        assert_eq!(heartbeat("0").unwrap(), None);
        for wrong in ["-1", "1.5", "soon", " 3", "99999999999999999999"] {
            assert_eq!(heartbeat(wrong).unwrap_err().kind, Kind::Usage, "{wrong}");
        }
    }
}
