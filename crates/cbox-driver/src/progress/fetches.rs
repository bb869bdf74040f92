//! How much is fetched, of how much, and how fast.
//!
//! Nix counts by kinds of activities: what those that ended did, what those that run have
//! done and expect, and what others have announced. This is the sum that its own progress
//! bar makes (`src/libmain/progress-bar.cc`).

use std::{collections::HashMap, time::Duration};

use cbox_nix::events::{Activity, Event};

use super::rate::Rate;

/// How many activities are followed at once: more than any Nix runs.
const FOLLOWED: usize = 4096;

/// How far something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many are done.
    pub done: u64,
    /// How many there will be.
    pub expected: u64,
}

/// How far all fetching is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Store paths.
    pub paths: Counts,
    /// Bytes.
    pub bytes: Counts,
    /// Bytes in a second.
    pub rate: u64,
}

#[derive(Debug, Clone, Default)]
struct OfKind {
    /// What activities did that have ended.
    done: u64,
    /// What was announced.
    expected: u64,
}

#[derive(Debug, Clone)]
struct Running {
    kind: Activity,
    done: u64,
    expected: u64,
    /// What it has announced, by kind.
    announced: Vec<(Activity, u64)>,
}

/// The activities that fetch.
#[derive(Debug, Clone, Default)]
pub struct Fetches {
    running: HashMap<u64, Running>,
    kinds: HashMap<Activity, OfKind>,
    rate: Rate,
}

/// Whether something of this kind adds to what is fetched, or announces it.
fn counts(kind: Activity) -> bool {
    matches!(
        kind,
        Activity::CopyPath | Activity::FileTransfer | Activity::CopyPaths | Activity::Realise
    )
}

impl Fetches {
    /// Takes an event; those that fetch nothing are passed by.
    pub fn event(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Started { id, kind, .. } if counts(*kind) && self.running.len() < FOLLOWED => {
                let fresh = Running {
                    kind: *kind,
                    done: 0,
                    expected: 0,
                    announced: vec![],
                };
                self.running.insert(*id, fresh);
            }
            Event::Ended { id } => self.ended(*id),
            Event::Progress {
                id, done, expected, ..
            } => {
                if let Some(running) = self.running.get_mut(id) {
                    (running.done, running.expected) = (*done, *expected);
                }
            }
            Event::Expected { id, kind, number } if counts(*kind) => {
                self.announced(*id, *kind, *number);
            }
            _ => return,
        }
        self.rate.look(self.bytes().done, now);
    }

    fn ended(&mut self, id: u64) {
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        let kind = self.kinds.entry(running.kind).or_default();
        kind.done = kind.done.saturating_add(running.done);
        for (kind, number) in running.announced {
            let kind = self.kinds.entry(kind).or_default();
            kind.expected = kind.expected.saturating_sub(number);
        }
    }

    fn announced(&mut self, id: u64, kind: Activity, number: u64) {
        let Some(running) = self.running.get_mut(&id) else {
            return;
        };
        let known = running.announced.iter_mut().find(|(of, _)| *of == kind);
        let before = match known {
            Some((_, before)) => std::mem::replace(before, number),
            None => {
                running.announced.push((kind, number));
                0
            }
        };
        let sum = self.kinds.entry(kind).or_default();
        sum.expected = sum.expected.saturating_sub(before).saturating_add(number);
    }

    fn of(&self, kind: Activity) -> Counts {
        let ended = self.kinds.get(&kind);
        let mut done = ended.map_or(0, |ended| ended.done);
        let mut expected = done;
        for running in self.running.values().filter(|running| running.kind == kind) {
            done = done.saturating_add(running.done);
            expected = expected.saturating_add(running.expected);
        }
        let announced = ended.map_or(0, |ended| ended.expected);
        Counts {
            done,
            expected: expected.max(announced).max(done),
        }
    }

    /// Bytes off the network; where a store is copied from without, those that were unpacked.
    fn bytes(&self) -> Counts {
        let network = self.of(Activity::FileTransfer);
        let unpacked = self.of(Activity::CopyPath);
        if network.done > 0 || unpacked.done == 0 {
            network
        } else {
            unpacked
        }
    }

    /// How far it all is.
    pub fn fetched(&self, now: Duration) -> Fetched {
        let bytes = self.bytes();
        Fetched {
            paths: self.of(Activity::CopyPaths),
            rate: self.rate.in_a_second(bytes.done, now),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(id: u64, kind: Activity) -> Event {
        Event::Started {
            id,
            kind,
            what: String::new(),
            from: String::new(),
        }
    }

    fn progress(id: u64, done: u64, expected: u64) -> Event {
        Event::Progress {
            id,
            done,
            expected,
            running: 0,
            failed: 0,
        }
    }

    fn counts(done: u64, expected: u64) -> Counts {
        Counts { done, expected }
    }

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn bytes_are_those_of_all_transfers_and_of_what_is_announced() {
        let mut fetches = Fetches::default();
        let announce = Event::Expected {
            id: 1,
            kind: Activity::FileTransfer,
            number: 5000,
        };
        let events = [
            start(1, Activity::Realise),
            announce.clone(),
            announce,
            start(2, Activity::FileTransfer),
            start(3, Activity::FileTransfer),
            progress(2, 1000, 1000),
            progress(3, 500, 2000),
            Event::Ended { id: 2 },
            progress(9, 7, 7),
        ];
        for event in &events {
            fetches.event(event, seconds(1));
        }
        assert_eq!(fetches.fetched(seconds(1)).bytes, counts(1500, 5000));
        for event in [Event::Ended { id: 1 }, Event::Ended { id: 3 }] {
            fetches.event(&event, seconds(1));
        }
        assert_eq!(fetches.fetched(seconds(1)).bytes, counts(1500, 1500));
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut fetches = Fetches::default();
        fetches.event(&start(1, Activity::FileTransfer), seconds(0));
        for second in 1..=20 {
            fetches.event(&progress(1, second * 1000, 99_999), seconds(second));
        }
        assert_eq!(fetches.fetched(seconds(20)).rate, 1000);
        // Nothing comes any more.
        assert_eq!(fetches.fetched(seconds(22)).rate, 600);
        assert_eq!(fetches.fetched(seconds(60)).rate, 0);
    }

    #[test]
    fn a_local_store_has_no_network() {
        let mut fetches = Fetches::default();
        for event in [
            start(1, Activity::CopyPaths),
            start(2, Activity::CopyPath),
            progress(2, 10, 30),
            progress(1, 1, 4),
        ] {
            fetches.event(&event, seconds(1));
        }
        let fetched = fetches.fetched(seconds(1));
        assert_eq!(fetched.bytes, counts(10, 30));
        assert_eq!(fetched.paths, counts(1, 4));
    }

    #[test]
    fn nonsense_neither_panics_nor_piles_up() {
        let mut fetches = Fetches::default();
        for id in 0..2 * FOLLOWED as u64 {
            fetches.event(&start(id, Activity::FileTransfer), seconds(0));
            fetches.event(&progress(id, u64::MAX, u64::MAX), seconds(0));
            for number in [u64::MAX, 0, u64::MAX] {
                let announce = Event::Expected {
                    id,
                    kind: Activity::CopyPath,
                    number,
                };
                fetches.event(&announce, seconds(0));
            }
        }
        fetches.event(&Event::Ended { id: 1 }, seconds(1));
        assert_eq!(fetches.running.len(), FOLLOWED - 1);
        assert_eq!(
            fetches.fetched(seconds(1)).bytes,
            counts(u64::MAX, u64::MAX)
        );
    }
}
