//! What is wrong with the machine or its builders, and not with the flake.

use super::Cause;

/// Why a folder or a file cannot be written to, in the words of the system and of SQLite.
const UNWRITABLE: [&str; 8] = [
    "Read-only file system",
    "Not a directory",
    "Permission denied",
    "No space left on device",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
    "disk I/O error",
];

/// Whether Nix cannot write to its own cache: `creating directory '…/.cache/nix': …`, or a sentence
/// about one of the databases in it. (Nix 2.34 has other quotes than 2.26.)
pub(super) fn of_cache(text: &str) -> Option<Cause> {
    let text = text.replace('"', "'");
    let (path, reason, is_file) = if let Some((before, file)) = text.rsplit_once(" (in '") {
        let reason = UNWRITABLE.iter().find(|reason| before.ends_with(*reason))?;
        (file.strip_suffix("')")?, *reason, true)
    } else {
        let sentences = [
            ("creating directory '", false),
            ("cannot open SQLite database '", true),
            ("opening lock file '", true),
        ];
        let (rest, is_file) = sentences
            .iter()
            .find_map(|(words, is_file)| Some((text.strip_prefix(words)?, *is_file)))?;
        let (path, said) = rest.split_once("': ")?;
        let reason = UNWRITABLE.iter().find(|reason| said.starts_with(*reason))?;
        (path, *reason, is_file)
    };
    let folder = match is_file {
        true => path.rsplit_once('/')?.0,
        false => path,
    };
    let is_cache = folder.ends_with("/nix") || folder.contains("cache");
    (is_cache && !folder.starts_with("/nix/")).then(|| Cause::Cache {
        folder: folder.to_owned(),
        reason: reason.to_owned(),
    })
}

/// What is wrong with the machine and not with the flake.
pub(super) fn of_machine(text: &str) -> Option<Cause> {
    let first = text.lines().next()?;
    if first.ends_with("No space left on device") || first.contains("database or disk is full") {
        return Some(Cause::NoSpace);
    }
    let owner = "' is not owned by current user";
    if let Some((before, _)) = text.split_once(owner) {
        let folder = before
            .rsplit_once('\'')
            .map(|(_, folder)| folder.to_owned());
        return Some(Cause::Ownership { folder });
    }
    let daemon = [
        "cannot connect to socket at '",
        "cannot connect to daemon at",
    ];
    daemon
        .iter()
        .any(|words| text.starts_with(words))
        .then_some(Cause::Daemon)
}

/// Whether git refuses a repository of another user's, and which.
#[must_use]
pub fn of_git(stderr: &str) -> Option<Cause> {
    let line = stderr
        .lines()
        .find_map(|line| line.strip_prefix("fatal: detected dubious ownership in repository"))?;
    let folder = line
        .strip_prefix(" at '")
        .and_then(|rest| rest.strip_suffix('\''));
    Some(Cause::Ownership {
        folder: folder.map(str::to_owned),
    })
}

/// What a line of a builder's log tells of the machine.
#[must_use]
pub fn of_log(line: &str) -> Option<Cause> {
    line.contains("No space left on device")
        .then_some(Cause::NoSpace)
}

/// The sentences of Nix about builds.
pub(super) fn from_builder(text: &str) -> Option<Cause> {
    let field = |name: &str| {
        let lines = text.lines();
        let value = lines
            .filter_map(|line| line.trim().strip_prefix(name))
            .next()?;
        Some(value.trim().trim_matches(['{', '}', '\'']).to_owned())
    };
    for words in [
        "hash mismatch in fixed-output derivation '",
        "hash mismatch in file downloaded from '",
    ] {
        if let Some(rest) = text.strip_prefix(words) {
            return Some(Cause::HashMismatch {
                of: rest.split('\'').next()?.to_owned(),
                specified: field("specified:")?,
                got: field("got:")?,
            });
        }
    }
    // Nix before 2.30: a 'x86_64-linux' with features {kvm} is required to build '…', but …
    if let Some((wanted, rest)) = text
        .strip_prefix("a '")
        .and_then(|rest| rest.split_once(" is required to build '"))
    {
        let (system, features) = wanted.split_once("' with features {")?;
        let (_, mine) = rest.split_once("but I am a '")?;
        let drv = rest.split('\'').next()?.to_owned();
        return Some(if mine.starts_with(&format!("{system}'")) {
            let features = features.trim_end_matches('}').to_owned();
            Cause::MissingFeature { drv, features }
        } else {
            let system = system.to_owned();
            Cause::WrongSystem { drv, system }
        });
    }
    // Nix before 2.30.
    if text.trim_start().starts_with("Unable to start any build;") {
        return Some(Cause::Idle { drv: None });
    }
    if text.starts_with("some substitutes for the outputs of derivation '") {
        return Some(Cause::Substitute);
    }
    if let Some(path) = sandbox_path(text) {
        return Some(Cause::SandboxPath { path });
    }
    let rest = text.strip_prefix("Cannot build '")?;
    let (drv, reason) = (rest.split('\'').next()?.to_owned(), field("Reason:")?);
    if reason.starts_with("missing system features") {
        let features = field("Required features:")?;
        return Some(Cause::MissingFeature { drv, features });
    }
    if reason.starts_with("local builds are disabled") {
        return Some(Cause::Idle { drv: Some(drv) });
    }
    if reason.starts_with("platform mismatch") {
        let system = field("Required system:")?;
        return Some(Cause::WrongSystem { drv, system });
    }
    None
}

/// The file that Nix did not find while it made a sandbox.
fn sandbox_path(text: &str) -> Option<String> {
    let rest = text.strip_prefix("getting attributes of path ")?;
    let path = rest.split_once(": No such file or directory")?.0;
    Some(path.trim_matches(['\'', '"']).to_owned())
}
