//! Building: the plan, the build itself, and links that keep its result.

use std::path::Path;

use cbox_core::{
    nix_error::{Cause, cause},
    plan::Plan,
};
use thiserror::Error;

use crate::{
    NixError,
    events::{Event, Reader},
    nix::Nix,
};

/// A build that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", describe(self))]
pub struct BuildFailure {
    /// The derivations whose builders failed, each with the last lines of its log.
    pub failed: Vec<(String, Vec<String>)>,
    /// What Nix says.
    pub errors: Vec<String>,
    /// What usually is the cause of such, the first being the nearest.
    pub causes: Vec<Cause>,
}

/// Asks Nix what building `installables` would do.
///
/// # Errors
/// When Nix cannot tell.
pub async fn plan(nix: &Nix, installables: &[String]) -> Result<Plan, NixError> {
    let output = nix.run(nix.options.dry_run(installables)).await?;
    Ok(Plan::parse(&output.stderr))
}

/// Builds `installables`. With a `link`, all results are kept from the garbage collector
/// by links of that name, but only if every build succeeds; see [`link`] for the others.
///
/// # Errors
/// [`NixError::Build`] when a build fails; the others have been tried all the same.
pub async fn build(
    nix: &Nix,
    installables: &[String],
    link: Option<&Path>,
    mut on_event: impl FnMut(Event),
) -> Result<(), NixError> {
    let mut reader = Reader::default();
    let mut causes = Causes::default();
    let command = nix.command(nix.options.build(installables, link));
    let ended = command
        .stream(nix.interrupt(), |line| {
            if let Some(event) = reader.line(line) {
                causes.look(&event);
                on_event(event);
            }
        })
        .await;
    match ended {
        Ok(_) => Ok(()),
        Err(NixError::Failed {
            command,
            status,
            signal,
            stderr,
        }) => {
            let errors = reader.errors().to_vec();
            if errors.is_empty() {
                Err(NixError::Failed {
                    command,
                    status,
                    signal,
                    stderr,
                })
            } else {
                Err(BuildFailure {
                    failed: reader.failed_builds(),
                    errors,
                    causes: causes.all(),
                }
                .into())
            }
        }
        Err(error) => Err(error),
    }
}

/// Makes `link` point to a store path that is there, as a root of the garbage collector
/// under its final name. A link that was there is replaced in one step.
///
/// # Errors
/// When the path is gone or the link cannot be made.
pub async fn link(nix: &Nix, store_path: &str, link: &Path) -> Result<(), NixError> {
    nix.run(nix.options.link(store_path, link)).await.map(drop)
}

/// How many causes are kept.
const CAUSES: usize = 50;

/// The causes of failures, as the events tell them.
#[derive(Debug, Default)]
pub struct Causes {
    by_nix: Vec<Cause>,
    by_logs: Option<Cause>,
}

impl Causes {
    /// Takes an event.
    pub fn look(&mut self, event: &Event) {
        match event {
            Event::Message {
                is_error: true,
                text,
            } => {
                let cause = cause::of_build(text).filter(|cause| !self.by_nix.contains(cause));
                self.by_nix
                    .extend(cause.filter(|_| self.by_nix.len() < CAUSES));
            }
            Event::BuildLog { line, .. } if self.by_logs.is_none() => {
                self.by_logs = cause::of_log(line);
            }
            _ => {}
        }
    }

    /// All there are: what Nix says counts before what a log says.
    #[must_use]
    pub fn all(self) -> Vec<Cause> {
        self.by_nix.into_iter().chain(self.by_logs).collect()
    }
}

/// How many failed builds are shown whole.
const SHOWN: usize = 5;

fn describe(failure: &BuildFailure) -> String {
    let mut text = String::new();
    let told: Vec<_> = failure
        .causes
        .iter()
        .filter_map(Cause::of_derivation)
        .collect();
    for (_, what) in told.iter().take(SHOWN) {
        text.push_str(&format!("{what}\n"));
    }
    for (drv, tail) in failure.failed.iter().take(SHOWN) {
        // What waits for one of those has no log either.
        let is_told = told.iter().any(|(of, _)| of == drv) || tail.is_empty();
        if !told.is_empty() && is_told {
            continue;
        }
        text.push_str(&format!("the build of {drv} failed"));
        if tail.is_empty() {
            text.push_str(", without a word in its log\n");
        } else {
            text.push_str(&format!(
                "; the last {} of its log:\n",
                last(tail.len(), "line")
            ));
            for line in tail {
                text.push_str(&format!("  | {line}\n"));
            }
        }
        text.push_str(&format!("  the whole log: nix log {drv}\n"));
    }
    if failure.failed.len() > SHOWN {
        text.push_str(&format!("and {} more failed", failure.failed.len() - SHOWN));
    }
    if text.is_empty() {
        text.push_str("Nix could not build it:\n");
        for error in &failure.errors {
            text.push_str(error.trim());
            text.push('\n');
        }
    }
    text.trim_end().to_owned()
}

fn last(number: usize, noun: &str) -> String {
    if number == 1 {
        noun.to_owned()
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_log_and_the_way_to_the_rest() {
        let failure = BuildFailure {
            failed: vec![
                ("/nix/store/a.drv".into(), vec!["one".into(), "two".into()]),
                ("/nix/store/b.drv".into(), vec![]),
            ],
            errors: vec!["error: x".into()],
            causes: vec![],
        };
        assert_eq!(
            failure.to_string(),
            "the build of /nix/store/a.drv failed; the last 2 lines of its log:\n  | one\n  | two\n  \
             the whole log: nix log /nix/store/a.drv\n\
             the build of /nix/store/b.drv failed, without a word in its log\n  \
             the whole log: nix log /nix/store/b.drv"
        );
        let other = BuildFailure {
            failed: vec![],
            errors: vec!["error: no space left".into()],
            causes: vec![],
        };
        assert_eq!(
            other.to_string(),
            "Nix could not build it:\nerror: no space left"
        );
        let told = BuildFailure {
            failed: vec![("/a.drv".into(), vec![]), ("/b.drv".into(), vec![])],
            errors: vec![],
            causes: vec![Cause::WrongSystem {
                drv: "/a.drv".into(),
                system: "x".into(),
            }],
        };
        assert_eq!(
            told.to_string(),
            "/a.drv has to be built on x, and no builder here is that"
        );
    }
}
