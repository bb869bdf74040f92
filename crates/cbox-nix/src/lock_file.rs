//! Whether `flake.lock` fits: Nix judges that, in a call of its own, and what it says is read
//! here.
//!
//! Nix mends a lock file that does not fit by fetching whatever is newest, and with
//! `--no-write-lock-file` or an override it does so with a warning: the same command would give
//! another image tomorrow. `nix flake metadata --no-update-lock-file` is the one call that
//! refuses it. Each failure "while updating the lock file" is that verdict, also where Nix
//! could not download what it wanted to lock.

use nix_formats::{flake_lock::Lock, nix_text::without_escapes};
use thiserror::Error;

use crate::{
    NixError,
    eval::fault,
    nix::{Nix, Staged},
    nix_error::{Cause, LockMessage},
};

/// What keeps a lock file from being good enough to build with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LockFault {
    /// There are inputs, and no lock file among the staged files.
    #[error("flake.nix has inputs{}, and there is no flake.lock{}", named(inputs), if *elsewhere { " among the files that are staged" } else { "" })]
    Missing {
        /// The inputs that Nix names.
        inputs: Vec<String>,
        /// Whether the file is there and not staged.
        elsewhere: bool,
    },
    /// Both sides of a merge are in the file.
    #[error("flake.lock holds both sides of a merge: conflict marker in line {line}")]
    Conflict {
        /// The line of the first marker, from 1.
        line: usize,
    },
    /// The file is not a lock file.
    #[error("flake.lock cannot be read: {0}")]
    Syntax(String),
    /// The file has a format that this Nix does not know.
    #[error("flake.lock has version {0}, which this Nix does not read")]
    Version(String),
    /// An entry has no hash, so its content can change.
    #[error("flake.lock does not lock input `{0}`: its entry has no narHash")]
    Unlocked(String),
    /// The file locks something else than `flake.nix` declares.
    #[error("flake.lock is stale{}", if changes.is_empty() { String::new() } else { format!(": {}", changes.join(", ")) })]
    Stale {
        /// What differs, as far as Nix says so.
        changes: Vec<String>,
    },
    /// The replacement of an input leaves its own inputs open.
    #[error("the replacement of input `{name}` does not lock its own input{} {}", if inputs.len() == 1 { "" } else { "s" }, quoted(inputs))]
    Replacement {
        /// The input that is replaced.
        name: String,
        /// The reference of the replacement.
        reference: String,
        /// What is open, as the replacement calls it.
        inputs: Vec<String>,
    },
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn named(inputs: &[String]) -> String {
    match inputs {
        [] => String::new(),
        inputs => format!(" ({})", quoted(inputs)),
    }
}

/// Asks Nix whether `lock_file`, the content of the staged `flake.lock` if there is one, locks
/// what the staged flake declares. Overrides have no part in that.
///
/// # Errors
/// What does not hold, or that Nix cannot read `flake.nix`.
pub async fn judge(nix: &Nix, staged: &Staged, lock_file: Option<&[u8]>) -> Result<(), NixError> {
    let command = nix.command(nix.options.judge_lock(&staged.reference()));
    let stderr = match command.run(nix.interrupt()).await {
        Ok(_) => return Ok(()),
        // What a signal ended says nothing about the flake.
        Err(NixError::Failed {
            stderr,
            signal: None,
            ..
        }) => without_escapes(&stderr),
        Err(error) => return Err(error),
    };
    let fault = fault(nix, staged, &stderr);
    if let Some(Cause::MissingFile { .. }) = fault.cause {
        return Err(NixError::Flake {
            fault: Box::new(fault),
        });
    }
    let Some(message) = LockMessage::parse(&stderr) else {
        return Err(NixError::Flake {
            fault: Box::new(fault),
        });
    };
    Err(match message {
        LockMessage::Syntax(reason) => match lock_file.and_then(conflict_line) {
            Some(line) => LockFault::Conflict { line },
            None => LockFault::Syntax(reason),
        },
        LockMessage::Version(version) => LockFault::Version(version),
        LockMessage::Unlocked(entry) => LockFault::Unlocked(
            Lock::parse(lock_file)
                .ok()
                .and_then(|lock| lock.node_locked_as(&entry))
                .unwrap_or(entry),
        ),
        LockMessage::Invalid => {
            return Err(NixError::Flake {
                fault: Box::new(fault),
            });
        }
        LockMessage::Stale { input } => stale(nix, staged, lock_file.is_some(), input).await?,
    }
    .into())
}

/// The fault of a lock that needs changes. `input` is the one at which Nix stopped.
async fn stale(
    nix: &Nix,
    staged: &Staged,
    is_there: bool,
    input: Option<String>,
) -> Result<LockFault, NixError> {
    let mut changes = match &input {
        Some(_) => vec![],
        // Nothing kept Nix from making another lock, so it can say how that would differ.
        None => match nix.run(nix.options.propose_lock(&staged.reference())).await {
            Ok(output) => Change::list(&output.stderr),
            Err(error @ NixError::Interrupted(_)) => return Err(error),
            Err(_) => vec![],
        },
    };
    changes.extend(input.map(Change::Differs));
    if is_there {
        let changes = changes.iter().map(ToString::to_string).collect();
        return Ok(LockFault::Stale { changes });
    }
    let top = |change: Change| {
        let input = change.input();
        (!input.contains('/')).then(|| input.to_owned())
    };
    Ok(LockFault::Missing {
        inputs: changes.into_iter().filter_map(top).collect(),
        elsewhere: false,
    })
}

/// How a lock that Nix would write differs from the one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Added(String),
    Differs(String),
    Removed(String),
}

impl Change {
    /// The changes that Nix lists in its warning about a lock file that it does not write:
    /// `• Updated input 'disko':`. Source: `LockFile::diff` in `src/libflake/lockfile.cc`.
    pub(crate) fn list(stderr: &str) -> Vec<Self> {
        let of = |line: &str| {
            let rest = line.trim_start().strip_prefix("• ")?;
            let (what, rest) = rest.split_once(" input '")?;
            let input = rest.split_once('\'')?.0.to_owned();
            Some(match what {
                "Added" => Self::Added(input),
                "Removed" => Self::Removed(input),
                _ => Self::Differs(input),
            })
        };
        without_escapes(stderr).lines().filter_map(of).collect()
    }

    /// The input, as a path with slashes.
    pub(crate) fn input(&self) -> &str {
        match self {
            Self::Added(input) | Self::Differs(input) | Self::Removed(input) => input,
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Added(input) => write!(formatter, "it has no entry for input `{input}`"),
            Self::Differs(input) => {
                write!(
                    formatter,
                    "input `{input}` is declared otherwise in flake.nix"
                )
            }
            Self::Removed(input) => write!(
                formatter,
                "it has an entry for `{input}`, which flake.nix does not declare"
            ),
        }
    }
}

/// The line, from 1, of the first marker that git leaves where two sides of a merge differ.
fn conflict_line(text: &[u8]) -> Option<usize> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let number = lines.position(|line| line.starts_with(b"<<<<<<< "))?;
    Some(number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changes_of_a_lock_are_read() {
        let stderr = "warning: not writing modified lock file of flake 'path:/a':\n\
                      • Updated input 'dep/inner':\n    'path:/a?narHash=x' (2026-11-29)\n  → follows ''\n\
                      • Added input 'b':\n    'path:/b'\n• Removed input 'c'\nwarning: • Added nothing\n";
        let changes = Change::list(stderr);
        assert_eq!(
            changes,
            [
                Change::Differs("dep/inner".into()),
                Change::Added("b".into()),
                Change::Removed("c".into())
            ]
        );
    }

    #[test]
    fn a_conflict_is_told_by_its_marker() {
        assert_eq!(conflict_line(b"{\n<<<<<<< HEAD\n"), Some(2));
        assert_eq!(conflict_line(b"{ \"a\": \"<<<<<<< \" }"), None);
    }
}
