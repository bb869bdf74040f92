//! What every command is run with.

use camino::Utf8Path;
use cbox_driver::{Environment, Error, Kind, flake::config, session::Session};
use cbox_nix::Interrupt;
use clap::CommandFactory as _;

use crate::{
    cli::{Cli, Common},
    terminal::Terminal,
    view::View,
};

/// The process, the user's words that hold for every command, and what answers them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) terminal: &'a Terminal,
    pub(crate) view: &'a View,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) common: &'a Common,
}

impl<'a> Context<'a> {
    /// Finds the flake. `out_dir` is where the links go, unless it is their usual place.
    ///
    /// # Errors
    /// When there is no flake, or its `cbox.toml` will not do.
    pub(crate) fn open(&self, out_dir: Option<&Utf8Path>) -> Result<Session<'a>, Error> {
        self.open_with(self.interrupt, out_dir)
    }

    /// The same, for a run that `interrupt` ends.
    pub(crate) fn open_with<'b>(
        &self,
        interrupt: &'b Interrupt,
        out_dir: Option<&Utf8Path>,
    ) -> Result<Session<'b>, Error>
    where
        'a: 'b,
    {
        let options = self.common.options();
        let session = Session::open(self.environment, self.view, interrupt, &options, out_dir)?;
        check_kinds(&session)?;
        Ok(session)
    }
}

/// Checks that no kind of target is called as a command is: the command would be meant.
fn check_kinds(session: &Session<'_>) -> Result<(), Error> {
    let Ok(config) = session.project.required_config() else {
        return Ok(());
    };
    let cli = Cli::command();
    let is_command = |kind: &str| cli.find_subcommand(kind).is_some();
    match config
        .targets
        .iter()
        .find(|target| is_command(&target.kind))
    {
        None => Ok(()),
        Some(target) => Err(Error::new(
            Kind::Config,
            format!(
                "{}: the kind `{}` is a command of cbox",
                config::FILE,
                target.kind
            ),
        )
        .hint(
            "call the kind otherwise: `cbox <kind> <format>` could not be told from the command",
        )),
    }
}
