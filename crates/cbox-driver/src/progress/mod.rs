//! What happens in a run, and what is under way: [`Event`]s and the time go in, what a view
//! needs comes out. Nothing here knows a clock or a terminal.

pub mod builds;
pub mod copying;
mod ends;
pub mod evaluations;
mod event;
pub mod fetches;
pub mod folder_lock;
pub mod follow;
pub mod pushing;
mod rate;
pub mod run_log;

use std::time::Duration;

pub use self::event::{Event, Reporter, Silent};
use self::{
    builds::{Build, Builds, Silence, Summary},
    copying::Copying,
    evaluations::{Evaluation, Evaluations},
    pushing::Pushing,
};

/// Something that has a name, and nothing else to be seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doing {
    /// Its name: `staging 12 files`.
    pub text: String,
    /// When it began.
    pub since: Duration,
    /// Whether the user or another program is waited for.
    pub waits: bool,
}

/// Everything that is under way at a moment. All views draw from this.
#[derive(Debug, Default)]
pub struct UnderWay {
    /// What is done beside the rest.
    pub doing: Option<Doing>,
    /// The evaluations.
    pub evaluations: Evaluations,
    /// What is copied, hashed and compared.
    pub copies: Vec<Copying>,
    /// What Nix does.
    pub builds: Option<Builds>,
    /// What is copied to another store.
    pub pushing: Option<Pushing>,
    /// What was built and fetched until now.
    pub summary: Summary,
    /// The builds that have ended until now, each once it is known how.
    pub ended: Vec<Ended>,
    /// How long a build may say nothing before that is worth a word; `None` for ever.
    pub patience: Option<Duration>,
}

/// A build that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its `.drv` path.
    pub drv: String,
    /// The other machine that built it.
    pub machine: Option<String>,
    /// Whether it failed.
    pub failed: bool,
}

/// How many builds that have ended are kept: more than any summary shows.
const ENDED_KEPT: usize = 100_000;

/// What came of an event, if that is worth a line.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// This is done now.
    Doing(String),
    /// An evaluation has begun.
    Evaluating(Evaluation),
    /// An evaluation has ended.
    Evaluated {
        /// The evaluation.
        evaluation: Evaluation,
        /// Whether it went well.
        good: bool,
    },
    /// Bytes begin to be copied.
    Copying(Copying),
    /// Bytes are copied.
    Copied {
        /// The copy.
        copying: Copying,
        /// What was done: `wrote`.
        done: String,
    },
    /// A build has begun.
    Building(Build),
    /// A build has ended, well or not.
    Built {
        /// The build.
        build: Build,
        /// Whether it failed.
        failed: bool,
    },
    /// What was built of a target begins to be copied to another store.
    Pushing(Pushing),
    /// The store has it, or not.
    Pushed {
        /// What was copied.
        pushing: Pushing,
        /// Whether that failed.
        failed: bool,
    },
    /// A build says nothing, and this is known of it.
    Silent(Build, Silence),
    /// The first store path or file is fetched, from there.
    Fetching(String),
    /// The first store path is sent there.
    Sending(String),
}

impl UnderWay {
    /// Takes an event, and gives what came of it.
    pub fn event(&mut self, event: Event<'_>, now: Duration) -> Vec<News> {
        let news = self.take(event, now);
        for one in &news {
            if let News::Built { build, failed } = one
                && self.ended.len() < ENDED_KEPT
            {
                self.ended.push(Ended {
                    drv: build.drv.clone(),
                    machine: build.machine.clone(),
                    failed: *failed,
                });
            }
        }
        news
    }

    fn take(&mut self, event: Event<'_>, now: Duration) -> Vec<News> {
        let begins = matches!(
            event,
            Event::EvaluationBegan { .. } | Event::CopyBegan { .. } | Event::BuildsBegan { .. }
        );
        if begins {
            self.doing = None;
        }
        let news = match event {
            Event::Doing(text) => {
                self.does(text, false, now);
                Some(News::Doing(text.to_owned()))
            }
            Event::Briefly(text) => self.does(text, false, now),
            Event::Waiting(text) => self.does(text, true, now),
            Event::Evaluations(number) => {
                self.evaluations.expect(number);
                None
            }
            Event::EvaluationBegan { name, last } => {
                let evaluation = self.evaluations.begin(name, last, now);
                Some(News::Evaluating(evaluation))
            }
            Event::EvaluationEnded { name, good } => {
                let evaluation = self.evaluations.end(name);
                evaluation
                    .zip(good)
                    .map(|(evaluation, good)| News::Evaluated { evaluation, good })
            }
            Event::CopyBegan {
                what,
                title,
                expected,
            } => {
                let copying = Copying::begin(what, title, expected, now);
                self.copies.push(copying.clone());
                Some(News::Copying(copying))
            }
            Event::Copied { what, done } => {
                let mut copies = self.copies.iter_mut();
                if let Some(copying) = copies.find(|copying| copying.what == what) {
                    copying.look(done, now);
                }
                None
            }
            Event::CopyEnded { what, done } => {
                let mut copies = self.copies.iter();
                let place = copies.position(|copying| copying.what == what);
                let copying = place.map(|place| self.copies.remove(place));
                copying.zip(done).map(|(copying, done)| News::Copied {
                    copying,
                    done: done.to_owned(),
                })
            }
            Event::BuildsBegan { wanted, .. } => {
                self.builds = Some(Builds::begun(now, self.patience, wanted));
                None
            }
            Event::Needs(wanted) => {
                if let Some(builds) = &mut self.builds {
                    builds.wanted = wanted;
                }
                None
            }
            Event::Nix(event) => {
                let builds = self.builds.as_mut();
                return builds.map_or(vec![], |builds| builds.event(event, now));
            }
            Event::Silent { drv, silence } => {
                let builds = self.builds.as_mut();
                let build = builds.and_then(|builds| builds.explain(drv, &silence));
                build.map(|build| News::Silent(build, silence))
            }
            Event::BuildsEnded => {
                let Some(mut builds) = self.builds.take() else {
                    return vec![];
                };
                let news = builds.over();
                self.summary.add(&builds.summary());
                return news;
            }
            Event::PushBegan { target, store } => {
                let pushing = Pushing::begun(target, store, now);
                self.pushing = Some(pushing.clone());
                Some(News::Pushing(pushing))
            }
            Event::Push(event) => {
                if let Some(pushing) = &mut self.pushing {
                    pushing.event(event, now);
                }
                None
            }
            Event::PushEnded { good } => {
                let pushing = self.pushing.take();
                pushing.zip(good).map(|(pushing, good)| {
                    self.summary.pushed += u64::from(good);
                    News::Pushed {
                        pushing,
                        failed: !good,
                    }
                })
            }
            Event::Verdict { .. }
            | Event::Note(_)
            | Event::Aside(_)
            | Event::Warning(_)
            | Event::Annotation(_) => None,
        };
        news.into_iter().collect()
    }

    fn does(&mut self, text: &str, waits: bool, now: Duration) -> Option<News> {
        self.doing = Some(Doing {
            text: text.to_owned(),
            since: now,
            waits,
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// What comes of `event` in this second.
    fn after(under_way: &mut UnderWay, second: u64, event: Event<'_>) -> Vec<News> {
        under_way.event(event, seconds(second))
    }

    #[test]
    fn what_is_done_is_so_until_something_begins() {
        let mut under_way = UnderWay::default();
        let news = after(&mut under_way, 1, Event::Doing("staging 2 files"));
        assert_eq!(news, [News::Doing("staging 2 files".into())]);
        assert_eq!(after(&mut under_way, 2, Event::Waiting("for a save")), []);
        let doing = under_way.doing.clone().unwrap();
        assert_eq!((doing.since, doing.waits), (seconds(2), true));
        assert_eq!(after(&mut under_way, 3, Event::Note("a word")), []);
        assert!(under_way.doing.is_some());
        let begin = Event::EvaluationBegan {
            name: "a",
            last: None,
        };
        after(&mut under_way, 4, begin);
        assert_eq!(under_way.doing, None);
    }

    #[test]
    fn copies_are_told_apart_by_name() {
        let mut under_way = UnderWay::default();
        for what in ["hashing a", "hashing b"] {
            let begin = Event::CopyBegan {
                what,
                title: None,
                expected: 10,
            };
            let news = after(&mut under_way, 1, begin);
            assert!(matches!(&news[..], [News::Copying(_)]), "{news:?}");
        }
        for (what, done) in [("hashing b", 7), ("hashing c", 9)] {
            after(&mut under_way, 2, Event::Copied { what, done });
        }
        let done = under_way.copies.iter().map(|copying| copying.bytes.done);
        assert_eq!(done.collect::<Vec<_>>(), [0, 7]);
        let ended = |what, done| Event::CopyEnded { what, done };
        assert_eq!(after(&mut under_way, 3, ended("hashing a", None)), []);
        let news = after(&mut under_way, 3, ended("hashing b", Some("hashed")));
        assert!(matches!(&news[..], [News::Copied { done, .. }] if done == "hashed"));
        assert!(under_way.copies.is_empty());
    }

    #[test]
    fn an_evaluation_that_is_interrupted_is_no_news() {
        let mut under_way = UnderWay::default();
        after(&mut under_way, 0, Event::Evaluations(3));
        for name in ["a", "b"] {
            let last = Some(seconds(9));
            after(&mut under_way, 1, Event::EvaluationBegan { name, last });
        }
        let ended = |name, good| Event::EvaluationEnded { name, good };
        let news = after(&mut under_way, 2, ended("a", Some(false)));
        assert!(matches!(&news[..], [News::Evaluated { good: false, .. }]));
        assert_eq!(after(&mut under_way, 2, ended("b", None)), []);
        let all = &under_way.evaluations;
        assert_eq!((all.running.len(), all.done, all.all), (0, 2, 3));
        // Nothing is left of those that were to come.
        after(&mut under_way, 3, Event::Evaluations(1));
        let all = &under_way.evaluations;
        assert_eq!((all.done, all.all), (0, 1));
    }

    #[test]
    fn what_was_built_counts_when_all_is_over() {
        let mut under_way = UnderWay::default();
        let start = cbox_nix::events::Event::BuildStarted {
            id: 1,
            drv: "/nix/store/hash-a.drv".into(),
            machine: None,
        };
        assert_eq!(after(&mut under_way, 0, Event::Nix(&start)), []);
        for second in [1, 3] {
            let begin = Event::BuildsBegan {
                wanted: vec![],
                log: None,
            };
            after(&mut under_way, second, begin);
            let news = after(&mut under_way, second, Event::Nix(&start));
            assert!(matches!(&news[..], [News::Building(_)]), "{news:?}");
            let end = cbox_nix::events::Event::BuildEnded { id: 1 };
            after(&mut under_way, second + 1, Event::Nix(&end));
            after(&mut under_way, second + 1, Event::BuildsEnded);
            assert!(under_way.builds.is_none());
        }
        assert_eq!(under_way.summary.built, 2);
    }
}
