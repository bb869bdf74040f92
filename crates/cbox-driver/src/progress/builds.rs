//! The builds that run, and how far all of them are.
//!
//! Nix counts at once that a build has ended, well or not, but does not say which. The stop of
//! its activity says so, and of a build that was asked for by name comes only when all builds
//! are over; so does its error. Here each end is given to a build as soon as there is but one
//! that it can be of (`ends`).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cbox_nix::events::{Activity, Event, failed_derivation};

use super::{
    News,
    ends::{Ends, Outcome},
    fetches::{Counts, Fetched, Fetches},
};

/// How many builds are followed at once: more than any Nix runs.
const FOLLOWED: usize = 4096;

/// How much of a log line is kept, in bytes: no window is as wide.
const LINE_KEPT: usize = 500;

/// A build that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its `.drv` path.
    pub drv: String,
    /// The other machine that builds it.
    pub machine: Option<String>,
    /// The phase that it has come to.
    pub phase: Option<String>,
    /// When it began.
    pub since: Duration,
    /// The last line of its log.
    pub last_line: String,
    /// When it last said something.
    pub heard: Duration,
    /// Whether it was asked for when it said nothing for long.
    pub is_asked_for: bool,
    /// What is known of its silence.
    pub known: Option<Silence>,
}

impl Build {
    /// Its name.
    pub fn name(&self) -> &str {
        short(&self.drv)
    }
}

/// What is known of the silence of a build in a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Why KVM does not work, if the build is here and that was found.
    pub kvm: Option<String>,
    /// What shows its log.
    pub log: String,
}

/// A target that is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name: `appliance/iso`.
    pub name: String,
    /// The derivations that it needs, as far as they are known.
    pub needs: BTreeSet<String>,
}

/// What was done in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many derivations were built.
    pub built: u64,
    /// How many failed.
    pub failed: u64,
    /// How many store paths were fetched.
    pub paths: u64,
    /// How many bytes that were.
    pub bytes: u64,
    /// The outputs of how many targets were copied to another store.
    pub pushed: u64,
}

impl Summary {
    /// What was done in another go comes on top.
    pub fn add(&mut self, other: &Self) {
        self.built = self.built.saturating_add(other.built);
        self.failed = self.failed.saturating_add(other.failed);
        self.paths = self.paths.saturating_add(other.paths);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.pushed = self.pushed.saturating_add(other.pushed);
    }
}

/// Everything that one `nix build` does.
#[derive(Debug, Default)]
pub struct Builds {
    since: Duration,
    /// In the order in which they began, which their numbers keep.
    running: BTreeMap<u64, Build>,
    /// How many have stopped.
    stopped: u64,
    all_builds: Option<u64>,
    counts: Counts,
    failed: u64,
    ends: Ends,
    fetches: Fetches,
    fetching: bool,
    /// Whether it was told that something is sent.
    sending: bool,
    /// How long a build may say nothing before that is worth a word; `None` for ever.
    patience: Option<Duration>,
    /// The targets that are built.
    pub wanted: Vec<Wanted>,
}

impl Builds {
    /// Those of a run that begins at `now`.
    pub fn begun(now: Duration, patience: Option<Duration>, wanted: Vec<Wanted>) -> Self {
        Self {
            since: now,
            patience,
            wanted,
            ..Self::default()
        }
    }

    /// How long a build has said nothing, where that is long.
    pub fn silence(&self, build: &Build, now: Duration) -> Option<Duration> {
        let silence = now.saturating_sub(build.heard);
        self.patience
            .is_some_and(|patience| silence >= patience)
            .then_some(silence)
    }

    /// The builds that have become silent since this was last asked.
    pub fn newly_silent(&mut self, now: Duration) -> Vec<Build> {
        let Some(patience) = self.patience else {
            return vec![];
        };
        let all = self.running.values_mut();
        let silent =
            all.filter(|build| !build.is_asked_for && now.saturating_sub(build.heard) >= patience);
        silent
            .map(|build| {
                build.is_asked_for = true;
                build.clone()
            })
            .collect()
    }

    /// Keeps what is known of a build's silence, and gives the build.
    pub fn explain(&mut self, drv: &str, known: &Silence) -> Option<Build> {
        let mut all = self.running.values_mut();
        let build = all.find(|build| build.drv == drv)?;
        build.known = Some(known.clone());
        Some(build.clone())
    }

    /// The target that a build is for, if there are several and no other one needs it.
    pub fn target(&self, build: &Build) -> Option<&str> {
        let mut needing = self.wanted.iter();
        let mut next = || needing.find(|wanted| wanted.needs.contains(&build.drv));
        match (self.wanted.len(), next(), next()) {
            (2.., Some(only), None) => Some(&only.name),
            _ => None,
        }
    }

    /// When it began.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Takes an event, and gives what came of it.
    pub fn event(&mut self, event: &Event, now: Duration) -> Vec<News> {
        match event {
            Event::BuildStarted { id, drv, machine } => {
                let build = Build {
                    drv: drv.clone(),
                    machine: machine.clone(),
                    phase: None,
                    since: now,
                    last_line: String::new(),
                    heard: now,
                    is_asked_for: false,
                    known: None,
                };
                if self.running.len() < FOLLOWED {
                    self.running.insert(*id, build.clone());
                    self.ends.began(*id);
                }
                vec![News::Building(build)]
            }
            Event::BuildEnded { id } => {
                self.stopped += 1;
                let is_last = self.counts.done + self.failed >= self.counts.expected;
                let known = self.ends.stopped(*id, is_last);
                self.told(known)
            }
            Event::Phase { id, phase } => {
                if let Some(build) = self.running.get_mut(id) {
                    build.phase = Some(phase.clone());
                    build.heard = now;
                }
                self.heard(*id)
            }
            Event::BuildLog { id, line } => {
                if let Some(build) = self.running.get_mut(id) {
                    build.heard = now;
                }
                if let Some(build) = self.running.get_mut(id)
                    && !line.trim().is_empty()
                {
                    let kept = &line[..line.floor_char_boundary(LINE_KEPT)];
                    build.last_line.clear();
                    build.last_line.push_str(kept);
                }
                self.heard(*id)
            }
            Event::Message {
                is_error: true,
                text,
            } => {
                let failed = failed_derivation(text);
                let id = failed.and_then(|drv| {
                    let mut running = self.running.iter();
                    running.find_map(|(id, build)| (build.drv == drv).then_some(*id))
                });
                let known = id.map(|id| self.ends.named(id));
                self.told(known.unwrap_or_default())
            }
            Event::Message { .. } | Event::Unreachable { .. } | Event::Passed { .. } => vec![],
            Event::Started {
                id,
                kind,
                from,
                what,
            } => {
                if *kind == Activity::Builds {
                    self.all_builds = Some(*id);
                }
                self.fetches.event(event, now);
                if *kind == Activity::Send {
                    let is_first = !std::mem::replace(&mut self.sending, true);
                    let news = is_first.then(|| News::Sending(from.clone()));
                    return news.into_iter().collect();
                }
                let fetches = matches!(kind, Activity::CopyPath | Activity::FileTransfer);
                if !fetches || self.fetching {
                    return vec![];
                }
                self.fetching = true;
                let from = if from.is_empty() { what } else { from };
                vec![News::Fetching(from.clone())]
            }
            Event::Progress {
                id,
                done,
                expected,
                running,
                failed,
            } if self.all_builds == Some(*id) => {
                let good = done.saturating_sub(self.counts.done);
                let bad = failed.saturating_sub(self.failed);
                self.counts = Counts {
                    done: *done,
                    expected: *expected,
                };
                self.failed = *failed;
                let known = self.ends.counted(good, bad, *running);
                self.told(known)
            }
            Event::Ended { .. } | Event::Progress { .. } | Event::Expected { .. } => {
                self.fetches.event(event, now);
                vec![]
            }
        }
    }

    /// A build that says something has not ended, so perhaps another one has.
    fn heard(&mut self, id: u64) -> Vec<News> {
        let known = self.ends.heard(id);
        self.told(known)
    }

    /// Says that no more events come, and what came of the builds that stopped last.
    pub fn over(&mut self) -> Vec<News> {
        let known = self.ends.over();
        self.told(known)
    }

    fn told(&mut self, known: Vec<(u64, Outcome)>) -> Vec<News> {
        let news = known.into_iter().filter_map(|(id, outcome)| {
            let build = self.running.remove(&id)?;
            let failed = outcome == Outcome::Bad;
            Some(News::Built { build, failed })
        });
        news.collect()
    }

    /// A build that runs.
    pub fn build(&self, id: u64) -> Option<&Build> {
        self.running.get(&id)
    }

    /// The builds that run, that which runs longest first.
    pub fn running(&self) -> impl ExactSizeIterator<Item = &Build> {
        self.running.values()
    }

    /// How many builds run now. Of those that are known some may have ended, too.
    pub fn at_once(&self) -> usize {
        self.running.len().saturating_sub(self.ends.open())
    }

    /// How many derivations are built of how many.
    pub fn counts(&self) -> Counts {
        let Counts { done, expected } = self.counts;
        let known = self.at_once() as u64 + done + self.failed;
        Counts {
            done,
            expected: expected.max(known),
        }
    }

    /// How many builds have failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// How far fetching is.
    pub fn fetched(&self, now: Duration) -> Fetched {
        self.fetches.fetched(now)
    }

    /// What was done in all.
    pub fn summary(&self) -> Summary {
        let fetched = self.fetches.fetched(Duration::ZERO);
        Summary {
            // A Nix that counts nothing has said what began and ended at least.
            built: match self.all_builds {
                Some(_) => self.counts.done,
                None => self.stopped,
            },
            failed: self.ends.failed(),
            paths: fetched.paths.done,
            bytes: fetched.bytes.done,
            pushed: 0,
        }
    }
}

/// A derivation's name without the store and the hash.
pub fn short(drv: &str) -> &str {
    let base = drv.rsplit('/').next().unwrap_or(drv);
    let name = base.split_once('-').map_or(base, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cbox_nix::events::Reader;

    /// What is known when `stream` was read up to the line before which `until` holds, a
    /// second a line.
    fn read(stream: &str, until: impl Fn(&str) -> bool) -> (Builds, Vec<News>) {
        let (mut builds, mut reader) = (Builds::default(), Reader::default());
        let mut news = Vec::new();
        for (second, line) in (0..).zip(stream.lines()) {
            if until(line) {
                break;
            }
            if let Some(event) = reader.line(line.as_bytes()) {
                news.extend(builds.event(&event, Duration::from_secs(second)));
            }
        }
        (builds, news)
    }

    /// The streams that both releases of Nix gave.
    macro_rules! recorded {
        ($name:literal) => {
            [
                include_str!(concat!(
                    "../../../cbox-nix/src/events/recorded/2.26-",
                    $name,
                    ".jsonl"
                )),
                include_str!(concat!(
                    "../../../cbox-nix/src/events/recorded/2.34-",
                    $name,
                    ".jsonl"
                )),
            ]
        };
    }
    #[test]
    fn a_build_is_shown_with_its_phase_and_last_line() {
        for stream in recorded!("lines") {
            let (builds, _) = read(stream, |line| line.contains(r#""fields":["last"]"#));
            let build = builds.running().next().unwrap();
            assert_eq!(build.name(), "lines");
            assert_eq!(build.phase.as_deref(), Some("buildPhase"));
            assert!(build.last_line.ends_with("new"), "{build:?}");
            let (expected, running) = (builds.counts().expected, builds.running().len());
            assert_eq!((expected, running), (1, 1));
            let (builds, news) = read(stream, |_| false);
            assert!(matches!(&news[1..], [News::Built { failed: false, .. }]));
            assert_eq!(builds.summary().built, 1);
            assert_eq!(builds.running().len(), 0);
        }
    }

    #[test]
    fn failures_are_counted() {
        for stream in recorded!("failing") {
            let (builds, news) = read(stream, |_| false);
            assert!(builds.failed() >= 2, "what depends on them may count too");
            let ended = news.iter().filter_map(|news| match news {
                News::Built { build, failed } => Some((build.name(), *failed)),
                _ => None,
            });
            let mut ended: Vec<_> = ended.collect();
            ended.sort_unstable();
            assert_eq!(ended, [("bad", true), ("silent", true)]);
            let summary = builds.summary();
            assert_eq!((summary.built, summary.failed), (0, 2));
        }
    }

    #[test]
    fn what_is_fetched_is_counted() {
        for stream in recorded!("fetched") {
            let (builds, news) = read(stream, |_| false);
            assert_eq!(news, [News::Fetching("file:///work/cache".into())]);
            let summary = builds.summary();
            assert_eq!((summary.built, summary.paths), (0, 2));
            // The older release says no bytes of paths as small as these.
            assert!([0, 296].contains(&summary.bytes), "{summary:?}");
        }
        for stream in recorded!("download") {
            assert_eq!(read(stream, |_| false).0.summary().bytes, 100_000);
        }
    }

    #[test]
    fn a_build_is_for_the_only_target_that_needs_it() {
        let needs = |name: &str, needs: &[&str]| Wanted {
            name: name.to_owned(),
            needs: needs.iter().map(|drv| (*drv).to_owned()).collect(),
        };
        let of = |wanted| {
            let mut builds = Builds::begun(Duration::ZERO, None, wanted);
            let start = |(id, drv): (u64, &str)| Event::BuildStarted {
                id,
                drv: drv.to_owned(),
                machine: None,
            };
            for build in [(1, "a"), (2, "both"), (3, "none")] {
                builds.event(&start(build), Duration::ZERO);
            }
            let targets = builds.running().map(|build| builds.target(build));
            targets.map(|target| target.map(str::to_owned)).collect()
        };
        let all: Vec<Option<String>> = of(vec![
            needs("iso", &["a", "both"]),
            needs("raw", &["b", "both"]),
        ]);
        assert_eq!(all, [Some("iso".to_owned()), None, None]);
        // Of a single target all builds are.
        let all: Vec<Option<String>> = of(vec![needs("iso", &["a", "both"])]);
        assert_eq!(all, [None, None, None]);
    }

    #[test]
    fn builds_without_end_take_no_memory() {
        let mut builds = Builds::default();
        for id in 0..3 * FOLLOWED as u64 {
            let drv = format!("/nix/store/hash-{id}.drv");
            let start = Event::BuildStarted {
                id,
                drv,
                machine: None,
            };
            builds.event(&start, Duration::ZERO);
            let line = "ä".repeat(100_000);
            builds.event(&Event::BuildLog { id, line }, Duration::ZERO);
        }
        assert_eq!(builds.running().len(), FOLLOWED);
        let kept = builds.running().map(|build| build.last_line.capacity());
        assert!(kept.max().unwrap() <= 2 * LINE_KEPT);
    }

    #[test]
    fn names_are_short() {
        assert_eq!(short("/nix/store/hash-name-1.0.drv"), "name-1.0");
        assert_eq!(short("odd"), "odd");
    }
}
