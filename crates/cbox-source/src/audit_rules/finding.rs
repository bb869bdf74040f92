//! The kinds of findings, and the names under which `cbox.toml` allows them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Finding {
    /// A repository of git's.
    GitFolder,
    /// Local settings at a place where they count as source.
    LocalSettings,
    /// A private key.
    PrivateKey,
    /// A token of a known form.
    Token,
    /// A random value beside a name such as `password`.
    Secret,
    /// The hash of a password, as `/etc/shadow` has it.
    PasswordHash,
    /// The state of Terraform, which holds all its secrets.
    TerraformState,
    /// A disk image.
    DiskImage,
    /// A file above the limit.
    LargeFile,
    /// What somebody typed into a shell.
    ShellHistory,
    /// A file of environment variables.
    EnvFile,
    /// The way into a Kubernetes cluster.
    Kubeconfig,
    /// A file of passwords for other machines.
    Netrc,
    /// A file in a binary format that holds keys or passwords.
    KeyStore,
}

impl Finding {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::GitFolder, "git-folder"),
        (Self::LocalSettings, "local-settings"),
        (Self::PrivateKey, "private-key"),
        (Self::Token, "token"),
        (Self::Secret, "secret"),
        (Self::PasswordHash, "password-hash"),
        (Self::TerraformState, "terraform-state"),
        (Self::DiskImage, "disk-image"),
        (Self::LargeFile, "large-file"),
        (Self::ShellHistory, "shell-history"),
        (Self::EnvFile, "env-file"),
        (Self::Kubeconfig, "kubeconfig"),
        (Self::Netrc, "netrc"),
        (Self::KeyStore, "key-store"),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let of_self = Self::ALL.into_iter().find(|(finding, _)| *finding == self);
        of_self.map_or("", |(_, name)| name)
    }
}

impl From<Finding> for &'static str {
    fn from(finding: Finding) -> Self {
        finding.name()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that names no finding.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{word}` is no finding")]
pub struct UnknownFinding {
    word: String,
}

impl FromStr for Finding {
    type Err = UnknownFinding;

    fn from_str(word: &str) -> Result<Self, UnknownFinding> {
        let known = Self::ALL.into_iter().find(|(_, name)| *name == word);
        known
            .map(|(finding, _)| finding)
            .ok_or_else(|| UnknownFinding {
                word: word.to_owned(),
            })
    }
}

impl TryFrom<String> for Finding {
    type Error = UnknownFinding;

    fn try_from(word: String) -> Result<Self, UnknownFinding> {
        word.parse()
    }
}
