//! The one place that prints: results on standard output, all else on standard error.

use std::{
    io::{self, Write},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cbox_nix::events::Event;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    environment::Environment, error::Error, exit::Kind, shown::github, terminal::Terminal,
};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Results and errors.
    Quiet,
    /// And what is being done.
    Normal,
    /// And what builds and evaluations print.
    Verbose,
}

/// The user's window on a run.
#[derive(Debug)]
pub(crate) struct View {
    loudness: Loudness,
    colour: bool,
    json: bool,
    /// Whether GitHub Actions reads along.
    github: bool,
    /// The line that shows what is being done, on a terminal.
    live: Option<ProgressBar>,
    builds: Mutex<Builds>,
    /// Why a result could not be written.
    lost: Mutex<Option<io::Error>>,
    /// Whether the JSON document is out: there is one in a run.
    told: AtomicBool,
}

/// What is known of the builds under way.
#[derive(Debug, Default)]
struct Builds {
    running: Vec<String>,
    done: u64,
    expected: u64,
}

impl View {
    pub(crate) fn new(environment: &Environment, loudness: Loudness, json: bool) -> Self {
        let live = environment.live && loudness == Loudness::Normal;
        Self {
            loudness,
            colour: environment.colour,
            json,
            github: environment.github.actions,
            live: live.then(|| {
                let bar = ProgressBar::with_draw_target(
                    None,
                    ProgressDrawTarget::term_like_with_hz(Box::new(Terminal::stderr()), 20),
                );
                if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>3} {wide_msg}")
                {
                    bar.set_style(style);
                }
                bar
            }),
            builds: Mutex::default(),
            lost: Mutex::default(),
            told: AtomicBool::new(false),
        }
    }

    /// Says what is being done now. On a terminal the next word replaces it.
    pub(crate) fn doing(&self, text: &str) {
        match &self.live {
            Some(bar) => {
                bar.set_message(text.to_owned());
                bar.enable_steady_tick(Duration::from_millis(120));
            }
            None if self.loudness > Loudness::Quiet => self.stderr(text),
            None => {}
        }
    }

    /// Says what is being done now on the live line alone: it is not worth one that stays.
    pub(crate) fn briefly(&self, text: &str) {
        if self.live.is_some() {
            self.doing(text);
        }
    }

    /// Says what is being done now beside other things: `all` of them on the live line,
    /// elsewhere the `latest` alone, since the others were said before.
    pub(crate) fn under_way(&self, latest: &str, all: &str) {
        self.doing(if self.live.is_some() { all } else { latest });
    }

    /// Says something for those only who want to know all.
    pub(crate) fn aside(&self, text: &str) {
        if self.loudness == Loudness::Verbose {
            self.stderr(text);
        }
    }

    /// Says something that stays.
    pub(crate) fn note(&self, text: &str) {
        if self.loudness > Loudness::Quiet {
            self.stderr(text);
        }
    }

    /// Says something that the user should know even when all goes well.
    pub(crate) fn warn(&self, text: &str) {
        let word = self.paint("warning:", "33;1");
        self.stderr(&format!("{word} {text}"));
    }

    /// Shows what a build does.
    pub(crate) fn build_event(&self, event: Event) {
        match event {
            Event::Started { drv } => {
                if self.live.is_none() {
                    self.note(&format!("building {}", short(&drv)));
                }
                self.with_builds(|builds| builds.running.push(drv));
            }
            Event::Ended { drv } => {
                self.with_builds(|builds| builds.running.retain(|running| *running != drv))
            }
            Event::Progress { done, expected } => self.with_builds(|builds| {
                builds.done = done;
                builds.expected = expected;
            }),
            Event::BuildLog { drv, line } => {
                if self.loudness == Loudness::Verbose {
                    self.stderr(&format!("{}> {line}", short(&drv)));
                }
            }
            // Errors come back as the build's failure.
            Event::Message { is_error, text } => {
                if !is_error && self.loudness == Loudness::Verbose {
                    self.stderr(&text);
                }
            }
        }
    }

    fn with_builds(&self, change: impl FnOnce(&mut Builds)) {
        let Ok(mut builds) = self.builds.lock() else {
            return;
        };
        change(&mut builds);
        if self.live.is_some()
            && let Some(running) = builds.running.first()
        {
            let more = match builds.running.len() {
                1 => String::new(),
                number => format!(" and {} more", number - 1),
            };
            let text = format!(
                "building {}/{}: {}{more}",
                builds.done,
                builds.expected,
                short(running)
            );
            drop(builds);
            self.doing(&text);
        }
    }

    /// Prints a line of the result. A reader that went away (`cbox list | head -1`) is no
    /// error; what else goes wrong comes out of [`View::written`].
    pub(crate) fn result(&self, line: &str) {
        self.beside(|| match writeln!(io::stdout().lock(), "{line}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                if let Ok(mut lost) = self.lost.lock() {
                    lost.get_or_insert(error);
                }
            }
            _ => {}
        });
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

    /// Whether the result is wanted as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
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
        let word = self.paint("error:", "31;1");
        self.stderr(&self.framed(&format!("{word} {}", error.message)));
        if let Some(hint) = &error.hint {
            let word = self.paint("hint:", "36;1");
            self.stderr(&format!("{word} {hint}"));
        }
        self.annotate(error);
    }

    /// `text`, framed for GitHub where a line of it would be taken for a command there.
    fn framed(&self, text: &str) -> String {
        let is_command = |line: &str| line.trim_start().starts_with("::");
        if !self.github || !text.lines().any(is_command) {
            return text.to_owned();
        }
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        github::log(&lines).join("\n")
    }

    /// Marks the place of an error for GitHub, where that is who reads.
    pub(crate) fn annotate(&self, error: &Error) {
        if let Some(line) = github::annotation(error).filter(|_| self.github) {
            self.stderr(&line);
        }
    }

    /// Takes the live line away, for good.
    pub(crate) fn close(&self) {
        if let Some(bar) = &self.live {
            bar.finish_and_clear();
        }
    }

    fn stderr(&self, text: &str) {
        // Where standard error is gone, there is nowhere left to say so.
        self.beside(|| drop(writeln!(io::stderr().lock(), "{text}")));
    }

    /// Writes while the live line is out of the way.
    fn beside(&self, write: impl FnOnce()) {
        match &self.live {
            Some(bar) if !bar.is_finished() => bar.suspend(write),
            _ => write(),
        }
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A derivation's name without the store and the hash.
fn short(drv: &str) -> &str {
    let base = drv.rsplit('/').next().unwrap_or(drv);
    let name = base.split_once('-').map_or(base, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name)
}

/// A size for people: `22.7 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 999.95 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{number:.1} {}", UNITS[unit])
    }
}

/// A number with its noun: `1 file`, `2 files`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Rows as columns, as wide as their widest cell.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (22_700_000, "22.7 MB"),
            (999_960, "1.0 MB"),
            (3 << 40, "3.3 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            ["a".to_owned(), "bb".to_owned()],
            ["ccc".to_owned(), String::new()],
        ];
        assert_eq!(columns(&rows), ["a    bb", "ccc"]);
        assert_eq!(short("/nix/store/hash-name-1.0.drv"), "name-1.0");
        assert_eq!(count(1, "file"), "1 file");
    }
}
