//! Systems: Nix's names for architectures, and the short names that people type.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The short names, each with the system it stands for.
const SHORT: [(&str, &str); 4] = [
    ("x86_64", "x86_64-linux"),
    ("amd64", "x86_64-linux"),
    ("aarch64", "aarch64-linux"),
    ("arm64", "aarch64-linux"),
];

/// A text that is no system.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a system: it is written like `x86_64-linux`, or short: `x86_64`, `amd64`, `aarch64`, `arm64`"
)]
pub struct NotASystem(String);

impl NotASystem {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A system as Nix names it: `<architecture>-<operating system>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct System(String);

impl System {
    /// The names that most people mean: each short one, and the full one behind it.
    pub fn usual_names() -> impl Iterator<Item = &'static str> {
        SHORT.iter().flat_map(|(short, full)| [*short, *full])
    }

    /// The full name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for System {
    type Err = NotASystem;

    fn from_str(text: &str) -> Result<Self, NotASystem> {
        if let Some((_, full)) = SHORT.iter().find(|(short, _)| *short == text) {
            return Ok(Self((*full).to_owned()));
        }
        let word = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_lowercase())
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        match text.split_once('-') {
            Some((architecture, kernel)) if word(architecture) && word(kernel) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NotASystem(text.to_owned())),
        }
    }
}

impl TryFrom<String> for System {
    type Error = NotASystem;

    fn try_from(text: String) -> Result<Self, NotASystem> {
        text.parse()
    }
}

impl From<System> for String {
    fn from(system: System) -> Self {
        system.0
    }
}

impl fmt::Display for System {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_normalised() {
        for (short, full) in SHORT {
            assert_eq!(short.parse::<System>().unwrap().as_str(), full);
            assert_eq!(full.parse::<System>().unwrap().as_str(), full);
        }
        assert_eq!(
            "riscv64-linux".parse::<System>().unwrap().as_str(),
            "riscv64-linux"
        );
    }

    #[test]
    fn other_words_are_refused() {
        for bad in [
            "",
            "x86",
            "x86_64-",
            "-linux",
            "X86_64-linux",
            "a b-linux",
            "x86_64/linux",
            "1-2",
        ] {
            assert!(bad.parse::<System>().is_err(), "{bad}");
        }
    }
}
