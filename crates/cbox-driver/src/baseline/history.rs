//! Which commits accepted what a host builds: those at which its derivation in the baseline
//! became what it is. The versions of the file are compared by what they say, so another form
//! of it, its order or an older schema accept nothing.

use std::{collections::BTreeMap, path::Path};

use cbox_nix::{Interrupt, NixError, git::Repository};
use nix_formats::store_path::DrvPath;

use super::Baseline;

/// What the commits up to one of them accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Newest first.
    commits: Vec<Accepting>,
    /// Whether the repository holds only a part of its history, so that there can be more.
    pub shallow: bool,
}

/// A commit, and the hosts that it accepted as they are there.
#[derive(Debug, PartialEq, Eq)]
struct Accepting {
    commit: String,
    hosts: BTreeMap<String, DrvPath>,
}

impl History {
    /// Reads all versions of the baseline at `path`, which is relative to the top, in the commits
    /// up to `commit` (a full name).
    ///
    /// # Errors
    /// When git is missing or refuses, or what a partial clone lacks cannot be fetched.
    pub async fn read(
        repository: &Repository,
        path: &Path,
        commit: &str,
        interrupt: &Interrupt,
    ) -> Result<Self, NixError> {
        let shallow = repository.is_shallow(interrupt).await?;
        let mut changes = repository.file_history(path, commit, interrupt).await?;
        // Where a shallow clone ends, nobody knows what was before.
        changes.retain(|change| !(shallow && change.is_root));
        let blobs = changes
            .iter()
            .flat_map(|change| [&change.before, &change.after]);
        let blobs = blobs.flatten().cloned().collect();
        let versions: BTreeMap<String, Baseline> = repository
            .contents(&blobs, interrupt)
            .await?
            .into_iter()
            // What is no baseline says nothing of any host.
            .map(|(blob, bytes)| (blob, Baseline::parse(&bytes).unwrap_or_default()))
            .collect();
        let version = |blob: &Option<String>| versions.get(blob.as_ref()?);
        let commits = changes.into_iter().map(|change| {
            let (before, after) = (version(&change.before), version(&change.after));
            let at_parent = |host| Some(&before?.hosts.get(host)?.drv_path);
            let hosts = after.into_iter().flat_map(|after| &after.hosts);
            let hosts = hosts.filter(|(host, entry)| at_parent(*host) != Some(&entry.drv_path));
            Accepting {
                hosts: hosts
                    .map(|(host, entry)| (host.clone(), entry.drv_path.clone()))
                    .collect(),
                commit: change.commit,
            }
        });
        Ok(Self {
            commits: commits.collect(),
            shallow,
        })
    }

    /// The commits at which the derivation of `host` became `drv`, newest first.
    #[must_use]
    pub fn accepting(&self, host: &str, drv: &DrvPath) -> Vec<&str> {
        let commits = self.commits.iter();
        let commits = commits.filter(|accepting| accepting.hosts.get(host) == Some(drv));
        let mut commits: Vec<&str> = commits.map(|accepting| accepting.commit.as_str()).collect();
        // A merge is there once for each parent.
        commits.dedup();
        commits
    }
}
