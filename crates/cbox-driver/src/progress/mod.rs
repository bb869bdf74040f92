//! What is under way, as a value: events and the time go in, what a view needs comes out.
//! Nothing here knows a clock or a terminal.

pub mod builds;
pub mod copying;
mod ends;
pub mod evaluations;
pub mod fetches;
mod rate;

use std::time::Duration;

use self::{builds::Builds, copying::Copying, evaluations::Evaluations};

/// What cbox is at.
#[derive(Debug, Default)]
pub enum Task {
    /// Nothing worth a word.
    #[default]
    Idle,
    /// Something that has a name, and nothing else to be seen of it.
    Doing {
        /// Its name: `hashing iso/box.iso (22.7 MB)`.
        text: String,
        /// When it began.
        since: Duration,
    },
    /// Bytes go to a drive, or come from there.
    Copying(Copying),
    /// Hosts are evaluated.
    Evaluating(Evaluations),
    /// Nix builds and fetches.
    Building(Box<Builds>),
}
