//! Arguments that the user passes on to Nix, sorted by what they can change.

use thiserror::Error;

/// Nix's option for errors with the whole way to them.
pub const SHOW_TRACE: &str = "--show-trace";

/// A refused argument.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` cannot be passed on: cbox evaluates purely, so that the same tree gives the same image everywhere"
)]
pub struct Refused(String);

/// Options that change how something is built and reported, never what: with the number
/// of words that follow. They go to builds alone.
const BUILD_ONLY: &[(&str, usize)] = &[
    ("--print-build-logs", 0),
    ("-L", 0),
    ("--keep-going", 0),
    ("-k", 0),
    ("--keep-failed", 0),
    ("-K", 0),
    ("--fallback", 0),
    ("--rebuild", 0),
    ("--repair", 0),
    ("--max-jobs", 1),
    ("-j", 1),
    ("--cores", 1),
    ("--builders", 1),
    ("--timeout", 1),
    ("--max-silent-time", 1),
    ("--log-lines", 1),
];

/// Options of which the evaluation sees nothing but that it should still be given, as
/// they say where things are fetched from or how errors are shown.
const HARMLESS: &[(&str, usize)] = &[
    (SHOW_TRACE, 0),
    ("--refresh", 0),
    ("--verbose", 0),
    ("-v", 0),
    ("--netrc-file", 1),
    ("--access-tokens", 1),
];

/// Settings that are harmless when they are given as `--option NAME VALUE`.
const HARMLESS_SETTINGS: &[&str] = &[
    "access-tokens",
    "builders",
    "builders-use-substitutes",
    "connect-timeout",
    "cores",
    "extra-substituters",
    "extra-trusted-public-keys",
    "fallback",
    "http-connections",
    "keep-failed",
    "keep-going",
    "log-lines",
    "max-jobs",
    "max-silent-time",
    "netrc-file",
    "sandbox",
    "sandbox-paths",
    "show-trace",
    "stalled-download-timeout",
    "substitute",
    "substituters",
    "timeout",
    "trusted-public-keys",
];

/// The arguments after `--`, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassThrough {
    /// For every call.
    pub everywhere: Vec<String>,
    /// For builds alone.
    pub build: Vec<String>,
    /// The store to evaluate in, which no call but a build takes as it is.
    pub eval_store: Option<String>,
    /// Whether one of them may change what an evaluation gives. Its result is then
    /// neither looked up nor remembered.
    pub may_change_evaluation: bool,
}

impl PassThrough {
    /// Whether errors are wanted with the whole way to them.
    #[must_use]
    pub fn wants_trace(&self) -> bool {
        let setting = ["--option", "show-trace", "true"];
        self.everywhere
            .iter()
            .any(|argument| argument == SHOW_TRACE)
            || self.everywhere.windows(3).any(|words| words == setting)
    }

    /// Sorts `arguments`. What is not known is passed on everywhere, and taken for
    /// something that may change the evaluation.
    ///
    /// # Errors
    /// When one of them would make the evaluation impure.
    pub fn sort(arguments: &[String]) -> Result<Self, Refused> {
        let mut sorted = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let find = |table: &[(&str, usize)]| {
                table
                    .iter()
                    .find(|(name, _)| name == argument)
                    .map(|(_, follow)| *follow)
            };
            let mut taken = vec![argument.clone()];
            if argument == "--impure" || argument == "--no-pure-eval" {
                return Err(Refused(argument.clone()));
            } else if let Some(follow) = find(BUILD_ONLY) {
                taken.extend(rest.by_ref().take(follow).cloned());
                sorted.build.extend(taken);
            } else if let Some(follow) = find(HARMLESS) {
                taken.extend(rest.by_ref().take(follow).cloned());
                sorted.everywhere.extend(taken);
            } else if argument == "--eval-store" {
                sorted.eval_store = rest.next().cloned();
            } else if argument == "--option" {
                taken.extend(rest.by_ref().take(2).cloned());
                match taken.get(1).map(String::as_str) {
                    Some("pure-eval") => return Err(Refused(taken.join(" "))),
                    Some(name) if HARMLESS_SETTINGS.contains(&name) => {}
                    _ => sorted.may_change_evaluation = true,
                }
                sorted.everywhere.extend(taken);
            } else {
                sorted.may_change_evaluation = true;
                sorted.everywhere.extend(taken);
            }
        }
        Ok(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(arguments: &str) -> Result<PassThrough, Refused> {
        let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        PassThrough::sort(&words)
    }

    #[test]
    fn known_arguments_find_their_place() {
        let sorted = sort("-L --max-jobs 4 --show-trace --option sandbox false -k").unwrap();
        assert_eq!(sorted.build, ["-L", "--max-jobs", "4", "-k"]);
        assert_eq!(
            sorted.everywhere,
            ["--show-trace", "--option", "sandbox", "false"]
        );
        assert!(!sorted.may_change_evaluation);
    }

    #[test]
    fn a_store_to_evaluate_in_is_set_apart() {
        let sorted = sort("--eval-store auto -L").unwrap();
        assert_eq!(sorted.eval_store.as_deref(), Some("auto"));
        assert!(sorted.everywhere.is_empty() && sorted.build == ["-L"]);
        assert!(!sorted.may_change_evaluation);
    }

    #[test]
    fn unknown_arguments_are_suspect() {
        for suspect in [
            "--new-flag",
            "--option new-setting 1",
            "--option",
            "--system x",
            "-I a=b",
        ] {
            assert!(sort(suspect).unwrap().may_change_evaluation, "{suspect}");
        }
    }

    #[test]
    fn impurity_is_refused() {
        assert!(sort("-L --impure").is_err());
        assert!(sort("--no-pure-eval").is_err());
        assert!(sort("--option pure-eval false").is_err());
    }
}
