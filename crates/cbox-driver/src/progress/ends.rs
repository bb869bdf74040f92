//! Which builds have ended: what Nix counts, put together with what it says of single builds.

use std::collections::BTreeMap;

/// How a build has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is built.
    Good,
    /// Its builder failed.
    Bad,
}

/// The builds that may have ended, and the ends that are not yet known to be of one.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Each build of which no end is known, and what is known of it.
    builds: BTreeMap<u64, State>,
    good: u64,
    bad: u64,
    /// The end that was counted last.
    last: Option<Outcome>,
    /// How many builders have failed in all.
    failed: u64,
    running: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It ran when the last end was counted, and has been silent since.
    Silent,
    /// It has begun or said something behind the last end.
    Heard,
    /// It has stopped, and only an error can tell how.
    Stopped,
}

impl Ends {
    /// A build has begun.
    pub(super) fn began(&mut self, id: u64) {
        self.builds.insert(id, State::Heard);
    }

    /// A build has said something.
    pub(super) fn heard(&mut self, id: u64) -> Vec<(u64, Outcome)> {
        match self.builds.get_mut(&id) {
            Some(state @ State::Silent) => {
                *state = State::Heard;
                self.settle()
            }
            _ => vec![],
        }
    }

    /// Nix has counted so many ends more; `running` builds go on.
    pub(super) fn counted(&mut self, good: u64, bad: u64, running: u64) -> Vec<(u64, Outcome)> {
        let ended = self.running.saturating_sub(running);
        self.running = running;
        // What depends on a failed build may count as failed too, and what was there after
        // all as built: neither was running.
        let bad = bad.min(ended);
        let good = good.min(ended - bad);
        if good + bad == 0 {
            return vec![];
        }
        self.good += good;
        self.bad += bad;
        self.failed += bad;
        self.last = Some(if bad > 0 { Outcome::Bad } else { Outcome::Good });
        for state in self.builds.values_mut() {
            if *state == State::Heard {
                *state = State::Silent;
            }
        }
        self.settle()
    }

    /// An error names a build.
    pub(super) fn named(&mut self, id: u64) -> Vec<(u64, Outcome)> {
        if self.bad == 0 || !self.builds.contains_key(&id) {
            return vec![];
        }
        let mut known = vec![self.end(id, Outcome::Bad)];
        known.extend(self.settle());
        known
    }

    /// A build's activity has stopped; `is_last` says that nothing is left to be built.
    pub(super) fn stopped(&mut self, id: u64, is_last: bool) -> Vec<(u64, Outcome)> {
        let Some(state) = self.builds.get_mut(&id) else {
            return vec![];
        };
        let outcome = match (self.good, self.bad) {
            (_, 0) => Outcome::Good,
            (0, _) => Outcome::Bad,
            // Those that wait for the end of all stop together, and the errors follow.
            _ if is_last => {
                *state = State::Stopped;
                return vec![];
            }
            _ => self.last.unwrap_or(Outcome::Good),
        };
        let mut known = vec![self.end(id, outcome)];
        known.extend(self.settle());
        known
    }

    /// Nothing more comes: what has stopped and is named by no error was built.
    pub(super) fn over(&mut self) -> Vec<(u64, Outcome)> {
        let stopped = self.builds.iter();
        let stopped = stopped.filter(|(_, state)| **state == State::Stopped);
        let stopped: Vec<u64> = stopped.map(|(id, _)| *id).collect();
        let ended = stopped.into_iter().map(|id| self.end(id, Outcome::Good));
        ended.collect()
    }

    /// How many ends are of builds that are not known.
    pub(super) fn open(&self) -> usize {
        usize::try_from(self.good + self.bad).unwrap_or(usize::MAX)
    }

    /// How many builders have failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Gives the ends to the builds that can have ended, if these are as many.
    fn settle(&mut self) -> Vec<(u64, Outcome)> {
        let outcome = match (self.good, self.bad) {
            (0, 0) => return vec![],
            (_, 0) => Outcome::Good,
            (0, _) => Outcome::Bad,
            _ => return vec![],
        };
        let silent = self.builds.iter();
        let silent = silent.filter(|(_, state)| **state != State::Heard);
        let silent: Vec<u64> = silent.map(|(id, _)| *id).collect();
        if silent.len() != self.open() {
            return vec![];
        }
        let ended = silent.into_iter().map(|id| self.end(id, outcome));
        ended.collect()
    }

    fn end(&mut self, id: u64, outcome: Outcome) -> (u64, Outcome) {
        self.builds.remove(&id);
        let count = match outcome {
            Outcome::Good => &mut self.good,
            Outcome::Bad => &mut self.bad,
        };
        *count = count.saturating_sub(1);
        (id, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Outcome::{Bad, Good},
        *,
    };

    /// So many builds, numbered from 1, that run.
    fn running(number: u64) -> Ends {
        let mut ends = Ends::default();
        for id in 1..=number {
            ends.began(id);
            ends.counted(0, 0, id);
        }
        ends
    }

    #[test]
    fn the_only_one_that_can_have_ended_has() {
        let mut ends = running(1);
        assert_eq!(ends.counted(1, 0, 0), [(1, Good)]);
        assert_eq!(ends.stopped(1, true), []);
        ends.began(2);
        ends.counted(0, 0, 1);
        assert_eq!(ends.counted(0, 1, 0), [(2, Bad)]);
        assert_eq!((ends.open(), ends.failed()), (0, 1));
    }

    #[test]
    fn who_is_heard_has_not_ended() {
        let mut ends = running(3);
        assert_eq!(ends.counted(1, 0, 2), []);
        assert_eq!(ends.open(), 1);
        assert_eq!(ends.heard(2), []);
        assert_eq!(ends.heard(3), [(1, Good)]);
        assert_eq!(ends.counted(0, 1, 1), []);
        assert_eq!(ends.heard(3), [(2, Bad)]);
    }

    #[test]
    fn a_stop_and_an_error_tell_which() {
        let mut ends = running(3);
        assert_eq!(ends.counted(1, 0, 2), []);
        assert_eq!(ends.stopped(2, false), [(2, Good)]);
        assert_eq!(ends.named(1), [], "nothing has failed");
        assert_eq!(ends.counted(0, 1, 1), []);
        assert_eq!(ends.named(3), [(3, Bad)]);
        assert_eq!(ends.counted(1, 0, 0), [(1, Good)]);
    }

    #[test]
    fn those_that_stop_at_the_end_wait_for_the_errors() {
        let mut ends = running(3);
        for (good, bad, running) in [(1, 0, 2), (0, 1, 1), (1, 0, 0)] {
            assert_eq!(ends.counted(good, bad, running), []);
        }
        for id in [3, 2, 1] {
            assert_eq!(ends.stopped(id, true), []);
        }
        assert_eq!(ends.named(2), [(2, Bad), (1, Good), (3, Good)]);
        assert_eq!(ends.over(), []);
    }

    #[test]
    fn what_only_follows_is_no_end_of_a_build() {
        let mut ends = running(2);
        assert_eq!(ends.counted(5, 5, 2), []);
        assert_eq!((ends.open(), ends.failed()), (0, 0));
        assert_eq!(ends.stopped(1, false), [(1, Good)]);
        assert_eq!(ends.over(), []);
    }
}
