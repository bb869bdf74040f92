//! How far it is that what was built is copied to another store.

use std::time::Duration;

use cbox_nix::events::Event;

use super::fetches::{Counts, Fetches};

/// A target whose output is copied to another store.
#[derive(Debug, Clone)]
pub struct Pushing {
    /// The target.
    pub target: String,
    /// The store.
    pub store: String,
    /// When it began.
    pub since: Duration,
    /// What Nix counts, as it does where it fetches.
    counts: Fetches,
}

impl PartialEq for Pushing {
    fn eq(&self, other: &Self) -> bool {
        (&self.target, &self.store, self.since) == (&other.target, &other.store, other.since)
    }
}

impl Eq for Pushing {}

impl Pushing {
    /// At the beginning, at the time `now`.
    pub fn begun(target: &str, store: &str, now: Duration) -> Self {
        Self {
            target: target.to_owned(),
            store: store.to_owned(),
            since: now,
            counts: Fetches::default(),
        }
    }

    /// Takes what Nix says.
    pub fn event(&mut self, event: &Event, now: Duration) {
        self.counts.event(event, now);
    }

    /// How many store paths are copied, of how many.
    pub fn paths(&self, now: Duration) -> Counts {
        self.counts.fetched(now).paths
    }
}
