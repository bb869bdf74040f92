//! `--junit FILE`: what a run tested, for a CI system that shows it beside the change. The file
//! is written whatever becomes of the run.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use camino::Utf8PathBuf;
use cbox_driver::{
    Environment,
    error::{Error, Kind},
    text::utc,
};

use super::{Command, context::Context};
use crate::formats::{
    junit::{BEGINNING, Case, Outcome, Suite, document},
    result_file::ResultFile,
};

/// The file.
const FILE: ResultFile = ResultFile {
    what: "the JUnit report",
    made_by: "cbox --junit",
    mark: BEGINNING,
    hint: "name a file that is not there yet, or an earlier report",
};

/// The report of a run.
#[derive(Debug)]
pub(crate) struct Junit {
    file: Utf8PathBuf,
    display_path: Utf8PathBuf,
    name: String,
    began: Duration,
    clock: Instant,
    found: Mutex<Found>,
}

/// What is known of the run.
#[derive(Debug)]
struct Found {
    cases: Vec<Case>,
    /// What the run as a whole tests, and since when.
    subject: Option<(String, Instant)>,
}

impl Junit {
    /// The report that `command` is to write, if it is to write one.
    ///
    /// # Errors
    /// When it cannot be written: better now than after a long build.
    pub(crate) fn wanted(
        environment: &Environment,
        command: &Command,
    ) -> Result<Option<Self>, Error> {
        let Some((name, option)) = command.junit() else {
            return Ok(None);
        };
        let Some(display_path) = option.junit.clone() else {
            return Ok(None);
        };
        if display_path == "-" {
            let message = "`--junit -` names no file, and standard output is for the result";
            return Err(Error::new(Kind::Usage, message).hint("name a file: `--junit report.xml`"));
        }
        let file = environment.absolute(&display_path);
        FILE.check(&file, &display_path)?;
        Ok(Some(Self {
            file,
            display_path,
            name: format!("cbox {name}"),
            began: utc::now(),
            clock: Instant::now(),
            found: Mutex::new(Found {
                cases: vec![],
                subject: None,
            }),
        }))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Found) -> T) -> T {
        work(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes it, with how the run `ended`.
    pub(crate) fn write(&self, ended: &Result<(), Error>) -> Result<(), Error> {
        let cases = self.with(|found| {
            let mut cases = std::mem::take(&mut found.cases);
            let is_told = found.subject.is_none() && cases.iter().any(Case::is_bad);
            let outcome = match ended {
                Ok(()) => found.subject.is_some().then_some(Outcome::Passed),
                Err(_) if is_told => None,
                Err(error) if is_failure(error.kind) => Some(Outcome::Failed(error.into())),
                Err(error) => Some(Outcome::Errored(error.into())),
            };
            if let Some(outcome) = outcome {
                let subject = found.subject.take();
                let (name, since) = subject.unwrap_or_else(|| (self.name.clone(), self.clock));
                cases.push(Case {
                    lasted: Some(since.elapsed()),
                    ..Case::new(name, outcome)
                });
            }
            cases
        });
        let suite = Suite {
            name: &self.name,
            began: self.began,
            lasted: self.clock.elapsed(),
            cases: &cases,
        };
        FILE.write(&self.file, &self.display_path, || Ok(document(&suite)))
    }
}

/// Whether an error of this kind says that what was tested is not as it should be; the others
/// kept that from being known.
fn is_failure(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Changed | Kind::Ended | Kind::Timeout | Kind::Budget
    )
}

impl Context<'_> {
    /// Puts `cases` into the report, where one is wanted.
    pub(crate) fn tested(&self, cases: impl FnOnce() -> Vec<Case>) {
        if let Some(junit) = self.junit {
            let cases = cases();
            junit.with(|found| found.cases.extend(cases));
        }
    }

    /// Says that the run tests `name` from now on: how the run ends is what becomes of it.
    pub(crate) fn testing(&self, name: &str) {
        if let Some(junit) = self.junit {
            junit.with(|found| found.subject = Some((name.to_owned(), Instant::now())));
        }
    }
}
