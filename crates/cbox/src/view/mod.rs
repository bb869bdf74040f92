//! The one place that prints: results on standard output, all else on standard error.
//!
//! What is under way is shown as the environment says: on a terminal as a few rows that change
//! ([`rows`], which indicatif draws: [`bars`], [`screen`]), elsewhere as lines that stay
//! ([`words`]), in a CI system in groups.

mod bars;
pub(crate) mod hint;
mod printable;
pub(crate) mod prompt;
#[cfg(test)]
mod recorded;
mod rows;
mod screen;
mod stderr;
pub(crate) mod terminal;
pub(crate) mod text;
mod words;

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cbox_driver::{
    ci::{CiSystem, Line, defused},
    error::{Error, Kind},
    progress::{
        Ended, Event, Reporter,
        builds::{Build, Summary},
    },
    report::{self, document},
    text::harmless_json,
};
use serde_json::{Value, json};

use self::stderr::Shared;
pub(crate) use self::stderr::Traces;
use crate::view::terminal::Terminal;

pub(crate) use self::{
    printable::{Printable, ToPrintable},
    text::Paint,
};

/// How wide text is at most, as clap has it for help.
const WIDEST: usize = 100;

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

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// JSON documents, one a line: what happens, and the result.
    JsonLines,
}

/// The user's window on a run.
#[derive(Debug)]
pub(crate) struct View {
    loudness: Loudness,
    paint: Paint,
    results: Paint,
    wraps: bool,
    wraps_results: bool,
    form: Form,
    /// The options that the commands in hints repeat.
    repeated: hint::Repeated,
    /// The CI system that reads along.
    ci: Option<&'static dyn CiSystem>,
    shared: Arc<Shared>,
    /// Whether the JSON document is out: there is one in a run.
    told: AtomicBool,
}

impl View {
    pub(crate) fn new(terminal: &Terminal, loudness: Loudness, form: Form) -> Self {
        Self {
            loudness,
            paint: Paint {
                wanted: terminal.colour,
            },
            results: Paint {
                wanted: terminal.colours_results,
            },
            wraps: terminal.wraps,
            wraps_results: terminal.wraps_results,
            form,
            repeated: hint::Repeated::default(),
            ci: terminal.ci,
            shared: Shared::new(terminal, loudness, form == Form::JsonLines),
            told: AtomicBool::new(false),
        }
    }

    /// The commands in its hints have these options of the run too.
    pub(crate) fn repeating(mut self, repeated: hint::Repeated) -> Self {
        self.repeated = repeated;
        self
    }

    /// Asks a question, whatever else is to be said: the answer is typed behind it.
    pub(crate) fn ask(&self, question: &str) {
        self.shared.with(|stderr| stderr.ask(question));
    }

    /// The builds that have ended in the run.
    pub(crate) fn builds(&self) -> Vec<Ended> {
        self.shared.with(|stderr| stderr.under_way.ended.clone())
    }

    /// Says what was done in all, and how long it took; that it was nothing only where
    /// nothing `is_missing`.
    pub(crate) fn sum_up(&self, is_missing: bool) {
        self.shared.with(|stderr| {
            let summary = stderr.under_way.summary;
            if is_missing && summary == Summary::default() {
                return;
            }
            let machines = words::machines(&stderr.under_way.ended);
            let line = words::summary(&summary, &machines, stderr.now());
            stderr.keep(&line);
            if self.loudness > Loudness::Quiet {
                stderr.say(line);
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
        self.event("note", || json!({ "text": text }));
        if self.loudness > Loudness::Quiet {
            self.say(text);
        }
    }

    /// Says something that the user should know even when all goes well.
    pub(crate) fn warn(&self, text: &str) {
        self.event("warning", || json!({ "text": text }));
        let line = self.message(self.paint.warning(), text);
        self.shared.with(|stderr| {
            stderr.end_group();
            stderr.keep(&format!("warning: {text}"));
            stderr.say(line);
        });
    }

    /// Prints a document that is a result: JSON, a page, a script. Whoever made it has escaped
    /// what it holds from outside, as its own rules are.
    pub(crate) fn document(&self, text: &str) {
        self.write(text);
    }

    /// Prints a line that a CI system obeys, of cbox's own, if the result is wanted for people.
    pub(crate) fn command(&self, line: &Line) {
        if !self.is_json() {
            self.write(line.as_str());
        }
    }

    /// Writes a line of the result. A reader that went away (`cbox list | head -1`) is no
    /// error; what else goes wrong comes out of [`View::written`].
    fn write(&self, line: &str) {
        self.write_bytes(&[line.as_bytes(), b"\n"].concat());
    }

    /// Writes bytes of the result as they are.
    pub(crate) fn write_bytes(&self, bytes: &[u8]) {
        self.shared.with(|stderr| stderr.write_result(bytes));
    }

    /// Whether all results were written.
    pub(crate) fn written(&self) -> Result<(), Error> {
        self.write_result();
        let flushed = io::stdout().flush().err();
        let lost = self.shared.with(|stderr| stderr.lost.take()).or(flushed);
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
        self.form != Form::Text
    }

    /// Tells what has happened, where that is wanted as JSON.
    pub(crate) fn event(&self, name: &str, parts: impl FnOnce() -> Value) {
        if self.form == Form::JsonLines {
            let event = report::event(name, parts());
            self.shared.with(|stderr| stderr.write_line(&event));
        }
    }

    /// The colours of results.
    pub(crate) fn results(&self) -> Paint {
        self.results
    }

    /// The colours of results that are for the log of a job of `system`.
    pub(crate) fn results_in(&self, system: &dyn CiSystem) -> Paint {
        Paint {
            wanted: self.paint.wanted && system.shows_colours(),
        }
    }

    /// Prints a line of the result, if it is wanted for people.
    pub(crate) fn plain(&self, line: &(impl ToPrintable + ?Sized)) {
        if !self.is_json() {
            self.write(&defused(line.to_printable().as_str()));
        }
    }

    /// Prints the result, if it is wanted as JSON.
    pub(crate) fn json(&self, value: &Value) {
        match self.form {
            Form::Text => {}
            Form::Json => {
                self.told.store(true, Ordering::Relaxed);
                self.document(&harmless_json(&format!("{value:#}")));
            }
            // What is told behind it comes before it.
            Form::JsonLines => {
                self.told.store(true, Ordering::Relaxed);
                self.shared
                    .with(|stderr| stderr.result = Some(value.clone()));
            }
        }
    }

    /// Writes the result that is to be the last line.
    fn write_result(&self) {
        self.shared.with(|stderr| {
            if let Some(result) = stderr.result.take() {
                stderr.write_line(&result);
            }
        });
    }

    /// Prints one of many results as JSON, in one line.
    pub(crate) fn json_line(&self, value: &Value) {
        if self.is_json() {
            self.told.store(true, Ordering::Relaxed);
            self.shared.with(|stderr| stderr.write_line(value));
        }
    }

    /// Prints an error as JSON, unless the result, which names it, is out.
    pub(crate) fn json_error(&self, error: &Error) {
        if !self.told.load(Ordering::Relaxed) {
            let mut error = error.clone();
            error.hint = error
                .hint
                .map(|hint| self.repeated.in_commands_of(&hint).into_owned());
            self.json(&document("error", json!({ "error": error.to_json() })));
        }
        self.write_result();
    }

    /// Shows an error that is not how the run ends.
    pub(crate) fn error(&self, error: &Error) {
        self.event("error", || json!({ "error": error.to_json() }));
        self.last_error(error);
    }

    /// Shows an error: what happened, then the way out.
    pub(crate) fn last_error(&self, error: &Error) {
        // What the user has asked for is no error.
        let word = match error.kind {
            Kind::Interrupted(_) => Printable::default(),
            _ => self.paint.paint("error:", "31;1").and(" "),
        };
        let word_of_hint = self.paint.paint("hint:", "36;1").and(" ");
        let hint = error.hint.iter();
        let hint = hint.map(|text| self.message(word_of_hint.clone(), text));
        let lines = std::iter::once(self.message(word, &error.message)).chain(hint);
        self.shared.with(|stderr| {
            stderr.end_group();
            stderr.keep(&format!("error: {}", error.message));
            lines.for_each(|line| stderr.say(line));
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

    /// Shows what clap says of the command line.
    pub(crate) fn usage_error(&self, error: &clap::Error) {
        let text = self.wrapped(self.paint.clap(error).trim_end(), 0);
        self.shared.with(|stderr| stderr.say(text));
    }

    /// Prints the help or the version that clap has made.
    pub(crate) fn help(&self, error: &clap::Error) {
        self.write_bytes(self.results.clap(error).as_str().as_bytes());
    }

    fn say(&self, text: &str) {
        let text = self.message(Printable::default(), text);
        self.shared.with(|stderr| stderr.say(text));
    }

    /// `text` behind the `word` that says what it is, as the terminal shows it.
    fn message(&self, word: Printable, text: &str) -> Printable {
        let text = Printable::from(&*self.repeated.in_commands_of(text));
        let columns = text::columns(word.as_str());
        word.and(self.wrapped(text, columns))
    }

    fn wrapped(&self, text: Printable, taken: usize) -> Printable {
        match self.wraps {
            true => text.laid_out(|text| text::wrap(text, text_width(), taken, 2)),
            false => text,
        }
    }

    /// Prints a part of the result, if it is wanted for people: `text` beside `head`.
    pub(crate) fn beside(&self, head: &str, text: &str) {
        let (head, text) = (Printable::from(head), Printable::from(text));
        let columns = text::columns(head.as_str());
        let text = match self.wraps_results {
            true => text.laid_out(|text| text::wrap(text, text_width(), columns, columns)),
            false => text,
        };
        self.plain(&head.and(text));
    }
}

fn text_width() -> usize {
    usize::from(screen::window().0).min(WIDEST)
}

impl Reporter for View {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::Note(text) => self.note(text),
            Event::Aside(text) => self.aside(text),
            Event::Warning(text) => self.warn(text),
            Event::Annotation(error) => self.annotate(error),
            Event::Verdict { target, status } => self.event(
                "verdict",
                || json!({ "target": target, "status": status, "verdict": null }),
            ),
            event => self.shared.report(event),
        }
    }

    fn silent_builds(&self) -> Vec<Build> {
        self.shared.with(|stderr| {
            let now = stderr.now();
            let builds = stderr.under_way.builds.as_mut();
            builds.map_or(vec![], |builds| builds.newly_silent(now))
        })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.close();
    }
}
