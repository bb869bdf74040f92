//! A run: what every command needs, made once, in the order in which it can fail.

use cbox_nix::Interrupt;

use crate::{
    flake::project::Project,
    process::{environment::Environment, options::Options as RunOptions},
    progress::{Reporter, Silent},
};

/// What hears what goes on, and what ends it.
pub type Hears<'a> = (&'a dyn Reporter, &'a Interrupt);

/// What the commands work with.
#[derive(Debug)]
pub struct Session<'a> {
    /// The process.
    pub environment: &'a Environment,
    /// What hears what goes on.
    pub reporter: &'a dyn Reporter,
    /// What ends the run.
    pub interrupt: &'a Interrupt,
    /// What the run is asked for.
    pub options: RunOptions,
    /// The flake.
    pub project: Project,
}

impl Session<'_> {
    /// What hears what goes on, and what ends it: for work that knows nothing of the flake.
    pub fn hears(&self) -> Hears<'_> {
        (self.reporter, self.interrupt)
    }

    /// This session, with nobody to hear what goes on.
    pub fn silently(&self) -> Self {
        Self {
            reporter: &Silent,
            options: self.options.clone(),
            project: self.project.clone(),
            ..*self
        }
    }
}
