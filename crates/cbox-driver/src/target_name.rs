//! Target names: `<kind>/<format>[/<system>]` and `hosts/<name>`.

use std::{fmt, str::FromStr};

use nix_formats::system::{NotASystem, System};
use thiserror::Error;

/// The first word of the targets that are install hosts.
pub const HOSTS: &str = "hosts";

/// Why a text is no target name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetNameError {
    /// It has another number of parts.
    #[error(
        "`{0}` is not a target: it is written `<kind>/<format>`, `<kind>/<format>/<system>` or `hosts/<name>`"
    )]
    Shape(String),
    /// A part has a character that cannot stand in a file name or an attribute.
    #[error(
        "`{part}` cannot be a part of a target's name: use letters, digits, `_`, `-`, `.` and `+`, and begin with a letter, a digit or `_`"
    )]
    Word {
        /// The part.
        part: String,
    },
    /// The third part is no system.
    #[error(transparent)]
    System(#[from] NotASystem),
}

/// What is to be built, as it is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetName {
    /// An image from the targets of `cbox.toml`.
    Image {
        /// The first part, `appliance` say.
        kind: String,
        /// The second part, `iso` say.
        format: String,
        /// The third part; without it the builder's own system is meant.
        system: Option<System>,
    },
    /// The system of an install host.
    Host {
        /// Its name among `nixosConfigurations`.
        name: String,
    },
}

impl TargetName {
    /// An image's name from its parts, each checked.
    ///
    /// # Errors
    /// When a part is no word or `system` no system.
    pub fn image(kind: &str, format: &str, system: Option<&str>) -> Result<Self, TargetNameError> {
        Ok(Self::Image {
            kind: word(kind)?,
            format: word(format)?,
            system: system.map(str::parse).transpose()?,
        })
    }

    /// The name of the links and files under `out/`: the parts joined by `-`.
    #[must_use]
    pub fn slug(&self) -> String {
        self.to_string().replace('/', "-")
    }
}

impl FromStr for TargetName {
    type Err = TargetNameError;

    fn from_str(text: &str) -> Result<Self, TargetNameError> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            parts if parts.contains(&"") => Err(TargetNameError::Shape(text.to_owned())),
            [HOSTS, name] => Ok(Self::Host { name: word(name)? }),
            [HOSTS, ..] => Err(TargetNameError::Shape(text.to_owned())),
            [kind, format] => Self::image(kind, format, None),
            [kind, format, system] => Self::image(kind, format, Some(system)),
            _ => Err(TargetNameError::Shape(text.to_owned())),
        }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image {
                kind,
                format,
                system: None,
            } => write!(formatter, "{kind}/{format}"),
            Self::Image {
                kind,
                format,
                system: Some(system),
            } => {
                write!(formatter, "{kind}/{format}/{system}")
            }
            Self::Host { name } => write!(formatter, "{HOSTS}/{name}"),
        }
    }
}

/// Checks one part of a name.
///
/// # Errors
/// When it is empty or holds a character that a file name or attribute cannot.
pub fn word(part: &str) -> Result<String, TargetNameError> {
    let starts = part.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    let holds = part
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte));
    if starts && holds {
        Ok(part.to_owned())
    } else {
        Err(TargetNameError::Word {
            part: part.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> TargetName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_read_and_written() {
        assert_eq!(parsed("appliance/iso").slug(), "appliance-iso");
        assert_eq!(
            parsed("appliance/qcow2/arm64").slug(),
            "appliance-qcow2-aarch64-linux"
        );
        assert_eq!(
            parsed("hosts/coder-thinkcentre").slug(),
            "hosts-coder-thinkcentre"
        );
        assert_eq!(parsed("a/b/amd64"), parsed("a/b/x86_64-linux"));
        assert_eq!(parsed("a/b/amd64").to_string(), "a/b/x86_64-linux");
    }

    #[test]
    fn what_is_no_name_says_why() {
        let error = |text: &str| text.parse::<TargetName>().unwrap_err();
        for shape in [
            "iso",
            "",
            "hosts/a/b",
            "a/b/amd64/d",
            "hosts",
            "a/",
            "/b",
            "a/b/",
            "hosts/",
        ] {
            assert!(matches!(error(shape), TargetNameError::Shape(_)), "{shape}");
        }
        for bad in ["a/..", "a/-x", "a/b c", "hosts/ü", "a/${x}", "a/b\n"] {
            assert!(matches!(error(bad), TargetNameError::Word { .. }), "{bad}");
        }
        assert!(matches!(error("a/b/c d"), TargetNameError::System(_)));
    }
}
