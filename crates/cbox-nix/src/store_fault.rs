//! Why a store on another machine does not do what it is asked, as Nix and ssh say it.

use thiserror::Error;

use crate::{NixError, events::LOST, nix::Nix};

/// What is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreFault {
    /// It is a binary cache.
    #[error("the store `{0}` is a binary cache, in which nothing can be built")]
    Cache(String),
    /// It is a machine behind the protocol that does not do it.
    #[error("Nix cannot build in the store `{0}`, for which that protocol is too old")]
    Legacy(String),
    /// There is no such kind of store.
    #[error("Nix knows no store `{0}`")]
    Unknown(String),
    /// What is evaluated in it cannot be read.
    #[error("the files of the store `{0}` cannot be read here, so nothing can be evaluated in it")]
    Evaluation(String),
    /// Nix cannot connect to it.
    #[error("the store `{store}` cannot be reached: {reason}")]
    Unreachable {
        /// Its URI.
        store: String,
        /// What ssh or Nix says of it.
        reason: String,
    },
    /// Nothing can be copied to it.
    #[error("nothing can be copied to the store `{store}`: {reason}")]
    Refused {
        /// Its URI.
        store: String,
        /// What Nix or ssh says of it.
        reason: String,
    },
    /// It went away.
    #[error("the store `{store}` went away in the middle: {reason}")]
    Lost {
        /// Its URI.
        store: String,
        /// What ssh or Nix says of it.
        reason: String,
    },
}

impl StoreFault {
    /// The way out.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Cache(uri) => format!(
                "`-- --option extra-substituters {uri}` fetches from it, and `nix copy --to {uri} PATH` fills it \
                 (docs/stores.md)"
            ),
            Self::Legacy(uri) => format!(
                "`--store {}` does the same by the protocol of today",
                uri.replacen("ssh://", "ssh-ng://", 1)
            ),
            Self::Unknown(_) => {
                "a store is `auto`, a folder, `local?root=DIR` or `ssh-ng://HOST`".to_owned()
            }
            Self::Refused { store, .. } => {
                format!("`nix store info --store {store}` says whether it answers")
            }
            Self::Evaluation(_) => {
                "leave `--eval-store` out: then the store of this machine is evaluated in"
                    .to_owned()
            }
            Self::Unreachable { store, .. } | Self::Lost { store, .. } => format!(
                "`nix store info --store {store}` says whether it answers; what is built there stays there"
            ),
        }
    }
}

/// What a line of standard error that is none of Nix's says of a connection, if it is ssh's.
#[must_use]
pub fn ssh_says(line: &str) -> Option<&str> {
    let line = line.trim();
    let is_sshs = line.starts_with("ssh: ")
        || line.starts_with("Host key verification failed")
        || line.contains(": Permission denied (")
        || (line.starts_with("Connection to ") && line.contains(" closed"));
    is_sshs.then_some(line)
}

/// The fault of the store that `nix` builds in, where `said` tells of one. `ssh` is what ssh said.
pub(crate) fn of_connection(nix: &Nix, said: &str, ssh: Option<&str>) -> Option<StoreFault> {
    if nix.outputs.is_here() {
        return None;
    }
    let line = |words: &str| said.lines().find(|line| line.contains(words));
    let store = nix.outputs.uri.clone();
    let ssh = ssh.or_else(|| said.lines().filter_map(ssh_says).next_back());
    let reason = |line: &str| {
        let line = line.trim().trim_start_matches("error:").trim();
        ssh.unwrap_or(line).to_owned()
    };
    if let Some(line) = line("failed to start SSH connection to") {
        let reason = reason(line);
        return Some(StoreFault::Unreachable { store, reason });
    }
    let lost = LOST.into_iter().find_map(line)?;
    let reason = reason(lost);
    Some(StoreFault::Lost { store, reason })
}

/// `error` as the fault of the store that `nix` builds in, where it is one.
pub(crate) fn named(nix: &Nix, error: NixError) -> NixError {
    let fault = match &error {
        NixError::Failed { stderr, .. } => of_connection(nix, stderr, None),
        _ => None,
    };
    fault.map_or(error, NixError::Store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_known() {
        for line in [
            "ssh: connect to host 127.0.0.9 port 22: Connection refused",
            "ssh: Could not resolve hostname nowhere: Temporary failure in name resolution",
            "Host key verification failed.",
            "root@builder: Permission denied (publickey).",
            "Connection to 127.0.0.1 closed by remote host.",
        ] {
            assert_eq!(ssh_says(line), Some(line));
        }
        for line in ["warning: x", "Connection to the world", "building x"] {
            assert_eq!(ssh_says(line), None);
        }
    }
}
