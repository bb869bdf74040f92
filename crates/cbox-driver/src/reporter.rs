//! What a run says while it goes on, for whoever shows it.

use std::{fmt::Debug, time::Duration};

use cbox_nix::events::Event;

use crate::{
    build::silence::Silence,
    error::Error,
    links::run_log::RunLog,
    progress::{builds::Build, evaluations::Evaluations},
};

/// Takes what happens. Nothing of it is a result, so all of it may be dropped.
pub trait Reporter: Debug {
    /// What is being done now.
    fn doing(&self, _text: &str) {}

    /// What is being done now, if that is not worth a line that stays.
    fn briefly(&self, _text: &str) {}

    /// The user or another program is waited for.
    fn waiting(&self, _text: &str) {}

    /// Something that is worth a line.
    fn note(&self, _text: &str) {}

    /// Something for those only who want to know all.
    fn aside(&self, _text: &str) {}

    /// Something that the user should know even when all goes well.
    fn warn(&self, _text: &str) {}

    /// An error that does not end the run, for those who annotate files.
    fn annotate(&self, _error: &Error) {}

    /// An evaluation begins, beside those of `all` that run. The last one like it took `last`.
    fn evaluation_began(&self, _all: &mut Evaluations, _name: &str, _last: Option<Duration>) {}

    /// An evaluation has ended, well or not; `Err(true)` if it was interrupted. Gives the time
    /// that it took.
    fn evaluation_ended(
        &self,
        _all: &mut Evaluations,
        _name: &str,
        _outcome: Result<(), bool>,
    ) -> Duration {
        Duration::ZERO
    }

    /// `expected` bytes begin to be copied. `text` says what is done, and `title` what it is a
    /// part of.
    fn copy_began(&self, _title: &str, _text: &str, _expected: u64) {}

    /// So many bytes are copied.
    fn copied(&self, _done: u64) {}

    /// A copy is over, and what was done if it was done to its end: `wrote`.
    fn copy_ended(&self, _done: Option<&str>) {}

    /// Building begins, of `what`. What there is to be said of it is kept in `log`.
    fn building(&self, _what: &str, _log: Option<RunLog>) {}

    /// What a build does.
    fn build_event(&self, _event: &Event) {}

    /// The builds that have become silent since this was last asked.
    fn silent_builds(&self) -> Vec<Build> {
        vec![]
    }

    /// What is known of the silence of a build.
    fn explain_silence(&self, _drv: &str, _silence: &Silence) {}

    /// Building is over.
    fn built(&self) {}
}

/// Drops all of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {}
