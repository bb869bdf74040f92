//! Building: the plan, the build itself, and links that keep its result.

use std::{collections::BTreeMap, path::Path};

use nix_formats::store_path::OutPath;
use serde::Deserialize;
use thiserror::Error;

use crate::{
    NixError,
    events::{Event, FailedBuild, Reader},
    nix::Nix,
    nix_error::{Cause, cause},
    plan::Plan,
    process::Command,
};

/// Builds that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", describe(self))]
pub struct BuildFailure {
    /// The derivations whose builders failed.
    pub failed: Vec<FailedBuild>,
    /// What else Nix says.
    pub errors: Vec<String>,
    /// What the command for a log takes besides: the store, if it is not the usual one.
    pub log_options: String,
    /// What usually is the cause of such, the first being the nearest.
    pub causes: Vec<Cause>,
}

impl BuildFailure {
    /// What the events of a run told. `log_options` are those of the field.
    #[must_use]
    pub fn new(reader: &Reader, causes: Causes, log_options: String) -> Self {
        let causes = causes.all();
        let mut failed = reader.failed_builds();
        // Those that no builder took are no failed builds to every release of Nix.
        for (drv, _) in causes.iter().filter_map(Cause::of_derivation) {
            if !failed.iter().any(|build| build.drv == drv) {
                failed.push(FailedBuild::of(drv));
            }
        }
        Self {
            failed,
            errors: reader.other_errors().to_vec(),
            log_options,
            causes,
        }
    }
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
/// Gives the path of each output, by its installable, as far as Nix says it.
///
/// # Errors
/// [`NixError::Build`] when a build fails; the others have been tried all the same.
pub async fn build(
    nix: &Nix,
    installables: &[String],
    link: Option<&Path>,
    mut on_event: impl FnMut(Event),
) -> Result<BTreeMap<String, OutPath>, NixError> {
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
        Ok(output) => Ok(parse_outputs(&output.stdout)),
        Err(NixError::Failed {
            command,
            status,
            signal,
            stderr,
        }) => {
            let failure = BuildFailure::new(&reader, causes, log_options(nix));
            // Nothing of that: the call itself failed.
            if failure.failed.is_empty() && failure.errors.is_empty() {
                return Err(NixError::Failed {
                    command,
                    status,
                    signal,
                    stderr,
                });
            }
            Err(failure.into())
        }
        Err(error) => Err(error),
    }
}

/// The outputs in the answer of `nix build --json`.
fn parse_outputs(answer: &[u8]) -> BTreeMap<String, OutPath> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Built {
        drv_path: String,
        outputs: BTreeMap<String, OutPath>,
    }
    let all: Vec<Built> = serde_json::from_slice(answer).unwrap_or_default();
    let of = |built: Built| {
        let drv = built.drv_path;
        let outputs = built.outputs.into_iter();
        outputs.map(move |(name, path)| (format!("{drv}^{name}"), path))
    };
    all.into_iter().flat_map(of).collect()
}

/// What stands between `nix log` and a derivation: nothing, or the store that was named and a
/// blank.
#[must_use]
pub fn log_options(nix: &Nix) -> String {
    let store = nix.options.store.as_ref().map(|store| {
        let store = Command::new("--store", [store]);
        format!("{} ", store.to_shell())
    });
    store.unwrap_or_default()
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
    for build in failure.failed.iter().take(SHOWN) {
        let told = failure.causes.iter().filter_map(Cause::of_derivation);
        let told = told.into_iter().find(|(drv, _)| *drv == build.drv);
        describe_build(
            build,
            told.map(|(_, what)| what),
            &failure.log_options,
            &mut text,
        );
    }
    if failure.failed.len() > SHOWN {
        text.push_str(&format!(
            "and {} more failed\n",
            failure.failed.len() - SHOWN
        ));
    }
    // Where a build failed, whatever else is said may be a builder's own word.
    if failure.failed.is_empty() {
        text.push_str("Nix could not build it:\n");
        for error in &failure.errors {
            text.push_str(error.trim());
            text.push('\n');
        }
    }
    text.trim_end().to_owned()
}

/// `told` is what happened, where that is known better than from the reason.
fn describe_build(build: &FailedBuild, told: Option<String>, log_options: &str, text: &mut String) {
    let FailedBuild {
        drv,
        reason,
        tail,
        needed_by,
    } = build;
    let is_told = told.is_some();
    let happened = told.unwrap_or_else(|| match reason.as_str() {
        "" => format!("the build of {drv} failed"),
        reason => format!("the build of {drv} {reason}"),
    });
    text.push_str(&happened);
    match tail.as_slice() {
        [] if is_told => {}
        [] => text.push_str(", with an empty log"),
        tail => {
            let lines = last(tail.len(), "line");
            text.push_str(&format!("; the last {lines} of its log:"));
            for line in tail {
                text.push_str(&format!("\n  | {line}"));
            }
        }
    }
    text.push('\n');
    if !(is_told && tail.is_empty()) {
        text.push_str(&format!("  the whole log: nix log {log_options}{drv}\n"));
    }
    if !needed_by.is_empty() {
        text.push_str(&format!("  needed by: {}\n", needed_by.join(", ")));
    }
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
        let build = |drv: &str, reason: &str, tail: &[&str], needed_by: &[&str]| FailedBuild {
            drv: drv.to_owned(),
            reason: reason.to_owned(),
            tail: tail.iter().map(ToString::to_string).collect(),
            needed_by: needed_by.iter().map(ToString::to_string).collect(),
        };
        let failure = BuildFailure {
            failed: vec![
                build(
                    "/a.drv",
                    "failed with exit code 3",
                    &["one", "two"],
                    &["x", "y"],
                ),
                build("/b.drv", "", &[], &[]),
            ],
            errors: vec!["error: x".into()],
            log_options: "--store /s ".into(),
            causes: vec![],
        };
        assert_eq!(
            failure.to_string(),
            "the build of /a.drv failed with exit code 3; the last 2 lines of its log:\n  | one\n  \
             | two\n  the whole log: nix log --store /s /a.drv\n  needed by: x, y\n\
             the build of /b.drv failed, with an empty log\n  \
             the whole log: nix log --store /s /b.drv"
        );
        let other = BuildFailure {
            failed: vec![],
            errors: vec!["error: no space left".into()],
            log_options: String::new(),
            causes: vec![],
        };
        assert_eq!(
            other.to_string(),
            "Nix could not build it:\nerror: no space left"
        );
        let many = BuildFailure {
            failed: vec![build("/a.drv", "", &[], &[]); SHOWN + 2],
            ..other
        };
        assert!(many.to_string().ends_with("/a.drv\nand 2 more failed"));
        let told = BuildFailure {
            failed: vec![build("/a.drv", "platform mismatch", &[], &["x"])],
            errors: vec![],
            log_options: String::new(),
            causes: vec![Cause::WrongSystem {
                drv: "/a.drv".into(),
                system: "x".into(),
            }],
        };
        assert_eq!(
            told.to_string(),
            "/a.drv has to be built on x, and no builder here is that\n  needed by: x"
        );
    }
}
