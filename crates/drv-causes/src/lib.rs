//! Why one derivation is not the other: causes first, what follows from them counted.
//!
//! Two derivations are compared from the roots down ([`walk`]). Inputs are paired
//! ([`pairing`]); equal paths are the same, and so are inputs that build the same output:
//! neither is entered. A pair is a *cause* if something of its own differs
//! ([`difference`]) when every path that changed counts as the path that it is paired with
//! ([`references`]); otherwise it is *cascade*. Causes of one kind become one, and come
//! ranked by how much they make rebuild ([`fold`]), each with the way to it ([`way`]). The
//! packages that came, went or changed their version are read off the same pairs ([`packages`]).
//!
//! Nothing is read here: [`explain`] is given what reads derivations.
//!
//! ```
//! use drv_causes::explain;
//! use nix_formats::derivation::Derivation;
//!
//! // Two derivations that differ in one variable, and need nothing else.
//! let drv = |digit: &str, level: &str| {
//!     let out = format!("/nix/store/{}-tool", digit.repeat(32));
//!     format!(
//!         r#"Derive([("out","{out}","","")],[],[],"x86_64-linux","/bin/sh",[],[("level","{level}"),("name","tool"),("out","{out}")])"#
//!     )
//! };
//! let read = |paths: &[&str]| -> Result<Vec<Derivation>, String> {
//!     paths
//!         .iter()
//!         .map(|path| match path.contains("/000") {
//!             true => drv("0", "quiet"),
//!             false => drv("1", "loud"),
//!         })
//!         .map(|text| Derivation::from_aterm_bytes(text.as_bytes()).map_err(|error| error.to_string()))
//!         .collect()
//! };
//! let old = format!("/nix/store/{}-tool.drv", "0".repeat(32));
//! let new = format!("/nix/store/{}-tool.drv", "1".repeat(32));
//! let why = explain(&old, &new, &read)?;
//! assert_eq!(why.causes[0].differences[0].field, "level");
//! # Ok::<(), drv_causes::ExplainError<String>>(())
//! ```

mod difference;
mod fold;
mod graph;
mod packages;
mod pairing;
mod references;
mod text;
mod walk;
mod way;

pub mod nixos_name;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use nix_formats::{derivation::Derivation, packages::PackageChanges};

pub use packages::{Needed, needed};
pub use text::change;

/// Reads the `.drv` files at these paths, in this order. All or an error: what is missing
/// cannot be explained.
pub type Read<'a, E> = dyn Fn(&[&str]) -> Result<Vec<Derivation>, E> + 'a;

/// Why there is no explanation.
#[derive(Debug, Error)]
pub enum ExplainError<E> {
    /// A derivation cannot be read.
    #[error(transparent)]
    Read(E),
    /// Derivations need each other in a circle, which no Nix makes.
    #[error("the derivation {0} needs itself")]
    Cycle(String),
}

/// Why the new derivation is not the old one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What differs of its own, what makes most rebuild first.
    pub causes: Vec<Cause>,
    /// How many derivations of the new one are others than before, or new in their place.
    pub rebuilt: usize,
    /// How many of them differ in nothing but what they depend on.
    pub cascade: usize,
    /// Whether both build the same output, so that nothing has to be rebuilt.
    pub same_output: bool,
    /// The packages that came, went or changed their version, as far as the derivations that
    /// differ tell. What has no version is none.
    #[serde(skip)]
    pub packages: PackageChanges,
}

/// Something that differs of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// What it is called: `zlib-1.3.1`, `coder.service`.
    pub name: String,
    /// The package and its versions, where another version is what differs.
    pub bump: Option<Bump>,
    /// The derivation or source before.
    pub before: String,
    /// The derivation or source after.
    pub after: String,
    /// Whether it is a source: a file or folder that no derivation makes.
    pub is_source: bool,
    /// What else differs in just the same way: the names, without this one's.
    pub alike: Vec<String>,
    /// How many derivations are rebuilt because of it, itself among them.
    pub rebuilds: usize,
    /// The shortest way to it from the root, which is not named, to it: `etc`,
    /// `systemd units`, `coder.service`.
    pub way: Vec<String>,
    /// What differs. For a source, what is known of its files.
    pub differences: Vec<Difference>,
}

/// Another version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bump {
    /// The package.
    pub package: String,
    /// The version before.
    pub before: String,
    /// The version after.
    pub after: String,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which: a variable or attribute, `system`, `input`, or a file of a source.
    pub field: String,
    /// How.
    #[serde(flatten)]
    pub change: Change,
}

/// How a field differs. Store paths in it are shortened to `…-name` where one stands for
/// the other on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added {
        /// Its value.
        value: String,
    },
    /// It is gone.
    Removed {
        /// Its value.
        value: String,
    },
    /// It has another value.
    Changed {
        /// The value before.
        before: String,
        /// The value after.
        after: String,
    },
    /// It is a text or a list with other lines or items.
    Text {
        /// Those that differ, with their neighbours.
        lines: Vec<Line>,
    },
}

/// A line of a text that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What happened to it.
    pub sign: Sign,
    /// The line.
    pub text: String,
}

/// What happened to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sign {
    /// Nothing.
    #[serde(rename = " ")]
    Same,
    /// It is gone.
    #[serde(rename = "-")]
    Removed,
    /// It is new.
    #[serde(rename = "+")]
    Added,
    /// It stands for lines that are left out.
    #[serde(rename = "…")]
    Gap,
}

impl Sign {
    /// The sign as `diff -u` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => " ",
            Self::Removed => "-",
            Self::Added => "+",
            Self::Gap => "…",
        }
    }
}

impl Difference {
    fn new(field: &str, change: Change) -> Self {
        Self {
            field: field.to_owned(),
            change,
        }
    }

    fn changed(field: &str, before: &str, after: &str) -> Self {
        let (before, after) = (before.to_owned(), after.to_owned());
        Self::new(field, Change::Changed { before, after })
    }

    /// Whether `name` stands in what differs.
    fn mentions(&self, name: &str) -> bool {
        match &self.change {
            Change::Added { value } | Change::Removed { value } => value.contains(name),
            Change::Changed { before, after } => before.contains(name) != after.contains(name),
            Change::Text { lines } => lines
                .iter()
                .any(|line| line.sign != Sign::Same && line.text.contains(name)),
        }
    }
}

/// Explains why the derivation at `new` is not the one at `old`.
///
/// # Errors
/// When a derivation cannot be read, or needs itself.
pub fn explain<E>(
    old: &str,
    new: &str,
    read: &Read<'_, E>,
) -> Result<Explanation, ExplainError<E>> {
    let walked = walk::walk(old, new, read)?;
    let explanation = fold::fold(&walked);
    Ok(Explanation {
        packages: packages::changes(walked, read).map_err(ExplainError::Read)?,
        ..explanation
    })
}
