//! What Nix says when something fails, in the user's terms: what happened, where in the
//! user's own files, and what usually causes it.
//!
//! [`message`] takes the text apart, [`cause`] knows the sentences of Nix and of nixpkgs,
//! [`hint`] has a way out for each. A flake can say anything with `throw`, so who speaks is
//! looked at before what is said.

pub mod cause;
mod definition;
mod hint;
mod lock;
pub(crate) mod memory;
mod message;
mod unstaged;

use std::fmt;

pub use cause::Cause;
pub use lock::LockMessage;
use message::{At, Message, Step};
pub use unstaged::Unstaged;

/// How many of the user's places are shown: the one where it happened and the nearest
/// ones on the way to it.
const SHOWN: usize = 3;

/// How much is shown of what happened, in bytes: what a flake throws can be of any length. Nix's
/// own message, where it is to be shown whole, is that.
const LONGEST: usize = 4096;

/// How much is shown of a line of the user's own files.
const LONGEST_LINE: usize = 240;

/// The beginning of `text`, of at most `most` bytes, with `…` for what is left out.
fn bounded(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most);
    format!("{}…", &text[..end])
}

/// An error of Nix's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// What happened, in the words of Nix or of whoever threw it; several lines at times.
    pub summary: String,
    /// The places in the staged source, the innermost first.
    pub places: Vec<Place>,
    /// What usually is the cause.
    pub cause: Option<Cause>,
    /// The option whose value was wanted, as far as the message says.
    pub option: Option<String>,
    /// Nix's own message, whole, if that is what is to be shown.
    pub whole: Option<String>,
}

/// A place in the staged source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path of the staged source.
    pub source: String,
    /// The file below it, or a folder whose `default.nix` is meant.
    pub file: String,
    /// Line and column, from 1; definitions of options come without.
    pub position: Option<(usize, usize)>,
    /// The lines around it, as Nix shows them.
    pub excerpt: Vec<String>,
    /// Whether Nix did not say so: it is the one place with the name that Nix said.
    pub is_guess: bool,
}

impl Place {
    /// The place in `text`, which is that of `file`, that alone names `name`.
    #[must_use]
    pub fn naming(name: &str, source: &str, file: &str, text: &str) -> Option<Self> {
        let (line, column) = definition::mention(text, name)?;
        Some(Self {
            source: source.to_owned(),
            file: file.to_owned(),
            position: Some((line, column)),
            excerpt: definition::excerpt(text, line, column),
            is_guess: true,
        })
    }

    /// The place with the lines around it.
    #[must_use]
    pub fn with_excerpt(&self) -> String {
        match self.excerpt.as_slice() {
            [] => self.to_string(),
            excerpt => format!("{self}:\n{}", excerpt.join("\n")),
        }
    }
}

impl Fault {
    /// Takes apart what Nix said about an evaluation of the staged source at `staged`.
    /// `root` is what stands before it where the store keeps its files elsewhere, and may be
    /// empty.
    #[must_use]
    pub fn of(text: &str, root: &str, staged: &str) -> Self {
        let text = &match root {
            "" => text.to_owned(),
            root => text.replace(&format!("{root}{staged}"), staged),
        };
        let Some(message) = Message::parse(text) else {
            return Self {
                summary: bounded(text.trim(), LONGEST),
                ..Self::default()
            };
        };
        let cause = cause::of(&message, staged);
        let mut summary = message.text.clone();
        if let Some(end) = cause.as_ref().and_then(|cause| cause.end_of(&summary)) {
            summary.truncate(end);
        }
        Self {
            summary: bounded(summary.trim(), LONGEST),
            places: places(&message, staged),
            option: option(&message),
            cause,
            whole: None,
        }
    }

    /// This error, to be shown whole as `text` says it.
    #[must_use]
    pub fn whole(mut self, text: &str) -> Self {
        self.whole = Some(text.trim_end().to_owned());
        self
    }

    /// The option that does not exist, where that is what is said, whoever says it.
    #[must_use]
    pub fn missing_option(&self) -> Option<&str> {
        let option = cause::option(&self.summary)?;
        let says = format!("`{option}' does not exist");
        self.summary.contains(&says).then_some(option)
    }

    /// What Nix takes for meant: `coder, code or codex`.
    #[must_use]
    pub fn did_you_mean(&self) -> Option<&str> {
        let mut lines = self.summary.lines();
        lines.find_map(|line| line.strip_prefix("Did you mean ")?.strip_suffix('?'))
    }

    /// Finds the lines of the places that have none yet. `read` gives the text of a file
    /// below the staged source, as far as there is one.
    pub fn find_lines(&mut self, read: impl Fn(&str) -> Option<String>) {
        for place in &mut self.places {
            if place.position.is_some() {
                continue;
            }
            let inside = format!("{}/default.nix", place.file);
            let Some(text) = read(&place.file).or_else(|| {
                let text = read(&inside)?;
                place.file = inside;
                Some(text)
            }) else {
                continue;
            };
            let option = self.option.as_deref();
            if let Some((line, column)) = option.and_then(|option| definition::find(&text, option))
            {
                place.position = Some((line, column));
                place.excerpt = definition::excerpt(&text, line, column);
            }
        }
        // What looked like several places may be one now.
        let mut known: Vec<(String, Option<usize>)> = Vec::new();
        self.places.retain(|place| {
            let line = place.position.map(|(line, _)| line);
            let is_new = !known
                .iter()
                .any(|(file, known)| *file == place.file && (line.is_none() || *known == line));
            known.push((place.file.clone(), line));
            is_new
        });
    }

    fn folded(&self) -> String {
        let mut text = self.summary.clone();
        for (number, place) in self.places.iter().take(SHOWN).enumerate() {
            let place = match number {
                0 if place.is_guess => format!("named at {}", place.with_excerpt()),
                0 => format!("at {}", place.with_excerpt()),
                _ => format!("reached from {place}"),
            };
            text.push_str(&format!("\n{place}"));
        }
        text
    }

    /// Whether Nix names no place of the user's own, or only one that reads the file at fault.
    #[must_use]
    pub fn lacks_place(&self) -> bool {
        let unread =
            |cause: &Cause| matches!(cause, Cause::OutsidePath { path } if path.starts_with('~'));
        self.places.is_empty() || self.cause.as_ref().is_some_and(unread)
    }

    /// The way out.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.cause.as_ref().map(Cause::hint)
    }
}

/// All lines but the first are indented: whoever throws a text chooses its lines, and none
/// of them may look like a word of cbox's.
impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match &self.whole {
            Some(whole) => format!("\n{whole}"),
            None => self.folded(),
        };
        for (number, line) in text.lines().enumerate() {
            match (number, line) {
                (0, "") => {}
                (0, line) => write!(formatter, " {line}")?,
                (_, "") => writeln!(formatter)?,
                (_, line) => write!(formatter, "\n  {line}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.source, self.file)?;
        match self.position {
            Some((line, column)) => write!(formatter, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// The user's own places, the innermost first, each line once.
fn places(message: &Message<'_>, staged: &str) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut push = |place: Option<Place>| {
        let Some(place) = place else { return };
        let is_known = places.iter().any(|known| {
            let line = |place: &Place| place.position.map(|(line, _)| line);
            // A file alone says nothing more once a place in it is known.
            known.file == place.file && (place.position.is_none() || line(known) == line(&place))
        });
        if !is_known {
            places.push(place);
        }
    };
    message.at.iter().for_each(|at| push(own(at, staged)));
    for file in message::quoted_files(&message.text, "n `", staged) {
        push(Some(file_alone(staged, file)));
    }
    for step in message.steps.iter().rev() {
        push(step.at.as_ref().and_then(|at| own(at, staged)));
        for file in message::quoted_files(&step.text, "definitions from `", staged) {
            push(Some(file_alone(staged, file)));
        }
    }
    places
}

fn own(at: &At<'_>, staged: &str) -> Option<Place> {
    let file = at.file.strip_prefix(staged)?.strip_prefix('/')?;
    Some(Place {
        source: staged.to_owned(),
        file: file.to_owned(),
        position: Some((at.line, at.column)),
        excerpt: at
            .excerpt
            .iter()
            .map(|line| bounded(line, LONGEST_LINE))
            .collect(),
        is_guess: false,
    })
}

fn file_alone(staged: &str, file: &str) -> Place {
    Place {
        source: staged.to_owned(),
        file: file.to_owned(),
        position: None,
        excerpt: vec![],
        is_guess: false,
    }
}

/// The option that the message is about, or the innermost on the way to it.
fn option(message: &Message<'_>) -> Option<String> {
    let of = |step: &Step<'_>| {
        let rest = step.text.strip_prefix("while evaluating the option `")?;
        Some(rest.split_once('\'')?.0.to_owned())
    };
    cause::option(&message.text)
        .map(str::to_owned)
        .or_else(|| message.steps.iter().rev().find_map(of))
}

#[cfg(test)]
mod tests;
