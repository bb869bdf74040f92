//! Nix's event stream: `--log-format internal-json`, a line an event.
//!
//! The format has no specification and new releases add types, so types are numbers here
//! with names for those that cbox looks at, everything else is passed by, and a line that
//! is no event is a line of log. Source: `src/libutil/logging.hh` of Nix.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use cbox_core::nix_text::without_escapes;
use serde::Deserialize;

/// What an event line begins with.
pub(crate) const PREFIX: &[u8] = b"@nix ";

/// Activities: building one derivation.
const BUILD: u64 = 105;
/// Activities: all builds, whose progress is the count of derivations.
const BUILDS: u64 = 104;
/// Results: a line of a build's log.
const BUILD_LOG_LINE: u64 = 101;
/// Results: progress of an activity.
const PROGRESS: u64 = 105;

/// The log level of errors.
const LEVEL_ERROR: u64 = 0;

/// How many lines of a build's log are kept for its failure.
pub const TAIL_LINES: usize = 25;

/// How many characters of a log line are kept.
const TAIL_WIDTH: usize = 2000;

/// How many builds' last lines are kept after they ended.
const ENDED_KEPT: usize = 64;

/// One line of the stream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Line {
    Msg {
        #[serde(default)]
        level: u64,
        #[serde(default)]
        msg: String,
    },
    Start {
        id: u64,
        #[serde(rename = "type", default)]
        kind: u64,
        #[serde(default)]
        fields: Vec<serde_json::Value>,
    },
    Stop {
        id: u64,
    },
    Result {
        id: u64,
        #[serde(rename = "type", default)]
        kind: u64,
        #[serde(default)]
        fields: Vec<serde_json::Value>,
    },
}

/// What the views are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A derivation is being built.
    Started {
        /// Its `.drv` path.
        drv: String,
    },
    /// That build has ended, well or not.
    Ended {
        /// Its `.drv` path.
        drv: String,
    },
    /// A line of a build's log.
    BuildLog {
        /// The `.drv` path.
        drv: String,
        /// The line, free of terminal escapes.
        line: String,
    },
    /// How many derivations are done of how many.
    Progress {
        /// Built.
        done: u64,
        /// To be built, as far as known.
        expected: u64,
    },
    /// Something that Nix says.
    Message {
        /// Whether it is an error.
        is_error: bool,
        /// The text, free of terminal escapes.
        text: String,
    },
}

/// Reads the stream, and keeps what a failure will need.
#[derive(Debug, Default)]
pub struct Reader {
    builds: HashMap<u64, String>,
    all_builds: HashSet<u64>,
    tails: HashMap<String, VecDeque<String>>,
    ended: VecDeque<String>,
    errors: Vec<String>,
}

impl Reader {
    /// Takes one line, without its line feed.
    pub fn line(&mut self, line: &[u8]) -> Option<Event> {
        let parsed = line
            .strip_prefix(PREFIX)
            .map(serde_json::from_slice::<Line>);
        match parsed {
            Some(Ok(line)) => self.event(line),
            // An action or a field that is not known: passed by.
            Some(Err(_)) => None,
            None => {
                let text = without_escapes(&String::from_utf8_lossy(line));
                (!text.trim().is_empty()).then_some(Event::Message {
                    is_error: false,
                    text,
                })
            }
        }
    }

    fn event(&mut self, line: Line) -> Option<Event> {
        match line {
            Line::Msg { level, msg } => {
                let text = without_escapes(&msg);
                let is_error = level == LEVEL_ERROR && text.trim_start().starts_with("error:");
                if is_error {
                    self.errors.push(text.clone());
                }
                (level <= 2).then_some(Event::Message { is_error, text })
            }
            Line::Start {
                id,
                kind: BUILD,
                fields,
            } => {
                let drv = fields.first()?.as_str()?.to_owned();
                self.builds.insert(id, drv.clone());
                self.tails.insert(drv.clone(), VecDeque::new());
                Some(Event::Started { drv })
            }
            Line::Start {
                id, kind: BUILDS, ..
            } => {
                self.all_builds.insert(id);
                None
            }
            Line::Start { .. } => None,
            Line::Stop { id } => {
                let drv = self.builds.remove(&id)?;
                self.ended.push_back(drv.clone());
                if self.ended.len() > ENDED_KEPT
                    && let Some(oldest) = self.ended.pop_front()
                {
                    self.tails.remove(&oldest);
                }
                Some(Event::Ended { drv })
            }
            Line::Result {
                id,
                kind: BUILD_LOG_LINE,
                fields,
            } => {
                let drv = self.builds.get(&id)?;
                let mut line = without_escapes(fields.first()?.as_str()?);
                if let Some((end, _)) = line.char_indices().nth(TAIL_WIDTH) {
                    line.truncate(end);
                    line.push('…');
                }
                let tail = self.tails.entry(drv.clone()).or_default();
                if tail.len() == TAIL_LINES {
                    tail.pop_front();
                }
                tail.push_back(line.clone());
                Some(Event::BuildLog {
                    drv: drv.clone(),
                    line,
                })
            }
            Line::Result {
                id,
                kind: PROGRESS,
                fields,
            } if self.all_builds.contains(&id) => Some(Event::Progress {
                done: fields.first()?.as_u64()?,
                expected: fields.get(1)?.as_u64()?,
            }),
            Line::Result { .. } => None,
        }
    }

    /// The errors that Nix reported.
    #[must_use]
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// The builds that an error names, by their `.drv` paths, each with the last lines of
    /// its log, as far as they are still known.
    #[must_use]
    pub fn failed_builds(&self) -> Vec<(String, Vec<String>)> {
        let named = self.errors.iter().flat_map(|error| {
            let reasons = ["builder for '", "Cannot build '", "build of '"];
            reasons.into_iter().filter_map(|words| {
                let (_, rest) = error.split_once(words)?;
                let drv = rest.split('\'').next()?;
                // An output may stand behind the path.
                let drv = drv.split('^').next()?;
                drv.ends_with(".drv").then(|| drv.to_owned())
            })
        });
        let tail = |drv: &String| self.tails.get(drv).into_iter().flatten().cloned().collect();
        let failed: BTreeSet<String> = named.collect();
        failed
            .into_iter()
            .map(|drv| (drv.clone(), tail(&drv)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `nix build` 2.26.3 of a derivation that prints two lines and fails.
    const FAILING: &str = r#"@nix {"action":"start","id":1,"level":0,"parent":0,"text":"","type":102}
@nix {"action":"start","id":2,"level":0,"parent":0,"text":"","type":104}
@nix {"action":"start","fields":["/nix/store/r8-bad.drv","",1,1],"id":3,"level":3,"parent":0,"text":"building '/nix/store/r8-bad.drv'","type":105}
@nix {"action":"result","fields":[0,1,1,0],"id":2,"type":105}
@nix {"action":"result","fields":["hi"],"id":3,"type":101}
@nix {"action":"result","fields":["\u001b[31moops\u001b[0m"],"id":3,"type":101}
@nix {"action":"result","fields":[0,0,0,1],"id":2,"type":105}
@nix {"action":"stop","id":3}
@nix {"action":"msg","column":null,"file":null,"level":0,"line":null,"msg":"\u001b[31;1merror:\u001b[0m builder for '\u001b[35;1m/nix/store/r8-bad.drv\u001b[0m' failed with exit code 3","raw_msg":"x"}"#;

    #[test]
    fn a_failing_build_is_followed() {
        let mut reader = Reader::default();
        let events: Vec<Event> = FAILING
            .lines()
            .filter_map(|line| reader.line(line.as_bytes()))
            .collect();
        let drv = || "/nix/store/r8-bad.drv".to_owned();
        assert_eq!(
            events,
            [
                Event::Started { drv: drv() },
                Event::Progress {
                    done: 0,
                    expected: 1
                },
                Event::BuildLog {
                    drv: drv(),
                    line: "hi".into()
                },
                Event::BuildLog {
                    drv: drv(),
                    line: "oops".into()
                },
                Event::Progress {
                    done: 0,
                    expected: 0
                },
                Event::Ended { drv: drv() },
                Event::Message {
                    is_error: true,
                    text: "error: builder for '/nix/store/r8-bad.drv' failed with exit code 3"
                        .into()
                },
            ]
        );
        assert_eq!(
            reader.failed_builds(),
            [(drv(), vec!["hi".to_owned(), "oops".to_owned()])]
        );
        assert_eq!(reader.errors().len(), 1);
    }

    #[test]
    fn what_is_not_known_is_passed_by() {
        let mut reader = Reader::default();
        for line in [
            r#"@nix {"action":"start","id":1,"type":113,"fields":[1,{"a":[]}]}"#,
            r#"@nix {"action":"result","id":9,"type":199,"fields":[]}"#,
            r#"@nix {"action":"dance"}"#,
            r#"@nix {"action":"start""#,
            r#"@nix {"action":"result","id":1,"type":101,"fields":["of no build"]}"#,
            r#"@nix {"action":"start","id":"x","type":105}"#,
            r#"@nix {"action":"start","id":4,"type":105,"fields":[]}"#,
            "@nix [",
            "",
        ] {
            assert_eq!(reader.line(line.as_bytes()), None, "{line}");
        }
        assert_eq!(
            reader.line(b"plain \xff text"),
            Some(Event::Message {
                is_error: false,
                text: "plain \u{fffd} text".into()
            })
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut reader = Reader::default();
        for build in 0..100_u64 {
            let start = format!(
                r#"@nix {{"action":"start","id":{build},"type":105,"fields":["/{build}.drv"]}}"#
            );
            reader.line(start.as_bytes());
            for _ in 0..30 {
                let text = "x".repeat(5000);
                let log = format!(
                    r#"@nix {{"action":"result","id":{build},"type":101,"fields":["{text}"]}}"#
                );
                reader.line(log.as_bytes());
            }
            reader.line(format!(r#"@nix {{"action":"stop","id":{build}}}"#).as_bytes());
        }
        assert_eq!(reader.tails.len(), ENDED_KEPT);
        assert!(reader.tails.values().all(|tail| tail.len() == TAIL_LINES));
        assert!(
            reader
                .tails
                .values()
                .flatten()
                .all(|line| line.chars().count() == TAIL_WIDTH + 1)
        );
    }
}
