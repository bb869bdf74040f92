//! Fetching a flake by its reference, and what it means that Nix could not.

use nix_formats::store_path::StorePath;
use serde::Deserialize;

use crate::{NixError, nix::Nix};

/// The tree that a reference names, in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its path.
    pub path: StorePath,
    /// The commit, where it is of one.
    pub revision: Option<String>,
    /// The folder of `flake.nix` below it, where the reference names one.
    pub dir: Option<String>,
}

/// Has Nix fetch what `reference` names, and look up what it calls in a registry. Nothing of it is
/// evaluated.
///
/// # Errors
/// When it cannot be fetched.
pub async fn fetch(nix: &Nix, reference: &str) -> Result<Tree, NixError> {
    let command = nix.command(nix.options.prefetch(reference));
    let output = command.run(nix.interrupt()).await?;
    parse(&output.stdout).map_err(|reason| NixError::Answer {
        command: command.to_shell(),
        reason,
    })
}

fn parse(answer: &[u8]) -> Result<Tree, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        store_path: StorePath,
        #[serde(default)]
        locked: Locked,
    }
    #[derive(Default, Deserialize)]
    struct Locked {
        rev: Option<String>,
        dir: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    Ok(Tree {
        path: answer.store_path,
        revision: answer.locked.rev,
        dir: answer.locked.dir.filter(|dir| !dir.is_empty()),
    })
}

/// Why something cannot be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Where it would be, there is no such repository, branch or commit.
    NoSuch,
    /// What was asked for is no reference of a flake.
    NoReference,
    /// Nobody answered there, or whatever else it was.
    Unreachable,
}

impl Reason {
    /// What Nix means by `said`.
    #[must_use]
    pub fn of(said: &str) -> Self {
        // Whatever Nix makes of it, this is where it began.
        let unreachable = [
            "Could not resolve host",
            "Connection refused",
            "Couldn't connect to server",
            "Could not connect to server",
            "timed out",
        ];
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if says(&unreachable) {
            return Self::Unreachable;
        }
        if says(&[
            "is not a valid URL",
            "unrecognised flag",
            "is unsupported",
            "has wrong length for hash",
            "invalid GitHub URL",
            "is invalid",
            "contains an invalid",
            "is not an absolute path",
            "invalid Git commit hash",
            // What it cannot read, Nix takes for a path.
            "getting status of",
        ]) {
            return Self::NoReference;
        }
        if says(&[
            "couldn't find remote ref",
            "ould not find remote branch",
            "not our ref",
            "annot find Git revision",
            "revspec",
            "object not found",
            "cannot find flake",
            "does not exist",
            "does not appear to be a git repository",
            "epository not found",
            "HTTP error 404",
            "HTTP error 422",
        ]) {
            return Self::NoSuch;
        }
        Self::Unreachable
    }
}

/// What happened, in one line: git's own error where there is one, which Nix only follows from,
/// or else Nix's.
#[must_use]
pub fn told(said: &str) -> String {
    let behind = |mark: &str| {
        let mut lines = said.lines().map(str::trim_start);
        lines.find_map(|line| line.strip_prefix(mark))
    };
    let ssh = said.lines().find(|line| line.starts_with("ssh: "));
    if let Some(git) = ssh.or_else(|| behind("fatal: ")) {
        return git.trim_end().trim_end_matches('.').to_owned();
    }
    let last = said.lines().rev().map(str::trim_start);
    let last = last
        .filter_map(|line| line.strip_prefix("error: "))
        .next()
        .or_else(|| said.trim().lines().last());
    let last = last.unwrap_or_default();
    let thrown = "Failed to open archive (Source threw exception: error: ";
    match last.strip_prefix(thrown) {
        Some(inner) => inner.trim_end_matches(')').to_owned(),
        None => last.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer =
            br#"{"hash":"sha256-x","locked":{"__final":true,"dir":"sub","rev":"abc","type":"git"},
            "original":{},"storePath":"/nix/store/00000000000000000000000000000000-source"}"#;
        let tree = parse(answer).unwrap();
        assert_eq!(tree.revision.as_deref(), Some("abc"));
        assert_eq!(tree.dir.as_deref(), Some("sub"));
        assert!(parse(b"{}").is_err() && parse(b"").is_err());
    }

    /// As Nix 2.26 says it.
    #[test]
    fn what_nix_says_has_a_reason_and_one_line() {
        for (said, reason, line) in [
            (
                "fatal: unable to access 'https://e.org/x/': Could not resolve host: e.org\nwarning: a\n\
                 fatal: Refusing to point HEAD outside of refs/\nerror:\n       … while fetching the \
                 input 'git+https://e.org/x'\n\n       error: resolving Git reference 'master': revspec \
                 'master' not found",
                Reason::Unreachable,
                "unable to access 'https://e.org/x/': Could not resolve host: e.org",
            ),
            (
                "warning: error: unable to download 'http://h/x': Could not connect (7); retrying in 335 \
                 ms\nerror:\n       … while fetching the input 'http://h/x'\n\n       error: Failed to open \
                 archive (Source threw exception: error: unable to download 'http://h/x': Could not connect)",
                Reason::Unreachable,
                "unable to download 'http://h/x': Could not connect",
            ),
            (
                "ssh: connect to host h port 1: Connection refused\nfatal: Could not read from remote \
                 repository.\n",
                Reason::Unreachable,
                "ssh: connect to host h port 1: Connection refused",
            ),
            (
                "fatal: unable to access 'https://h:1/x/': Failed to connect to h port 1 after 0 ms: \
                 Couldn't connect to server\nerror:\n       … while fetching the input \
                 'git+https://h:1/x'\n\n       error: resolving Git reference 'master': revspec 'master' \
                 not found",
                Reason::Unreachable,
                "unable to access 'https://h:1/x/': Failed to connect to h port 1 after 0 ms: Couldn't \
                 connect to server",
            ),
            (
                "fatal: couldn't find remote ref refs/heads/nope\nerror:\n       error: program 'git' failed",
                Reason::NoSuch,
                "couldn't find remote ref refs/heads/nope",
            ),
            (
                "error:\n       … while fetching the input 'git+file:///x?rev=01'\n\n       error: getting \
                 Git object '01': object not found - no match for id (01)",
                Reason::NoSuch,
                "getting Git object '01': object not found - no match for id (01)",
            ),
            (
                "error: input 'foo:bar' is unsupported",
                Reason::NoReference,
                "input 'foo:bar' is unsupported",
            ),
        ] {
            assert_eq!((Reason::of(said), told(said).as_str()), (reason, line));
        }
    }
}
