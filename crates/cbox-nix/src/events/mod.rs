//! Nix's event stream: `--log-format internal-json`, a line an event.
//!
//! The format has no specification and new releases add types, so types are numbers here
//! with names for those that cbox looks at, everything else is passed by, and a line that
//! is no event is a line of log. Source: `src/libutil/logging.hh` of Nix.
//!
//! What a builder prints arrives inside of an event, but a line of its own that begins with
//! `@nix` can make Nix pass on a message, a phase or a download in its name. So nothing here
//! decides whether a build went well: only Nix's exit code does.

mod failures;
mod line;
mod relayed;

use std::collections::{BTreeMap, HashMap, VecDeque};

use nix_formats::nix_text::without_escapes;

use self::{
    failures::Failures,
    line::Line,
    relayed::{Relayed, Told, unreachable},
};
use crate::store_fault::ssh_says;

pub use self::failures::{FailedBuild, LOST, failed_derivation};

/// What an event line begins with.
pub(crate) const PREFIX: &[u8] = b"@nix ";

/// Results: a line of a build's log.
const BUILD_LOG_LINE: u64 = 101;
/// Results: the phase that a build has come to.
const SET_PHASE: u64 = 104;
/// Results: progress of an activity.
const PROGRESS: u64 = 105;
/// Results: how much of a type an activity expects.
const SET_EXPECTED: u64 = 106;

/// The log level of errors.
const LEVEL_ERROR: u64 = 0;
/// The log level of what Nix says unasked.
const LEVEL_NOTICE: u64 = 2;

/// How many lines of a build's log are kept for its failure.
pub const TAIL_LINES: usize = 25;

/// How many bytes of a log line are kept.
const TAIL_WIDTH: usize = 2000;

/// How many bytes of a log line or a message are looked at.
const LOOKED_AT: usize = 64 * 1024;

/// How many builds' last lines are kept after they ended.
const ENDED_KEPT: usize = 64;

/// How many builds are followed at once; no machine runs as many.
const BUILDS_FOLLOWED: usize = 512;

/// A kind of work that Nix does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activity {
    /// A store path comes from another store; its progress is in bytes, unpacked.
    CopyPath,
    /// A store path goes to another store. To Nix it is a [`Self::CopyPath`].
    Send,
    /// A file comes from the network; its progress is in bytes.
    FileTransfer,
    /// All that is to be there in the end.
    Realise,
    /// All store paths that are fetched; its progress is their count.
    CopyPaths,
    /// All builds; its progress is the count of derivations.
    Builds,
    /// A store path is substituted.
    Substitute,
    /// A source of a flake is fetched.
    FetchTree,
    /// Another type, by its number.
    Other(u64),
}

impl Activity {
    /// The activity of this number.
    #[must_use]
    pub fn of(number: u64) -> Self {
        match number {
            100 => Self::CopyPath,
            101 => Self::FileTransfer,
            102 => Self::Realise,
            103 => Self::CopyPaths,
            104 => Self::Builds,
            108 => Self::Substitute,
            112 => Self::FetchTree,
            other => Self::Other(other),
        }
    }
}

/// The number of the activity that is a build.
const BUILD: u64 = 105;

/// What the views are told. Numbers of activities are unique while these last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A derivation is being built.
    BuildStarted {
        /// The activity.
        id: u64,
        /// Its `.drv` path.
        drv: String,
        /// The other machine that builds it.
        machine: Option<String>,
    },
    /// A build has come to a phase.
    Phase {
        /// The build.
        id: u64,
        /// Its name: `buildPhase`.
        phase: String,
    },
    /// A line of a build's log.
    BuildLog {
        /// The build.
        id: u64,
        /// The line, free of terminal escapes.
        line: String,
    },
    /// A build has ended, well or not.
    BuildEnded {
        /// The build.
        id: u64,
    },
    /// Another activity has begun.
    Started {
        /// The activity.
        id: u64,
        /// Its kind.
        kind: Activity,
        /// What it is about: a store path or an address.
        what: String,
        /// Where that comes from; of a [`Activity::Send`] where it goes.
        from: String,
    },
    /// An activity that is no build has ended, or one that was never seen to begin.
    Ended {
        /// The activity.
        id: u64,
    },
    /// How far an activity is.
    Progress {
        /// The activity.
        id: u64,
        /// Done.
        done: u64,
        /// To be done in all, as far as known.
        expected: u64,
        /// Under way.
        running: u64,
        /// Gone wrong.
        failed: u64,
    },
    /// How much of a kind there will be because of an activity.
    Expected {
        /// The activity.
        id: u64,
        /// The kind.
        kind: Activity,
        /// How much.
        number: u64,
    },
    /// A builder does not answer; Nix goes on with the others.
    Unreachable {
        /// The builder, as it is configured.
        machine: String,
        /// What ssh or Nix says of it.
        reason: String,
    },
    /// A binary cache is not used for all that it has.
    Passed {
        /// Its URI.
        cache: String,
        /// Whether what it has is not signed by a key that is trusted; otherwise it does not
        /// answer.
        unsigned: bool,
    },
    /// Something that Nix says.
    Message {
        /// Whether it is an error.
        is_error: bool,
        /// The text, free of terminal escapes.
        text: String,
    },
}

/// Reads the stream, and keeps what a failure will need, in bounded memory.
#[derive(Debug, Default)]
pub struct Reader {
    /// The builds that run, by their activity: the order in which they began.
    builds: BTreeMap<u64, String>,
    /// The other machines that build, by derivation.
    machines: HashMap<String, String>,
    relayed: Relayed,
    /// What ssh said last.
    ssh: Option<String>,
    tails: HashMap<String, VecDeque<String>>,
    ended: VecDeque<String>,
    failures: Failures,
}

impl Reader {
    /// Takes one line, without its line feed.
    pub fn line(&mut self, line: &[u8]) -> Option<Event> {
        match line.strip_prefix(PREFIX) {
            // An action or a field that is not known is passed by.
            Some(event) => {
                let mut line: Line<'_> = serde_json::from_slice(event).ok()?;
                match self.teller(&line) {
                    Told::Of(id) => line.id = id,
                    Told::Again => return None,
                }
                self.event(&line)
            }
            None => {
                let text = harmless(&String::from_utf8_lossy(&line[..line.len().min(LOOKED_AT)]));
                if let Some(said) = ssh_says(&text) {
                    self.ssh = Some(cut(said.to_owned()));
                }
                (!text.trim().is_empty()).then_some(Event::Message {
                    is_error: false,
                    text,
                })
            }
        }
    }

    /// The activity that a line is about.
    fn teller(&mut self, line: &Line<'_>) -> Told {
        match line.action.as_ref() {
            "start" => {
                let own = |drv: &str| {
                    self.machines.get(drv)?;
                    let running = |(id, of): (&u64, &String)| (of == drv).then_some(*id);
                    self.builds.iter().find_map(running)
                };
                self.relayed.start(line, own)
            }
            "stop" => self.relayed.stop(line.id),
            _ => self.relayed.result(line.id),
        }
    }

    fn event(&mut self, line: &Line<'_>) -> Option<Event> {
        match (line.action.as_ref(), line.kind) {
            ("result", BUILD_LOG_LINE) => self.log_line(line),
            ("result", SET_PHASE) => Some(Event::Phase {
                id: line.id,
                phase: cut(harmless(line.text(0)?)),
            }),
            ("result", PROGRESS) => Some(Event::Progress {
                id: line.id,
                done: line.number(0)?,
                expected: line.number(1)?,
                running: line.number(2).unwrap_or(0),
                failed: line.number(3).unwrap_or(0),
            }),
            ("result", SET_EXPECTED) => Some(Event::Expected {
                id: line.id,
                kind: Activity::of(line.number(0)?),
                number: line.number(1)?,
            }),
            ("start", BUILD) => self.build_started(line),
            ("start", kind) => {
                let text = |place| cut(harmless(line.text(place).unwrap_or_default()));
                let (kind, mut from, to) = (Activity::of(kind), text(1), text(2));
                let sends =
                    kind == Activity::CopyPath && to.contains("://") && !from.contains("://");
                if sends {
                    from = to;
                }
                Some(Event::Started {
                    id: line.id,
                    kind: if sends { Activity::Send } else { kind },
                    what: text(0),
                    from,
                })
            }
            ("stop", _) => Some(self.stopped(line.id)),
            ("msg", _) => {
                let text = harmless(&line.msg);
                let is_error = line.level == LEVEL_ERROR && text.trim_start().starts_with("error:");
                if is_error {
                    self.failures
                        .push(&text, |drv| self.machines.contains_key(drv));
                }
                if let Some((machine, why)) = unreachable(&text) {
                    let reason = self.ssh.take().unwrap_or_else(|| cut(why.to_owned()));
                    let machine = cut(machine.to_owned());
                    return Some(Event::Unreachable { machine, reason });
                }
                if let Some((cache, unsigned)) = passed_cache(&text) {
                    let cache = cut(cache.to_owned());
                    return Some(Event::Passed { cache, unsigned });
                }
                (line.level <= LEVEL_NOTICE).then_some(Event::Message { is_error, text })
            }
            _ => None,
        }
    }

    fn build_started(&mut self, line: &Line<'_>) -> Option<Event> {
        let drv = cut(harmless(line.text(0)?));
        if self.builds.len() == BUILDS_FOLLOWED {
            let (_, oldest) = self.builds.pop_first()?;
            self.keep_for_a_while(oldest);
        }
        self.builds.insert(line.id, drv.clone());
        self.tails.insert(drv.clone(), VecDeque::new());
        let machine = line.text(1).filter(|machine| !machine.is_empty());
        let machine = machine.map(|machine| cut(harmless(machine)));
        match &machine {
            Some(machine) => self.machines.insert(drv.clone(), machine.clone()),
            None => self.machines.remove(&drv),
        };
        Some(Event::BuildStarted {
            id: line.id,
            drv,
            machine,
        })
    }

    fn stopped(&mut self, id: u64) -> Event {
        match self.builds.remove(&id) {
            Some(drv) => {
                self.keep_for_a_while(drv);
                Event::BuildEnded { id }
            }
            None => Event::Ended { id },
        }
    }

    /// Keeps the last lines of a build that is followed no more, until others come.
    fn keep_for_a_while(&mut self, drv: String) {
        self.ended.push_back(drv);
        if self.ended.len() > ENDED_KEPT
            && let Some(oldest) = self.ended.pop_front()
            && !self.ended.contains(&oldest)
        {
            self.tails.remove(&oldest);
            self.machines.remove(&oldest);
        }
    }

    fn log_line(&mut self, line: &Line<'_>) -> Option<Event> {
        let drv = self.builds.get(&line.id)?;
        let text = cut(harmless(line.text(0)?));
        let tail = self.tails.get_mut(drv)?;
        let mut place = match tail.len() {
            TAIL_LINES => tail.pop_front().unwrap_or_default(),
            _ => String::new(),
        };
        place.clear();
        place.push_str(&text);
        tail.push_back(place);
        Some(Event::BuildLog {
            id: line.id,
            line: text,
        })
    }

    /// The builds that an error names, each with the last lines of its log, as far as they
    /// are still known.
    #[must_use]
    pub fn failed_builds(&self) -> Vec<FailedBuild> {
        let tail = |drv: &str| self.tails.get(drv).into_iter().flatten().cloned().collect();
        let machine = |drv: &str| self.machines.get(drv).cloned();
        self.failures.builds(tail, machine)
    }

    /// What ssh said last, where it was of no builder.
    #[must_use]
    pub fn ssh(&self) -> Option<&str> {
        self.ssh.as_deref()
    }

    /// The errors that are about no build.
    #[must_use]
    pub fn other_errors(&self) -> &[String] {
        self.failures.others()
    }

    /// Whether Nix reported an error.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failures.any()
    }
}

/// The binary cache that Nix says it does not use, and whether that is for a signature.
fn passed_cache(text: &str) -> Option<(&str, bool)> {
    const NO_KEY: &str = "', as it's not signed by any of the keys in 'trusted-public-keys'";
    if let Some((before, _)) = text.split_once(NO_KEY) {
        let (_, cache) = before.split_once("' from '")?;
        return Some((cache, true));
    }
    // The first file that is asked for.
    let (_, rest) = text.split_once("unable to download '")?;
    let (cache, _) = rest.split_once("/nix-cache-info'")?;
    Some((cache, false))
}

/// The beginning of `text`, without what would move a terminal's cursor.
fn harmless(text: &str) -> String {
    without_escapes(&text[..text.floor_char_boundary(LOOKED_AT)])
}

/// `text`, cut where it is too long to be kept.
fn cut(mut text: String) -> String {
    if text.len() > TAIL_WIDTH {
        text.truncate(text.floor_char_boundary(TAIL_WIDTH));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
