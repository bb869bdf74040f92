//! Building: the plan, the build itself, and links that keep its result.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

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
    store::USUAL,
    store_fault,
};

/// Builds that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", describe(self))]
pub struct BuildFailure {
    /// The derivations whose builders failed.
    pub failed: Vec<FailedBuild>,
    /// What else Nix says.
    pub errors: Vec<String>,
    /// The command for a log, before the derivation.
    pub log_command: String,
    /// What usually is the cause of such, the first being the nearest.
    pub causes: Vec<Cause>,
}

impl BuildFailure {
    /// What the events of a run told. `log_command` is that of the field.
    #[must_use]
    pub fn new(reader: &Reader, causes: Causes, log_command: String) -> Self {
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
            log_command,
            causes,
        }
    }
}

/// Asks Nix what building `installables` would do.
///
/// # Errors
/// When Nix cannot tell.
pub async fn plan(nix: &Nix, installables: &[String]) -> Result<Plan, NixError> {
    // Only a build brings along what it needs.
    if nix.options.eval_store.is_some() {
        let drv = |installable: &'_ String| installable.split('^').next().map(str::to_owned);
        let drvs: Vec<String> = installables.iter().filter_map(drv).collect();
        let drvs: Vec<&str> = drvs.iter().map(String::as_str).collect();
        let brought = nix.run(nix.options.bring(&drvs)).await;
        brought.map_err(|error| store_fault::named(nix, error))?;
    }
    let planned = nix.run(nix.options.dry_run(installables)).await;
    let output = planned.map_err(|error| store_fault::named(nix, error))?;
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
    on_event: impl FnMut(Event),
) -> Result<BTreeMap<String, OutPath>, NixError> {
    run(nix, nix.options.build(installables, link), on_event).await
}

/// Runs a `nix build`, which tells its events on standard error, as [`build`] does.
pub(crate) async fn run(
    nix: &Nix,
    arguments: Vec<OsString>,
    mut on_event: impl FnMut(Event),
) -> Result<BTreeMap<String, OutPath>, NixError> {
    let mut reader = Reader::default();
    let mut causes = Causes::default();
    let command = nix.command(arguments).ends_orderly();
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
            let said = reader.other_errors().join("\n");
            let fault = store_fault::of_connection(nix, &said, reader.ssh());
            if let Some(fault) = fault {
                return Err(fault.into());
            }
            let failure = BuildFailure::new(&reader, causes, log_command(nix));
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

/// The command for the log of a derivation, which stands behind it.
#[must_use]
pub fn log_command(nix: &Nix) -> String {
    let words =
        |program: &str, words: &[&str]| format!("{} ", Command::new(program, words).to_shell());
    let store = &nix.outputs;
    match store.uri.strip_prefix("ssh-ng://") {
        // Such a store gives no logs.
        Some(rest) => {
            let host = rest.split(['?', '/']).next().unwrap_or_default();
            match host.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => {
                    words("ssh", &["-p", port, host, "nix-store", "--read-log"])
                }
                _ => words("ssh", &[host, "nix-store", "--read-log"]),
            }
        }
        None => match &nix.options.store {
            Some(_) => words("nix", &["log", "--store", &store.uri]),
            None => words("nix", &["log"]),
        },
    }
}

/// The command that brings `out` here from the store on another machine that it was built in.
/// What is not signed there, as it mostly is, is taken on the word of that machine.
///
/// # Errors
/// When Nix cannot be started, or a signal comes.
pub async fn fetch_command(nix: &Nix, out: &OutPath) -> Result<String, NixError> {
    let is_signed = match nix.run(nix.options.path_info_json(out)).await {
        Ok(output) => is_signed(&output.stdout),
        Err(NixError::Failed { .. }) => true,
        Err(error) => return Err(error),
    };
    let mut words = vec!["copy"];
    if !is_signed {
        words.push("--no-check-sigs");
    }
    words.extend(["--from", &nix.outputs.uri]);
    if nix.store.uri != USUAL {
        words.extend(["--to", &nix.store.uri]);
    }
    words.push(out);
    Ok(Command::new("nix", words).to_shell())
}

/// Whether the one path in an answer of `nix path-info --json` has a signature.
fn is_signed(answer: &[u8]) -> bool {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let paths = answer
        .as_object()
        .into_iter()
        .flat_map(|paths| paths.values());
    let mut signatures = paths.filter_map(|path| path["signatures"].as_array());
    signatures.any(|signatures| !signatures.is_empty())
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
    /// The builders that do not answer.
    unreachable: Vec<Cause>,
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
            Event::Unreachable { machine, reason } => {
                let (machine, reason) = (machine.clone(), reason.clone());
                let cause = Cause::Unreachable { machine, reason };
                if self.unreachable.len() < CAUSES && !self.unreachable.contains(&cause) {
                    self.unreachable.push(cause);
                }
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
        let named = self.by_nix.into_iter().chain(self.by_logs);
        let mut all: Vec<Cause> = named.chain(self.unreachable).collect();
        // Why a cache did not deliver comes before that, and has another way out by itself.
        all.sort_by_key(|cause| *cause != Cause::Substitute);
        all
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
            &failure.log_command,
            &mut text,
        );
    }
    if failure.failed.len() > SHOWN {
        text.push_str(&format!(
            "and {} more failed\n",
            failure.failed.len() - SHOWN
        ));
    }
    let is_idle = |cause: &Cause| matches!(cause, Cause::Idle { .. });
    let is_told = failure.causes.iter().any(is_idle);
    if is_told && failure.failed.is_empty() {
        text.push_str(cause::IDLE);
        text.push('\n');
    }
    for cause in failure.causes.iter().filter(|_| is_told) {
        if let Cause::Unreachable { machine, reason } = cause {
            text.push_str(&format!("  {machine} cannot be reached: {reason}\n"));
        }
    }
    // Where a build failed, whatever else is said may be a builder's own word.
    if failure.failed.is_empty() && !is_told {
        let by_cache = failure.causes.first() == Some(&Cause::Substitute);
        text.push_str(match by_cache {
            true => "a binary cache could not deliver what it has:\n",
            false => "Nix could not build it:\n",
        });
        let follows = |error: &&String| {
            by_cache
                && (error.contains("some substitutes for the outputs of derivation")
                    || error.contains("there is no substituter that can build it"))
        };
        for error in failure.errors.iter().filter(|error| !follows(error)) {
            text.push_str(error.trim());
            text.push('\n');
        }
    }
    text.trim_end().to_owned()
}

/// `told` is what happened, where that is known better than from the reason.
fn describe_build(build: &FailedBuild, told: Option<String>, log_command: &str, text: &mut String) {
    let FailedBuild {
        drv,
        machine,
        reason,
        tail,
        needed_by,
    } = build;
    let is_told = told.is_some();
    // Nix names the machine itself where its own part of the work failed.
    let on = match machine {
        Some(machine) if !reason.starts_with("on '") => format!(" on {machine}"),
        _ => String::new(),
    };
    let happened = told.unwrap_or_else(|| match reason.as_str() {
        "" => format!("the build of {drv}{on} failed"),
        reason => format!("the build of {drv}{on} {reason}"),
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
        text.push_str(&format!("  the whole log: {log_command}{drv}\n"));
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
    fn signatures_are_seen() {
        let answer = |signatures: &str| format!(r#"{{"/s/a": {{"signatures": {signatures}}}}}"#);
        assert!(is_signed(answer(r#"["k:x"]"#).as_bytes()));
        assert!(!is_signed(answer("[]").as_bytes()) && !is_signed(b"{}") && !is_signed(b""));
    }

    #[test]
    fn a_failure_shows_the_log_and_the_way_to_the_rest() {
        let build = |drv: &str, reason: &str, tail: &[&str], needed_by: &[&str]| FailedBuild {
            drv: drv.to_owned(),
            machine: None,
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
            log_command: "nix log --store /s ".into(),
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
            log_command: String::new(),
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
            log_command: String::new(),
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
