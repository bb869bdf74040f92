//! What Nix's errors say about builds: which failed, and which could not begin for that.

use std::collections::BTreeMap;

/// How many failed builds, and how many other errors, are kept.
const MOST_BUILDS: usize = 10_000;
const MOST_OTHERS: usize = 50;

/// How many bytes of an error are kept.
const LONGEST: usize = 8000;

/// The words before the name of a derivation that failed. The first two are those of old and
/// new releases, then those of another machine, of a time limit and of a wrong hash.
const FAILED: [&str; 5] = [
    "builder for '",
    "Cannot build '",
    "build of '",
    "building of '",
    "in fixed-output derivation '",
];

/// What Nix says of a machine that went away, by `ssh-ng` and by `ssh`.
pub const LOST: [&str; 2] = [
    "Nix daemon disconnected unexpectedly (maybe it crashed?)",
    "unexpected end-of-file",
];

/// How a build ends whose machine went away.
const HELPER_FAILED: &str = "failed with exit code 1";

/// A build that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedBuild {
    /// Its `.drv` path.
    pub drv: String,
    /// The other machine that it was built on.
    pub machine: Option<String>,
    /// What happened, as words behind the name: `failed with exit code 3`.
    pub reason: String,
    /// The last lines of its log.
    pub tail: Vec<String>,
    /// What was not built because of it, by names for people; filled in by those who know.
    pub needed_by: Vec<String>,
}

impl FailedBuild {
    /// One of which only the derivation is known.
    pub(crate) fn of(drv: &str) -> Self {
        Self {
            drv: drv.to_owned(),
            machine: None,
            reason: String::new(),
            tail: vec![],
            needed_by: vec![],
        }
    }
}

/// The errors of one run, sorted.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The reason of each failed build, by its path.
    failed: BTreeMap<String, String>,
    others: Vec<String>,
    /// What was said last of a machine that went away.
    lost: Option<String>,
    /// Whether there was one that says only that another build failed.
    follows: bool,
}

impl Failures {
    /// Takes an error. `is_elsewhere` tells of a derivation whether another machine builds it.
    pub(super) fn push(&mut self, error: &str, is_elsewhere: impl Fn(&str) -> bool) {
        if is_about_a_dependency(error) {
            self.follows = true;
            return;
        }
        match failed_build(error) {
            Some((drv, mut reason)) => {
                // All that Nix knows is how its own helper ended.
                if reason == HELPER_FAILED
                    && is_elsewhere(drv)
                    && let Some(lost) = self.lost.take()
                {
                    reason = format!("was cut off: {lost}");
                    self.others.retain(|other| !other.contains(&lost));
                }
                // Nix may name a build again at the end, and then knows less.
                let room = self.failed.len() < MOST_BUILDS;
                if room && !self.failed.contains_key(drv) {
                    self.failed.insert(drv.to_owned(), reason);
                }
            }
            None => {
                if let Some(lost) = LOST.into_iter().find(|words| error.contains(words)) {
                    self.lost = Some(lost.to_owned());
                }
                let error = beginning(error).to_owned();
                if self.others.len() < MOST_OTHERS && !self.others.contains(&error) {
                    self.others.push(error);
                }
            }
        }
    }

    /// The failed builds, each with what `tail` and `machine` know of it.
    pub(super) fn builds(
        &self,
        tail: impl Fn(&str) -> Vec<String>,
        machine: impl Fn(&str) -> Option<String>,
    ) -> Vec<FailedBuild> {
        let failed = self.failed.iter().map(|(drv, reason)| FailedBuild {
            drv: drv.clone(),
            machine: machine(drv),
            reason: reason.clone(),
            tail: tail(drv),
            needed_by: vec![],
        });
        failed.collect()
    }

    pub(super) fn others(&self) -> &[String] {
        &self.others
    }

    pub(super) fn any(&self) -> bool {
        self.follows || !self.failed.is_empty() || !self.others.is_empty()
    }
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// `error: 1 dependencies of derivation '….drv' failed to build`, or since Nix 2.31
/// `error: Cannot build '….drv'.` with `Reason: 1 dependency failed.` below.
fn is_about_a_dependency(error: &str) -> bool {
    let first = error.lines().next().unwrap_or_default();
    first.contains(" dependencies of derivation '")
        // `build of '….drv^out', '….drv^out' failed` sums several up at the end.
        || (first.contains("build of '") && first.contains("', '"))
        || reason_line(error).is_some_and(|reason| {
            let words = reason.trim_start_matches(|digit: char| digit.is_ascii_digit());
            words == " dependency failed" || words == " dependencies failed"
        })
}

fn reason_line(error: &str) -> Option<&str> {
    let mut lines = error.lines().map(str::trim);
    let reason = lines.find_map(|line| line.strip_prefix("Reason: "))?;
    Some(reason.trim_end_matches('.'))
}

/// The derivation whose builder `error` says to have failed.
#[must_use]
pub fn failed_derivation(error: &str) -> Option<&str> {
    let failed = failed_build(error).filter(|_| !is_about_a_dependency(error));
    failed.map(|(drv, _)| drv)
}

/// The derivation that `error` says to have failed, and how.
fn failed_build(error: &str) -> Option<(&str, String)> {
    FAILED.into_iter().find_map(|words| {
        let (_, rest) = error.split_once(words)?;
        let (name, behind) = rest.split_once('\'')?;
        // An output may stand behind the path.
        let drv = name.split('^').next()?;
        if !drv.ends_with(".drv") {
            return None;
        }
        let reason = match reason_line(error) {
            _ if error.contains("hash mismatch") => {
                "produced a different hash than expected".to_owned()
            }
            Some(reason) => reason.trim_start_matches("builder ").to_owned(),
            None => behind.lines().next().unwrap_or_default().to_owned(),
        };
        let reason = beginning(reason.trim().trim_end_matches([';', ':', '.'])).to_owned();
        Some((drv, reason))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(error: &str) -> Option<(&str, String)> {
        failed_build(error)
    }

    #[test]
    fn failures_are_read_in_the_words_of_every_release() {
        for (error, why) in [
            (
                "error: builder for '/s/a.drv' failed with exit code 3",
                "failed with exit code 3",
            ),
            (
                "error: builder for '/s/a.drv' failed with exit code 1;\n last 10 log lines:\n > x",
                "failed with exit code 1",
            ),
            (
                "error: Cannot build '/s/a.drv'.\n       Reason: builder failed due to signal 9 (Killed).\n       Output paths:\n  /s/a",
                "failed due to signal 9 (Killed)",
            ),
            (
                "error: build of '/s/a.drv' on 'ssh://b' failed: no space",
                "on 'ssh://b' failed: no space",
            ),
            (
                "error: building of '/s/a.drv^out' timed out after 5 seconds of silence",
                "timed out after 5 seconds of silence",
            ),
            (
                "error: hash mismatch in fixed-output derivation '/s/a.drv':\n  specified: sha256-A\n     got:    sha256-B",
                "produced a different hash than expected",
            ),
        ] {
            assert_eq!(reason(error), Some(("/s/a.drv", why.to_owned())), "{error}");
        }
        assert_eq!(reason("error: cannot build on 'ssh://b'"), None);
    }

    #[test]
    fn what_only_follows_is_folded() {
        let mut failures = Failures::default();
        for error in [
            "error: 1 dependencies of derivation '/s/b.drv' failed to build",
            "error: Cannot build '/s/b.drv'.\n   Reason: 12 dependencies failed.\n  Output paths:",
            "error: Cannot build '/s/b.drv'.\n   Reason: 1 dependency failed.",
            "error: build of '/s/a.drv^*', '/s/b.drv^out' failed",
        ] {
            failures.push(error, |_| false);
        }
        assert!(failures.any());
        assert_eq!(failures.builds(|_| vec![], |_| None), []);
        assert_eq!(failures.others(), [""; 0]);
    }

    #[test]
    fn errors_without_end_take_no_memory() {
        let mut failures = Failures::default();
        for number in 0..MOST_BUILDS * 2 {
            failures.push(
                &format!("error: builder for '/s/{number}.drv' failed"),
                |_| false,
            );
            failures.push(&format!("error: {number}{}", "x".repeat(10_000)), |_| false);
        }
        assert_eq!(failures.failed.len(), MOST_BUILDS);
        assert_eq!(failures.others.len(), MOST_OTHERS);
        assert!(failures.others.iter().all(|error| error.len() <= LONGEST));
    }
}
