//! The one place that prints: results on standard output, all else on standard error.
//!
//! Progress is shown as the environment says: on a terminal as a few rows that change
//! ([`rows`], which indicatif draws: [`bars`], [`screen`]), elsewhere as lines that stay
//! ([`words`]), in a CI system in groups.

mod bars;
#[cfg(test)]
mod recorded;
mod reporter;
mod rows;
mod screen;
mod stderr;
pub(crate) mod text;
mod words;

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cbox_driver::{
    build::silence::Silence,
    ci::CiSystem,
    error::{Error, Kind},
    links::run_log::RunLog,
    progress::{
        Task,
        builds::{Build, Builds, Summary},
        copying::Copying,
        evaluations::{Evaluation, Evaluations},
    },
    text::size,
};
use cbox_nix::events::Event;

use self::{
    stderr::{Shared, Stderr},
    text::gate,
};
use crate::terminal::Terminal;

pub(crate) use self::text::Paint;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Results and errors.
    Quiet,
    /// And what is being done.
    Normal,
    /// And what builds and evaluations print.
    Verbose,
    /// And every command that is run, which is not printed here.
    Trace,
}

/// The user's window on a run.
#[derive(Debug)]
pub(crate) struct View {
    loudness: Loudness,
    paint: Paint,
    results: Paint,
    json: bool,
    /// The CI system that reads along.
    ci: Option<&'static dyn CiSystem>,
    shared: Arc<Shared>,
    /// Why a result could not be written.
    lost: Mutex<Option<io::Error>>,
    /// Whether the JSON document is out: there is one in a run.
    told: AtomicBool,
}

impl View {
    pub(crate) fn new(terminal: &Terminal, loudness: Loudness, json: bool) -> Self {
        Self {
            loudness,
            paint: Paint {
                wanted: terminal.colour,
            },
            results: Paint {
                wanted: terminal.colours_results,
            },
            json,
            ci: terminal.ci,
            shared: Shared::new(terminal, loudness),
            lost: Mutex::default(),
            told: AtomicBool::new(false),
        }
    }

    /// Says what is being done now. On a terminal the next word replaces it.
    pub(crate) fn doing(&self, text: &str) {
        self.shared.with(|stderr| {
            stderr.set(Task::Doing {
                text: text.to_owned(),
                since: stderr.now(),
            });
            if stderr.tells_events() {
                stderr.say(text);
            }
        });
        self.shared.watch();
    }

    /// Says what is being done now on the live view alone: it is not worth a line.
    pub(crate) fn briefly(&self, text: &str) {
        self.shared.with(|stderr| {
            stderr.set(Task::Doing {
                text: text.to_owned(),
                since: stderr.now(),
            });
        });
        self.shared.watch();
    }

    /// Says on the live view that the user is waited for. Elsewhere silence says so.
    pub(crate) fn waiting(&self, text: &str) {
        self.shared.with(|stderr| match stderr.is_live() {
            true => stderr.set(Task::Doing {
                text: text.to_owned(),
                since: stderr.now(),
            }),
            false => stderr.set(Task::Idle),
        });
        self.shared.watch();
    }

    /// Says that an evaluation begins, beside those of `all` that run.
    pub(crate) fn evaluation_began(
        &self,
        all: &mut Evaluations,
        name: &str,
        last: Option<Duration>,
    ) {
        self.shared.with(|stderr| {
            all.begin(name, last, stderr.now());
            stderr.set(Task::Evaluating(all.clone()));
            stderr.group("evaluating");
            if stderr.tells_events() {
                stderr.say(&words::evaluating(name, last));
            }
        });
        self.shared.watch();
    }

    /// Says that an evaluation has ended, and how long it lasted. One that failed can have
    /// been interrupted, which is nothing to be told.
    pub(crate) fn evaluation_ended(
        &self,
        all: &mut Evaluations,
        name: &str,
        outcome: Result<(), bool>,
    ) -> Duration {
        let ended = |stderr: &mut Stderr| {
            let evaluation = all.end(name)?;
            let Evaluation { since, .. } = evaluation;
            if stderr.tells_events() && outcome != Err(true) {
                let line = words::evaluated(&evaluation, outcome.is_ok(), stderr.now());
                stderr.say(&line);
            }
            if all.running.is_empty() {
                stderr.end_group();
                stderr.set(Task::Idle);
            } else {
                stderr.set(Task::Evaluating(all.clone()));
            }
            Some(stderr.now().saturating_sub(since))
        };
        self.shared.with(ended).unwrap_or_default()
    }

    /// Says that `expected` bytes begin to be copied. `text` says what is done, and `title` what
    /// it is a part of.
    pub(crate) fn copy_began(&self, title: &str, text: &str, expected: u64) {
        self.shared.with(|stderr| {
            let copying = Copying::begin(text, expected, stderr.now());
            stderr.set(Task::Copying(copying));
            stderr.group(title);
            if stderr.tells_events() {
                stderr.say(&format!("{text} ({})", size(expected)));
            }
        });
        self.shared.watch();
    }

    /// Shows how many bytes are copied.
    pub(crate) fn copied(&self, done: u64) {
        self.shared.with(|stderr| stderr.copied(done));
    }

    /// Says that a copy is over, and what was done if it was done to its end: `wrote`.
    pub(crate) fn copy_ended(&self, done: Option<&str>) {
        self.shared.with(|stderr| {
            if let Task::Copying(copying) = stderr.take_task()
                && let Some(done) = done
                && self.loudness > Loudness::Quiet
            {
                let line = words::copied(&copying, done, stderr.now());
                stderr.say(&line);
            }
        });
    }

    /// Asks a question, whatever else is to be said: the answer is typed behind it.
    pub(crate) fn ask(&self, question: &str) {
        self.shared.with(|stderr| stderr.ask(question));
    }

    /// Says that building begins, of `what`. What there is to be said of it is kept in
    /// `log`, if there is one.
    pub(crate) fn building(&self, what: &str, log: Option<RunLog>) {
        self.shared.with(|stderr| {
            stderr.log = log;
            stderr.title = format!("building {what}");
            let begun = Builds::begun(stderr.now(), stderr.patience());
            stderr.set(Task::Building(Box::new(begun)));
        });
        self.shared.watch();
    }

    /// Shows what a build does.
    pub(crate) fn build_event(&self, event: &Event) {
        self.shared.with(|stderr| stderr.build_event(event));
    }

    /// The builds that have become silent since this was last asked.
    pub(crate) fn silent_builds(&self) -> Vec<Build> {
        self.shared.with(Stderr::newly_silent)
    }

    /// Says what is known of the silence of a build.
    pub(crate) fn explain_silence(&self, drv: &str, silence: &Silence) {
        let word = self.paint.paint("warning:", "33;1");
        self.shared
            .with(|stderr| stderr.explain(drv, silence, &word));
    }

    /// Says that building is over.
    pub(crate) fn built(&self) {
        self.shared.with(|stderr| {
            if let Task::Building(mut builds) = stderr.take_task() {
                stderr.tell(&builds.over());
                stderr.built(builds.summary());
            }
            stderr.end_group();
        });
    }

    /// Says what was done in all, and how long it took; that it was nothing only where
    /// nothing `is_missing`.
    pub(crate) fn sum_up(&self, is_missing: bool) {
        self.shared.with(|stderr| {
            if is_missing && stderr.summary == Summary::default() {
                return;
            }
            let line = words::summary(&stderr.summary, stderr.now());
            stderr.keep(&line);
            if self.loudness > Loudness::Quiet {
                stderr.say(&line);
            }
        });
    }

    /// Says something for those only who want to know all.
    pub(crate) fn aside(&self, text: &str) {
        if self.loudness >= Loudness::Verbose {
            self.say(text);
        }
    }

    /// Says something that stays.
    pub(crate) fn note(&self, text: &str) {
        if self.loudness > Loudness::Quiet {
            self.say(text);
        }
    }

    /// Says something that the user should know even when all goes well.
    pub(crate) fn warn(&self, text: &str) {
        let word = self.paint.paint("warning:", "33;1");
        self.shared.with(|stderr| {
            stderr.end_group();
            stderr.keep(&format!("warning: {text}"));
            stderr.say(&format!("{word} {}", gate(text)));
        });
    }

    /// Prints a line of the result. A reader that went away (`cbox list | head -1`) is no
    /// error; what else goes wrong comes out of [`View::written`].
    pub(crate) fn result(&self, line: &str) {
        let write = |stderr: &mut Stderr| {
            stderr.make_room();
            match writeln!(io::stdout().lock(), "{line}") {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Some(error),
                _ => None,
            }
        };
        if let Some(error) = self.shared.with(write)
            && let Ok(mut lost) = self.lost.lock()
        {
            lost.get_or_insert(error);
        }
    }

    /// Whether all results were written.
    pub(crate) fn written(&self) -> Result<(), Error> {
        let flushed = io::stdout().flush().err();
        let lost = self
            .lost
            .lock()
            .ok()
            .and_then(|mut lost| lost.take())
            .or(flushed);
        match lost {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::file(
                Kind::Output,
                "write the result to",
                "standard output",
                &error,
            )),
            _ => Ok(()),
        }
    }

    /// Whether results and errors are all that is wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.loudness == Loudness::Quiet
    }

    /// Whether the result is wanted as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// The colours of results.
    pub(crate) fn results(&self) -> Paint {
        self.results
    }

    /// Prints a line of the result, if it is wanted for people.
    pub(crate) fn plain(&self, line: &str) {
        if !self.json {
            self.result(line);
        }
    }

    /// Prints the result, if it is wanted as JSON.
    pub(crate) fn json(&self, value: &serde_json::Value) {
        if self.json {
            self.told.store(true, Ordering::Relaxed);
            self.result(&format!("{value:#}"));
        }
    }

    /// Prints one of many results as JSON, in one line.
    pub(crate) fn json_line(&self, value: &serde_json::Value) {
        if self.json {
            self.told.store(true, Ordering::Relaxed);
            self.result(&value.to_string());
        }
    }

    /// Prints an error as JSON, unless the result, which names it, is out.
    pub(crate) fn json_error(&self, value: &serde_json::Value) {
        if !self.told.load(Ordering::Relaxed) {
            self.json(value);
        }
    }

    /// Shows an error: what happened, then the way out.
    pub(crate) fn error(&self, error: &Error) {
        // What the user has asked for is no error.
        let word = match error.kind {
            Kind::Interrupted(_) => String::new(),
            _ => self.paint.paint("error:", "31;1") + " ",
        };
        self.shared.with(|stderr| {
            stderr.end_group();
            stderr.keep(&format!("error: {}", error.message));
            stderr.say(&format!("{word}{}", gate(&error.message)));
            if let Some(hint) = &error.hint {
                let word = self.paint.paint("hint:", "36;1");
                stderr.say(&format!("{word} {}", gate(hint)));
            }
        });
        self.annotate(error);
    }

    /// Marks the place of an error for a CI system, where one reads.
    pub(crate) fn annotate(&self, error: &Error) {
        if let Some(line) = self.ci.and_then(|ci| ci.placed_annotation(error)) {
            self.shared.with(|stderr| stderr.command(&line));
        }
    }

    /// Takes the live view away, for good.
    pub(crate) fn close(&self) {
        self.shared.close();
    }

    fn say(&self, text: &str) {
        self.shared.with(|stderr| stderr.say(&gate(text)));
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.close();
    }
}
