//! The one error: what happened and where, what to do next, its kind, and the error of a lower
//! crate that it was made from.

mod kind;
mod place;

pub use self::{
    kind::{Kind, TABLE},
    place::Place,
};

use std::{fmt, io, sync::Arc};

use cbox_nix::{NixError, expression::Asked};
use cbox_source::SourceError;

use crate::text::{bounded, nearest::quoted};

/// An error as the user sees it.
///
/// Two are equal if they look the same.
#[derive(Debug, Clone)]
pub struct Error {
    /// Which kind of error it is; it gives the exit code.
    pub kind: Kind,
    /// What happened, and where.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
    /// Where in the repository it happened, as far as is known.
    pub place: Option<Place>,
    /// What it was made from; callers that want to know what happened match on it.
    pub source: Option<Source>,
}

/// The error of a lower crate, or of the system.
#[derive(Debug, Clone)]
pub enum Source {
    /// Of Nix or git.
    Nix(Arc<NixError>),
    /// Of the tree.
    Tree(Arc<SourceError>),
    /// Of a file.
    File(Arc<io::Error>),
    /// Of this host, in another run, which said no more.
    Elsewhere(Arc<str>),
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        let look = |error: &Self| {
            let Self {
                kind,
                message,
                hint,
                place,
                source: _,
            } = error.clone();
            (kind, message, hint, place)
        };
        look(self) == look(other)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self.source.as_ref()? {
            Source::Nix(error) => error,
            Source::Tree(error) => error,
            Source::File(error) => error,
            Source::Elsewhere(_) => return None,
        })
    }
}

impl Error {
    /// An error without a way out and without a place.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            place: None,
            source: None,
        }
    }

    /// Keeps what it was made from.
    #[must_use]
    pub fn from_source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// The error of Nix or git that it was made from.
    #[must_use]
    pub fn nix(&self) -> Option<&NixError> {
        match &self.source {
            Some(Source::Nix(error)) => Some(error),
            _ => None,
        }
    }

    /// The error of the tree that it was made from.
    #[must_use]
    pub fn tree(&self) -> Option<&SourceError> {
        match &self.source {
            Some(Source::Tree(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether the flake, or a host in it, does not evaluate.
    #[must_use]
    pub fn does_not_evaluate(&self) -> bool {
        matches!(
            self.nix(),
            Some(NixError::Flake { .. } | NixError::Evaluation { .. })
        )
    }

    /// The host that does not evaluate, and the message without its name: other hosts can have
    /// the same.
    #[must_use]
    pub fn of_host(&self) -> Option<(&str, &str)> {
        let host = match (&self.source, self.nix()) {
            (Some(Source::Elsewhere(host)), _) => host,
            (
                _,
                Some(NixError::Evaluation {
                    asked: Asked::Host(host),
                    ..
                }),
            ) => host.as_str(),
            _ => return None,
        };
        let rest = self.message.strip_prefix(&format!("host `{host}` "))?;
        Some((host, rest))
    }

    /// The lines below the name of the host, which they do not name again.
    #[must_use]
    pub fn lines_below_host(&self) -> Vec<String> {
        match self.of_host() {
            Some((_, rest)) => Self {
                message: rest.to_owned(),
                ..self.clone()
            }
            .lines(),
            None => self.lines(),
        }
    }

    /// Makes one of the errors that hosts have in common: it names them all.
    #[must_use]
    pub fn merged(errors: Vec<Self>) -> Vec<Self> {
        let mut groups: Vec<(Self, Vec<String>)> = Vec::new();
        for error in errors {
            let host = error.of_host().map(|(host, _)| host.to_owned());
            let lines = error.lines_below_host();
            let is_same = |(other, _): &&mut (Self, _)| {
                other.kind == error.kind && other.lines_below_host() == lines
            };
            match groups.iter_mut().find(is_same) {
                Some((_, hosts)) => hosts.extend(host),
                None => groups.push((error, host.into_iter().collect())),
            }
        }
        let merge = |(mut error, hosts): (Self, Vec<String>)| {
            let fault = error.of_host().filter(|_| hosts.len() > 1);
            if let Some(fault) = fault.and_then(|(_, rest)| rest.strip_prefix("does not ")) {
                let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
                error.message = format!("hosts {} do not {fault}", quoted(&hosts, "and"));
            }
            error
        };
        groups.into_iter().map(merge).collect()
    }

    /// Whether a signal is what happened.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(self.kind, Kind::Interrupted(_))
    }

    /// Adds the place.
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// The lines of the message, and the hint below them.
    pub fn lines(&self) -> Vec<String> {
        let hint = self.hint.iter().map(|hint| format!("hint: {hint}"));
        let message = self.message.lines().map(str::to_owned);
        message.chain(hint).collect()
    }

    /// Adds the way out; an empty one adds nothing.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.hint = (!hint.is_empty()).then_some(hint);
        self
    }

    /// The first line of the message: what stands in one line of a table.
    pub fn headline(&self) -> &str {
        let first = self.message.lines().next().unwrap_or_default();
        first.trim_end_matches(':')
    }

    /// The error as the JSON results hold it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": self.kind.name(),
            "exitCode": self.kind.code(),
            "message": bounded(&self.message),
            "hint": self.hint.as_deref().map(bounded),
            "place": self.place,
        })
    }

    /// A file that cannot be read or written, with the system's reason.
    pub fn file(
        kind: Kind,
        action: &str,
        path: impl std::fmt::Display,
        error: &std::io::Error,
    ) -> Self {
        Self::new(kind, format!("cannot {action} {path}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cbox_nix::nix_error::Fault;

    #[test]
    fn what_hosts_have_in_common_is_one_error() {
        let fails = |host: &str, why: &str| {
            let fault = Box::new(Fault::of(
                &format!("error: {why}"),
                "",
                "/nix/store/x-source",
            ));
            let asked = Asked::Host(host.to_owned());
            Error::from(NixError::Evaluation { asked, fault })
        };
        let other = Error::new(Kind::Build, "a build failed");
        let errors = vec![
            fails("a", "gone"),
            other.clone(),
            fails("b", "late"),
            fails("c", "gone"),
            other,
        ];
        let merged = Error::merged(errors);
        let messages: Vec<&str> = merged.iter().map(|error| &*error.message).collect();
        assert_eq!(
            messages,
            [
                "hosts `a` and `c` do not evaluate: gone",
                "a build failed",
                "host `b` does not evaluate: late"
            ]
        );
    }
}
