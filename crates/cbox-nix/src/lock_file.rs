//! Whether `flake.lock` fits: Nix judges that, in a call of its own, and what it says is read
//! here.
//!
//! Nix mends a lock file that does not fit by fetching whatever is newest, and with
//! `--no-write-lock-file` or an override it does so with a warning: the same command would give
//! another image tomorrow. `nix flake metadata --no-update-lock-file` is the one call that
//! refuses it. A failure "while updating the lock file" is that verdict, also where Nix could
//! not download what it wanted to lock; but not where it could not download what *is* locked,
//! which it needs to judge an input whose own flake says what its inputs follow.

use data_encoding::HEXLOWER;
use nix_formats::{flake_lock::Lock, nix_text::without_escapes};
use sha2::{Digest as _, Sha256};
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
    #[error("flake.nix has inputs{}, and there is no flake.lock{}", named(inputs, *more), if *elsewhere { " among the files that are staged" } else { "" })]
    Missing {
        /// The inputs that Nix names.
        inputs: Vec<String>,
        /// Whether there may be others.
        more: bool,
        /// Whether the file is there and not staged.
        elsewhere: bool,
    },
    /// Both sides of a merge are in the file.
    #[error("flake.lock holds both sides of a merge: conflict marker in line {line}")]
    Conflict {
        /// The line of the first marker, from 1.
        line: usize,
    },
    /// The file is no lock file, or none that Nix can use.
    #[error("flake.lock cannot be used: {0}")]
    Syntax(String),
    /// The file has a format that this Nix does not know.
    #[error("flake.lock has version {0}, which this Nix does not read")]
    Version(String),
    /// An entry has no hash or no revision, so its content can change.
    #[error("flake.lock does not lock input `{input}`: its entry has no {lacking}")]
    Unlocked {
        /// The input, as the lock file calls it.
        input: String,
        /// What it lacks: `narHash` or `rev`.
        lacking: &'static str,
    },
    /// The file locks something else than `flake.nix` declares.
    #[error("flake.lock is stale{}", listed(changes))]
    Stale {
        /// What differs, as far as Nix says so.
        changes: Vec<String>,
    },
    /// Nix asks its registry for an input, since `flake.nix` overrides what it does not address.
    #[error("Nix asks its registry for input `{0}`, which flake.nix gives no `url`")]
    Registry(String),
    /// What is locked cannot be fetched, and Nix has to look into it.
    #[error(
        "whether flake.lock fits cannot be told without the source of input `{input}`: {reason}"
    )]
    Unavailable {
        /// The input.
        input: String,
        /// Why not, in Nix's words.
        reason: String,
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

impl LockFault {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { .. } | Self::Stale { .. } => {
                "run `nix flake lock` (it keeps what fits) and commit flake.lock".to_owned()
            }
            Self::Conflict { .. } => {
                "take one side (`git checkout --ours flake.lock` or `--theirs`; after the merge, \
                 `git checkout COMMIT -- flake.lock`), then let `nix flake lock` add what it lacks"
                    .to_owned()
            }
            Self::Syntax(reason) if reason.ends_with("is a symlink") => {
                "Nix rejects a flake.lock that is a symlink: put the file itself there".to_owned()
            }
            Self::Unlocked { input, lacking: "rev" } => format!(
                "`nix flake update {input} --allow-dirty-locks` locks it anew (`nix flake lock` refuses \
                 such a file); then commit flake.lock"
            ),
            Self::Syntax(_) | Self::Version(_) | Self::Unlocked { .. } => {
                "take it from a commit in which it was whole (`git checkout COMMIT -- flake.lock`), or \
                 remove it and lock the newest inputs; then `nix flake lock`"
                    .to_owned()
            }
            Self::Registry(input) => format!(
                "give `{input}` a `url` in flake.nix, or put a newer Nix first on the PATH (2.34 takes \
                 such a lock as it is)"
            ),
            Self::Unavailable { .. } => Cause::Fetch { what: None }.hint(),
            Self::Replacement { reference, .. } => format!(
                "`nix flake lock {reference}` locks them where that is a folder of yours; otherwise \
                 name a version that has a flake.lock, or let them follow inputs of this flake \
                 (`inputs.….follows`)"
            ),
        }
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn named(inputs: &[String], more: bool) -> String {
    match inputs {
        [] => String::new(),
        inputs => format!(" ({}{})", quoted(inputs), if more { ", …" } else { "" }),
    }
}

/// How many changes are listed.
const LISTED: usize = 5;

fn listed(changes: &[String]) -> String {
    let more = match changes.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    match changes {
        [] => String::new(),
        changes => {
            let first = &changes[..changes.len().min(LISTED)];
            format!(": {}{more}", first.join(", "))
        }
    }
}

/// The key of a judgement: a hash over all that it depends on, which are the version of Nix, the
/// folder of the flake, and the `files` of the tree that are called `flake.nix` or `flake.lock`.
#[must_use]
pub fn key(nix_version: &str, dir: &str, files: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        // With its length, so that no part runs into the next.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(nix_version.as_bytes());
    add(dir.as_bytes());
    for (path, content) in files {
        add(path.as_bytes());
        add(content);
    }
    HEXLOWER.encode(&hash.finalize())
}

/// Asks Nix whether `lock_file`, the content of the staged `flake.lock` if there is one, locks
/// what the staged flake declares. Overrides have no part in that.
///
/// # Errors
/// What does not hold, or that Nix cannot read `flake.nix`.
pub async fn judge(nix: &Nix, staged: &Staged, lock_file: Option<&[u8]>) -> Result<(), NixError> {
    let Some(mut stderr) = refusal(nix, staged, true).await? else {
        return Ok(());
    };
    let mut message = LockMessage::parse(&stderr);
    // One try without a binary cache is no reason to give up what is locked.
    if matches!(message, Some(LockMessage::Unavailable { .. })) && !nix.options.offline {
        match refusal(nix, staged, false).await? {
            None => return Ok(()),
            Some(again) => stderr = again,
        }
        message = LockMessage::parse(&stderr);
    }
    Err(match message {
        None => NixError::Flake {
            fault: Box::new(fault(nix, staged, &stderr)),
        },
        Some(message) => explain(nix, staged, lock_file, message).await?.into(),
    })
}

/// What Nix says against the lock file; `None` where it takes it.
async fn refusal(nix: &Nix, staged: &Staged, offline: bool) -> Result<Option<String>, NixError> {
    let command = nix.command(nix.options.judge_lock(&staged.reference(), offline));
    match command.run(nix.interrupt()).await {
        Ok(_) => Ok(None),
        // What a signal ended says nothing about the flake.
        Err(NixError::Failed {
            stderr,
            signal: None,
            ..
        }) => Ok(Some(without_escapes(&stderr))),
        Err(error) => Err(error),
    }
}

async fn explain(
    nix: &Nix,
    staged: &Staged,
    lock_file: Option<&[u8]>,
    message: LockMessage,
) -> Result<LockFault, NixError> {
    Ok(match message {
        LockMessage::Syntax(reason) => match lock_file.and_then(conflict_line) {
            Some(line) => LockFault::Conflict { line },
            None => LockFault::Syntax(reason),
        },
        LockMessage::Version(version) => LockFault::Version(version),
        LockMessage::Unlocked(entry) => {
            let lacking = match entry.contains("\"narHash\"") {
                true => "rev",
                false => "narHash",
            };
            let lock = Lock::parse(lock_file).ok();
            let input = lock.and_then(|lock| lock.node_locked_as(&entry));
            let input = input.unwrap_or(entry);
            LockFault::Unlocked { input, lacking }
        }
        LockMessage::Registry { input } => LockFault::Registry(input),
        LockMessage::Unavailable { input, reason } => LockFault::Unavailable { input, reason },
        LockMessage::Stale { input } => stale(nix, staged, lock_file, input).await?,
    })
}

/// The fault of a lock that needs changes. `input` is the one at which Nix stopped.
async fn stale(
    nix: &Nix,
    staged: &Staged,
    lock_file: Option<&[u8]>,
    input: Option<String>,
) -> Result<LockFault, NixError> {
    let lock = Lock::parse(lock_file);
    let more = input.is_some();
    let changes = match input {
        Some(input) => {
            let known = lock.is_ok_and(|lock| lock.check_override(&input).is_ok());
            vec![match known {
                true => Change::Differs(input),
                false => Change::Added(input),
            }]
        }
        // Nothing kept Nix from making another lock, so it can say how that would differ.
        None => match nix.run(nix.options.propose_lock(&staged.reference())).await {
            Ok(output) => Change::list(&output.stderr),
            Err(error @ NixError::Interrupted(_)) => return Err(error),
            Err(_) => vec![],
        },
    };
    if lock_file.is_some() {
        let changes = changes.iter().map(ToString::to_string).collect();
        return Ok(LockFault::Stale { changes });
    }
    let inputs = changes.iter().map(|change| change.input());
    // Those of the inputs' own inputs come with them.
    let inputs = inputs.filter(|input| !input.contains('/'));
    Ok(LockFault::Missing {
        inputs: inputs.map(str::to_owned).collect(),
        more,
        elsewhere: false,
    })
}

/// How a lock that Nix would write differs from the one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Added(String),
    Differs(String),
    Removed(String),
}

impl Change {
    /// The changes that Nix lists in its warning about a lock file that it does not write:
    /// `• Updated input 'disko':`. Source: `LockFile::diff` in `src/libflake/lockfile.cc`.
    fn list(stderr: &str) -> Vec<Self> {
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
    fn input(&self) -> &str {
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

/// A flake that replaces an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The reference that names the same content for ever; `None` for one that cannot be
    /// locked (a repository with uncommitted changes).
    pub locked: Option<String>,
    /// Its own inputs that it does not lock, as paths with slashes.
    pub open: Vec<String>,
}

impl Replacement {
    /// What it means that the metadata of a flake cannot be had: one of its inputs is open and
    /// cannot be fetched, or the flake itself.
    fn of_failure(error: NixError) -> Result<Self, NixError> {
        let input = match &error {
            NixError::Failed { stderr, .. } => match LockMessage::parse(&without_escapes(stderr)) {
                Some(LockMessage::Stale { input }) => input,
                _ => None,
            },
            _ => None,
        };
        let Some(input) = input else {
            return Err(error);
        };
        Ok(Self {
            locked: None,
            open: vec![input],
        })
    }
}

/// Locks the flake at `reference`, which replaces an input.
///
/// # Errors
/// When it cannot be fetched.
pub async fn lock_reference(nix: &Nix, reference: &str) -> Result<Replacement, NixError> {
    let command = nix.command(nix.options.metadata(reference));
    let output = match command.run(nix.interrupt()).await {
        Ok(output) => output,
        Err(error) => return Replacement::of_failure(error),
    };
    let locked = parse_metadata(&output.stdout).map_err(|reason| NixError::Answer {
        command: command.to_shell(),
        reason,
    })?;
    let changes = Change::list(&output.stderr);
    let open = changes.iter().map(|change| change.input().to_owned());
    Ok(Replacement {
        locked,
        open: open.collect(),
    })
}

/// The locked reference in the answer of `nix flake metadata --json`.
fn parse_metadata(answer: &[u8]) -> Result<Option<String>, String> {
    let answer: serde_json::Value =
        serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let url = answer["url"].as_str().ok_or("it has no `url`")?;
    // A hash of the content, or of the commit, pins it; a dirty tree has neither.
    let pinned = ["narHash", "rev"]
        .iter()
        .any(|field| answer["locked"][*field].is_string() && url.contains(&format!("{field}=")))
        || answer["locked"]["rev"]
            .as_str()
            .is_some_and(|revision| url.contains(revision));
    let dirty = answer["locked"]["dirtyRev"].is_string();
    Ok((pinned && !dirty).then(|| url.to_owned()))
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
    fn only_pinned_references_are_locked() {
        let parse = |text: &str| parse_metadata(text.as_bytes()).unwrap();
        let path =
            r#"{"locked":{"narHash":"sha256-x"},"url":"path:/a?lastModified=1&narHash=sha256-x"}"#;
        assert_eq!(
            parse(path).unwrap(),
            "path:/a?lastModified=1&narHash=sha256-x"
        );
        let git = r#"{"locked":{"rev":"abc"},"url":"git+file:///a?ref=main&rev=abc"}"#;
        assert!(parse(git).is_some());
        let github = r#"{"locked":{"rev":"abc","narHash":"sha256-x"},"url":"github:o/r/abc"}"#;
        assert!(parse(github).is_some());
        let dirty =
            r#"{"locked":{"dirtyRev":"abc-dirty","narHash":"sha256-x"},"url":"git+file:///a"}"#;
        assert_eq!(parse(dirty), None);
        assert!(parse_metadata(b"{}").is_err());
    }

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
    fn each_part_of_a_key_counts() {
        let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
        let files = [file("flake.lock", "a"), file("flake.nix", "b")];
        let keys = [
            key("2.26", "", &files),
            key("2.34", "", &files),
            key("2.26", "sub", &files),
            key("2.26", "", &files[..1]),
            key(
                "2.26",
                "",
                &[file("flake.lock", "ab"), file("flake.nix", "")],
            ),
            key(
                "2.26",
                "",
                &[file("flake.lock", "a"), file("flake.nix", "c")],
            ),
        ];
        let different: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], key("2.26", "", &files));
    }

    #[test]
    fn a_conflict_is_told_by_its_marker() {
        assert_eq!(conflict_line(b"{\n<<<<<<< HEAD\n"), Some(2));
        assert_eq!(conflict_line(b"{ \"a\": \"<<<<<<< \" }"), None);
    }
}
