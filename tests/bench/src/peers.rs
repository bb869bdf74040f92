//! The programs that cbox is compared with, beside Nix itself. Each is taken from the PATH; a
//! comparison with one that is not there is left out, with the words that get it.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// One of them, in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    Dix,
    NixDiffRs,
    NixEvalJobs,
}

/// One that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) program: PathBuf,
    /// What it says of its version.
    pub(crate) version: String,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dix => "dix",
            Self::NixDiffRs => "nix-diff-rs",
            Self::NixEvalJobs => "nix-eval-jobs",
        }
    }

    /// How a reader gets it.
    fn way(self) -> &'static str {
        match self {
            Self::Dix => "`nix shell nixpkgs#dix`, or `cargo install dix`",
            Self::NixDiffRs => "`nix shell github:nix-community/nix-diff-rs`",
            Self::NixEvalJobs => "`nix shell nixpkgs#nix-eval-jobs`",
        }
    }

    /// Finds it on the PATH.
    ///
    /// # Errors
    /// A sentence that says that it is missing, and how to get it.
    pub(crate) fn find(self) -> Result<Found, String> {
        // It installs itself as `nix-diff`, the name of a Haskell program that does the same.
        let other = (self == Self::NixDiffRs).then_some("nix-diff");
        let program = find(self.name())
            .or_else(|| other.and_then(find))
            .ok_or_else(|| self.missing("is not on the PATH"))?;
        // What the help of it has in it, and not that of others with its name.
        let sign = match self {
            Self::Dix => "Nix",
            Self::NixDiffRs => "<INPUT1>",
            Self::NixEvalJobs => "--gc-roots-dir",
        };
        let (_, help) = said(&program, "--help")?;
        if !help.contains(sign) {
            let file = program.display();
            return Err(self.missing(&format!("is another program: {file}")));
        }
        let (is_told, version) = said(&program, "--version")?;
        let first = version.lines().next().filter(|_| is_told);
        let version = first.map(|line| line.trim().to_owned());
        let version = version.or_else(|| version_in_store(&program));
        Ok(Found {
            program,
            version: version.unwrap_or_else(|| "a version that it does not tell".to_owned()),
        })
    }

    fn missing(self, how: &str) -> String {
        format!("{} {how}; {} has it", self.name(), self.way())
    }
}

/// The file that `program` is on the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Whether `program` takes `option`, and what it answers, on either stream.
fn said(program: &Path, option: &str) -> Result<(bool, String), String> {
    let answer = std::process::Command::new(program).arg(option).output();
    let answer =
        answer.map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    let text = [answer.stdout, answer.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok((answer.status.success(), text))
}

/// The name of its package, where `program` lies in a store or links into one.
fn version_in_store(program: &Path) -> Option<String> {
    let file = program.canonicalize().ok()?;
    let package = file.parent()?.parent()?;
    let name = package.file_name()?.to_str()?;
    let (hash, name) = name.split_once('-')?;
    (hash.len() == 32).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_missing_says_how_to_get_it() {
        for peer in Peer::value_variants() {
            let why = peer.missing("is not on the PATH");
            assert!(
                why.starts_with(peer.name()) && why.contains("nix shell"),
                "{why}"
            );
        }
    }
}
