//! What happens in a run, as events of one type, and who takes them.

use std::{fmt::Debug, time::Duration};

use cbox_nix::events::Event as NixEvent;

use super::builds::{Build, Silence, Wanted};
use crate::{error::Error, progress::run_log::RunLog};

/// Something that happens in a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// This is done now, until something else begins.
    Doing(&'a str),
    /// The same, if it is not worth a line that stays.
    Briefly(&'a str),
    /// The user or another program is waited for.
    Waiting(&'a str),
    /// So many evaluations are to come.
    Evaluations(usize),
    /// An evaluation has begun. The last one like it took `last`.
    EvaluationBegan {
        /// The host or the target.
        name: &'a str,
        /// How long it took the last time.
        last: Option<Duration>,
    },
    /// An evaluation has ended.
    EvaluationEnded {
        /// The host or the target.
        name: &'a str,
        /// How it ended; `None` if it was interrupted.
        good: Option<bool>,
    },
    /// Bytes begin to be copied, hashed or compared.
    CopyBegan {
        /// What is done with them: `writing to sdb`. No other copy is called so.
        what: &'a str,
        /// What it is a part of: `flashing sdb`.
        title: Option<&'a str>,
        /// How many they are; 0 where nobody knows.
        expected: u64,
    },
    /// So many bytes are done.
    Copied {
        /// The copy.
        what: &'a str,
        /// How many bytes are done.
        done: u64,
    },
    /// A copy is over.
    CopyEnded {
        /// The copy.
        what: &'a str,
        /// What was done if it was done to its end and is worth a line: `wrote`.
        done: Option<&'a str>,
    },
    /// Nix begins to build and fetch.
    BuildsBegan {
        /// What is wanted.
        wanted: Vec<Wanted>,
        /// What there is to be said of it is kept there.
        log: Option<RunLog>,
    },
    /// All that those targets need is known.
    Needs(Vec<Wanted>),
    /// What Nix says.
    Nix(&'a NixEvent),
    /// What is known of the silence of a build.
    Silent {
        /// The build.
        drv: &'a str,
        /// What is known.
        silence: Silence,
    },
    /// Nix has ended.
    BuildsEnded,
    /// What was built of a target begins to be copied to another store.
    PushBegan {
        /// The target.
        target: &'a str,
        /// The store.
        store: &'a str,
    },
    /// What Nix says of that.
    Push(&'a NixEvent),
    /// It is over.
    PushEnded {
        /// Whether the store has it; `None` if that was interrupted.
        good: Option<bool>,
    },
    /// It is known what became of a host.
    Verdict {
        /// The host, as a target.
        target: String,
        /// The word for it.
        status: &'static str,
    },
    /// Something that is worth a line.
    Note(&'a str),
    /// Something for those only who want to know all.
    Aside(&'a str),
    /// Something that the user should know even when all goes well.
    Warning(&'a str),
    /// An error that does not end the run, for those who annotate files.
    Annotation(&'a Error),
}

/// Takes what happens. Nothing of it is a result, so all of it may be dropped.
pub trait Reporter: Debug {
    /// Takes an event.
    fn report(&self, _event: Event<'_>) {}

    /// The builds that have become silent since this was last asked.
    fn silent_builds(&self) -> Vec<Build> {
        vec![]
    }
}

impl dyn Reporter + '_ {
    /// Says what is done now.
    pub fn doing(&self, text: &str) {
        self.report(Event::Doing(text));
    }

    /// Says something that is worth a line.
    pub fn note(&self, text: &str) {
        self.report(Event::Note(text));
    }

    /// Says something for those only who want to know all.
    pub fn aside(&self, text: &str) {
        self.report(Event::Aside(text));
    }

    /// Says something that the user should know even when all goes well.
    pub fn warn(&self, text: &str) {
        self.report(Event::Warning(text));
    }
}

/// Drops all of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {}
