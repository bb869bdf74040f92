//! A line of the repository, as annotations and the JSON name it.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// A line of a file, relative to the top of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, relative to the top of the repository.
    pub file: Utf8PathBuf,
    /// From 1.
    pub line: usize,
}

impl Place {
    /// The place that an error of Nix's names.
    pub fn of(place: &cbox_nix::nix_error::Place) -> Self {
        Self {
            file: place.file.clone().into(),
            line: place.position.map_or(1, |(line, _)| line),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}
