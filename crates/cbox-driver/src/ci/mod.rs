//! What a CI system is: how a run finds out that it is in one, what it takes from it, and how
//! lines are written that it understands.
//!
//! A system is one file here, which implements [`CiSystem`], and one line in [`SYSTEMS`].
//! No code outside of this folder knows one of them by name.

mod commands;
mod github;
mod gitlab;

pub use self::commands::{Defuser, defused};

use std::fmt::Debug;

use nix_formats::system::System;
use serde::Serialize;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    error::{Error, Kind, Place},
    matrix::shards::Shard,
    text::{bounded, harmless_json, harmless_lines, text_file},
};

/// The CI systems that cbox knows. Outside of all of them the first one counts where there has
/// to be one.
pub static SYSTEMS: [&dyn CiSystem; 2] = [&github::GitHub, &gitlab::GitLab];

/// A line for the log of a job, of which the system that reads it obeys what cbox wrote and
/// nothing of what is from outside: that is behind the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// `text` behind the gate, in which no character is obeyed. What it commands is its
    /// system's affair.
    fn gated(text: &str) -> Self {
        Self(gated(text))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `text` with an end, and without a character that would be obeyed.
fn gated(text: &str) -> String {
    // What is escaped is longer, and no more of it is shown.
    bounded(&harmless_lines(&bounded(text))).into_owned()
}

/// Lines of a log that can be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What people read: `evaluating`.
    pub title: String,
    /// What tells it from all others of a job, in digits and `_`.
    pub id: String,
}

/// A job of a matrix: what it builds, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixJob {
    /// The target.
    pub target: String,
    /// What is built is called so under `out/`.
    pub slug: String,
    /// The first part of the target.
    pub kind: String,
    /// The format of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The system of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// The host that is built.
    pub host: String,
    /// The machine that builds it, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
}

/// A CI system.
pub trait CiSystem: Debug + Sync {
    /// What `--format` calls it: `github`.
    fn name(&self) -> &'static str;

    /// What people call it: `GitHub Actions`.
    fn title(&self) -> &'static str;

    /// What of a result is written in a form of its own, for the help of `--format`.
    fn form(&self) -> &'static str;

    /// What it calls a change that is asked for: `pull request`.
    fn change(&self) -> &'static str;

    /// What brings the whole history into its clones: `x: 0` of the step that makes them.
    fn whole_history(&self) -> &'static str;

    /// What it says of this run. `variable` reads the environment.
    fn job(&'static self, variable: &dyn Fn(&str) -> Option<String>) -> Job;

    /// The line that begins `group` at `now`, in seconds since 1970.
    fn group(&self, group: &Group, now: u64) -> Line;

    /// The line that ends `group` at `now`.
    fn end_group(&self, group: &Group, now: u64) -> Line;

    /// Whether its log shows colours, though it is no terminal.
    fn shows_colours(&self) -> bool {
        false
    }

    /// The line that makes an annotation, at a place or beside the job, where it has them.
    fn annotation(
        &self,
        _level: Level,
        _place: Option<&Place>,
        _title: &str,
        _message: &str,
    ) -> Option<Line> {
        None
    }

    /// The annotation of an error.
    fn error_annotation(&self, error: &Error, title: &str) -> Option<Line> {
        let message = error.lines().join("\n");
        self.annotation(Level::Error, error.place.as_ref(), title, &message)
    }

    /// The annotation of an error that has a place, by its kind.
    fn placed_annotation(&self, error: &Error) -> Option<Line> {
        error.place.as_ref()?;
        self.error_annotation(error, &format!("cbox: {}", error.kind.name()))
    }

    /// Whether the character `next` behind `line`, which it belongs to, makes a command of it.
    fn completes_command(&self, line: &str, next: char) -> bool;

    /// Whole lines, which come from behind the gate, so that nothing in them is obeyed.
    fn framed(&self, lines: Vec<String>) -> Vec<Line> {
        let lines = lines.iter();
        lines.map(|line| Line(defused(line).into_owned())).collect()
    }

    /// The document of which it makes a job for each of `jobs`, without a line feed at its end. Of
    /// none it makes what builds nothing.
    ///
    /// # Errors
    /// When there are more than it takes.
    fn matrix(&self, jobs: &[MatrixJob]) -> Result<String, Error>;

    /// The document of which it makes a job for each of `shards`, without a line feed at its end.
    ///
    /// # Errors
    /// When there are more than it takes.
    fn shards(&self, shards: &[Shard]) -> Result<String, Error>;

    /// Command lines for help: with runners of its own, and how a job passes the document on.
    fn matrix_examples(&self) -> [&'static str; 2];
}

impl PartialEq for dyn CiSystem {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn CiSystem {}

/// What a CI system says of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The system.
    pub system: &'static dyn CiSystem,
    /// Whether the run is one of its jobs.
    pub is_here: bool,
    /// For a pull request, what the commit or the branch that it is for can be called in the
    /// clone; the best name first.
    pub bases: Vec<String>,
    /// What keeps the system's word on that from being known, in a sentence.
    pub not_told: Option<String>,
    /// The file that takes a summary, as Markdown.
    pub summary: Option<Utf8PathBuf>,
    /// The file that takes outputs, a line `name=value` each.
    pub outputs: Option<Utf8PathBuf>,
}

impl Job {
    /// Adds a summary and outputs to the files that the system reads. Values are words or JSON, and
    /// none holds a line feed.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn record(&self, summary: &str, outputs: &[(&str, String)]) -> Result<(), Error> {
        if let Some(file) = &self.summary {
            append(file, &defused(&harmless_lines(summary)))?;
        }
        if let Some(file) = &self.outputs {
            let lines = outputs
                .iter()
                .map(|(name, value)| format!("{name}={value}\n"));
            append(file, &harmless_json(&lines.collect::<String>()))?;
        }
        Ok(())
    }
}

fn append(file: &Utf8Path, text: &str) -> Result<(), Error> {
    text_file::append(file, text).map_err(|error| Error::file(Kind::Output, "write", file, &error))
}

/// What each of the systems says of this run. `variable` reads the environment.
pub fn jobs(variable: &dyn Fn(&str) -> Option<String>) -> Vec<Job> {
    let systems = SYSTEMS.iter();
    systems.map(|system| system.job(variable)).collect()
}

/// What brings the whole history into the clones of each system.
pub fn whole_histories() -> String {
    let ways = SYSTEMS.map(|system| format!("in {} {}", system.title(), system.whole_history()));
    ways.join(", ")
}

/// How much an annotation weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What makes the job fail.
    Error,
    /// What is good to know.
    Notice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_job_are_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| Utf8PathBuf::try_from(folder.path().join(name)).unwrap();
        let job = Job {
            summary: Some(file("summary")),
            outputs: Some(file("outputs")),
            ..SYSTEMS[0].job(&|_| None)
        };
        assert!(!job.is_here);
        for _ in 0..2 {
            let outputs = [("verdict", "failed".to_owned()), ("open", "[]".to_owned())];
            job.record("# a\n", &outputs).unwrap();
        }
        let text = |name: &str| std::fs::read_to_string(file(name)).unwrap();
        assert_eq!(text("summary"), "# a\n# a\n");
        assert_eq!(
            text("outputs"),
            "verdict=failed\nopen=[]\nverdict=failed\nopen=[]\n"
        );
    }

    #[test]
    fn each_system_has_a_name_of_its_own() {
        let mut names = SYSTEMS.map(|system| system.name()).to_vec();
        names.extend(["plain", "json", "markdown"]);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SYSTEMS.len() + 3);
    }
}
