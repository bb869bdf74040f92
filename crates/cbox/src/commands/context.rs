//! What every command is run with.

use camino::Utf8Path;
use cbox_driver::{
    Environment, Error,
    ci::{CiSystem, Line},
    flake::{project::Project, session::Session},
    report,
    text::columns,
};
use cbox_nix::Interrupt;
use serde_json::{Map, Value};

use crate::{
    commands::{command_line, junit::Junit},
    options::GlobalOptions,
    view::{Printable, View, terminal::Terminal},
};

/// The process, the options that hold for every command, and what answers the user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) terminal: &'a Terminal,
    pub(crate) view: &'a View,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) options: &'a GlobalOptions,
    /// The flake, looked for once; or why there is none to work with, which concerns only
    /// those who need one.
    pub(crate) project: &'a Result<Project, Error>,
    /// The report of what the run tests, where one is wanted.
    pub(crate) junit: Option<&'a Junit>,
}

impl<'a> Context<'a> {
    /// A session with the flake. `out_dir` is where the links go, unless it is their usual
    /// place.
    ///
    /// # Errors
    /// When there is no flake, or its `cbox.toml` will not do.
    pub(crate) fn open(&self, out_dir: Option<&Utf8Path>) -> Result<Session<'a>, Error> {
        let project = self.project.clone()?;
        Ok(self.session(project.linked_in(self.environment, out_dir), self.interrupt))
    }

    /// A session with the flake as it is now, for a run that `interrupt` ends.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub(crate) fn open_anew<'b>(&self, interrupt: &'b Interrupt) -> Result<Session<'b>, Error>
    where
        'a: 'b,
    {
        let flake = self.options.flake.as_deref();
        Ok(self.session(
            command_line::find_project(self.environment, flake)?,
            interrupt,
        ))
    }

    /// A session with `project`.
    pub(crate) fn session<'b>(&self, project: Project, interrupt: &'b Interrupt) -> Session<'b>
    where
        'a: 'b,
    {
        Session {
            environment: self.environment,
            reporter: self.view,
            interrupt,
            options: self.options.run_options(),
            project,
        }
    }

    /// Prints the result if it is wanted as JSON: a document called `name` with one `part`, which
    /// is made only then. Of two hosts it can be tens of megabytes.
    pub(crate) fn document(&self, name: &str, part: &str, value: impl FnOnce() -> Value) {
        if self.view.is_json() {
            let parts = Map::from_iter([(part.to_owned(), value())]);
            self.parts(name, parts.into());
        }
    }

    /// Prints the result if it is wanted as JSON: a document called `name` with these parts.
    pub(crate) fn parts(&self, name: &str, parts: Value) {
        self.view.json(&report::document(name, parts));
    }

    /// Prints the result if it is wanted for people: lines.
    pub(crate) fn lines(&self, lines: impl IntoIterator<Item = impl Into<Printable>>) {
        lines
            .into_iter()
            .for_each(|line| self.view.plain(&line.into()));
    }

    /// Prints the result if it is wanted for people: lines that `system` reads, which obeys none
    /// of them, and those that it is to obey.
    pub(crate) fn framed(&self, system: &dyn CiSystem, lines: &[Printable], commands: &[Line]) {
        let lines = lines.iter().map(|line| line.as_str().to_owned());
        let framed = system.framed(lines.collect());
        let all = framed.iter().chain(commands);
        all.for_each(|line| self.view.command(line));
    }

    /// Prints the result if it is wanted for people: rows of a table.
    pub(crate) fn table<const N: usize>(&self, rows: &[[String; N]]) {
        self.lines(columns(rows));
    }
}
