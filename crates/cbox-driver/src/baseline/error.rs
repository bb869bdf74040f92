//! What can be wrong with a baseline, each with a sentence of its own.

use thiserror::Error;

use super::{FILE, SCHEMA};

/// Why a file is no baseline.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// There is nothing in it.
    #[error("{FILE} is empty")]
    Empty,
    /// A merge left its markers in it.
    #[error("{FILE}:{line}: a merge conflict is not resolved")]
    Conflict {
        /// The line of the first marker, from 1.
        line: usize,
    },
    /// It ends too early.
    #[error("{FILE} is cut off: it ends in line {line}, in the middle of a value")]
    Truncated {
        /// Its last line, from 1.
        line: usize,
    },
    /// It is not JSON.
    #[error("{FILE}:{line}:{column}: this is not JSON: {reason}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// It does not say which form it has.
    #[error("{FILE} has no `schema`, so it is no baseline")]
    NoSchema,
    /// A newer cbox wrote it.
    #[error("{FILE} has schema {found}, and this cbox knows schemas up to {SCHEMA}")]
    NewerSchema {
        /// The schema that it says it has.
        found: u64,
    },
    /// A name is there twice, so that one of the two would not count.
    #[error("{FILE}: {place} names `{name}` twice")]
    Duplicate {
        /// The object that holds both.
        place: String,
        /// The name.
        name: String,
    },
    /// A field that this version does not know.
    #[error("{FILE}: {place} has a field `{name}` that cbox does not know")]
    UnknownField {
        /// The object that holds it.
        place: String,
        /// The field.
        name: String,
    },
    /// A field is missing.
    #[error("{FILE}: {place} has no `{name}`")]
    MissingField {
        /// The object that should hold it.
        place: String,
        /// The field.
        name: &'static str,
    },
    /// A value is of another kind than it should be.
    #[error("{FILE}: {place} should be {expected}")]
    Type {
        /// The value.
        place: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A host's name could not be the name of a target.
    #[error("{FILE}: `{0}` cannot be the name of a host")]
    HostName(String),
    /// A system is none.
    #[error("{FILE}: the system of host `{host}` is `{text}`, which is not a system")]
    System {
        /// The host.
        host: String,
        /// What stands there.
        text: String,
    },
    /// A derivation has no store path that ends in `.drv`.
    #[error(
        "{FILE}: the drvPath of host `{host}` is `{text}`, which is not the store path of a derivation"
    )]
    DrvPath {
        /// The host.
        host: String,
        /// What stands there.
        text: String,
    },
    /// An output has no store path.
    #[error("{FILE}: the outPath of host `{host}` is `{text}`, which is not a store path")]
    OutPath {
        /// The host.
        host: String,
        /// What stands there.
        text: String,
    },
    /// The hash of the lock file is none.
    #[error("{FILE}: the flakeLock of host `{host}` is `{text}`, which is not a sha256 hash")]
    FlakeLock {
        /// The host.
        host: String,
        /// What stands there.
        text: String,
    },
}
