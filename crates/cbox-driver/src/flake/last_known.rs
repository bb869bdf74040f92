//! What the last runs found in a flake: its hosts, and the variants of those that were looked
//! at. It is for those who cannot wait for Nix: a shell that completes a word, and commands
//! that read the links alone. Nothing is ever refused for what stands here, since the flake may
//! have changed.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::remembered;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The folder below that of the caches.
const FOLDER: &str = "flakes";

/// The hosts of a flake, each with the names of its variants where they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastKnown {
    hosts: BTreeMap<String, Option<Vec<String>>>,
}

impl LastKnown {
    /// The names of the hosts, sorted.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// The names of the variants of `host`; none where they were not looked at.
    #[must_use]
    pub fn variants(&self, host: &str) -> &[String] {
        let variants = self.hosts.get(host).and_then(Option::as_deref);
        variants.unwrap_or_default()
    }

    /// Takes `names` for the hosts. What is known of those that stay is kept.
    pub fn learn_hosts(&mut self, names: &[String]) {
        let known = |name: &String| {
            let variants = self.hosts.get(name).cloned().flatten();
            (name.clone(), variants)
        };
        self.hosts = names.iter().map(known).collect();
    }

    /// Takes `names` for the variants of `host`.
    pub fn learn_variants(&mut self, host: &str, names: Vec<String>) {
        self.hosts.insert(host.to_owned(), Some(names));
    }
}

/// Where that is kept of one flake.
#[derive(Debug, Clone)]
pub struct Place {
    file: Utf8PathBuf,
    key: String,
}

impl Place {
    /// The place for the flake in `folder`, below `cache`.
    #[must_use]
    pub fn of(cache: &Utf8Path, folder: &Utf8Path) -> Self {
        let key = HEXLOWER.encode(&Sha256::digest(folder.as_str()));
        Self {
            file: cache.join(FOLDER).join(&key),
            key,
        }
    }

    /// What is kept there; nothing where there is none, or it is damaged.
    #[must_use]
    pub fn read(&self) -> LastKnown {
        let text = remembered::read(&self.file, &self.key).ok().flatten();
        let known = text.and_then(|text| serde_json::from_slice(&text).ok());
        known.unwrap_or_default()
    }

    /// Keeps `known` there. Where that cannot be written, nothing is lost but a completion.
    pub fn write(&self, known: &LastKnown) {
        let write = || -> std::io::Result<()> {
            remembered::write(&self.file, &self.key, &serde_json::to_vec(known)?)?;
            let folder = self.file.parent();
            folder.map_or(Ok(()), remembered::forget_oldest)
        };
        if let Err(error) = write() {
            tracing::debug!("what there is in the flake is not kept: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_is_learned_is_kept_for_that_flake_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(folder.path()).unwrap();
        let place = Place::of(cache, "/a".into());
        assert_eq!(place.read(), LastKnown::default());
        let mut known = LastKnown::default();
        known.learn_hosts(&names(&["box", "old"]));
        known.learn_variants("box", names(&["iso"]));
        known.learn_variants("old", names(&["raw"]));
        known.learn_hosts(&names(&["box", "new"]));
        place.write(&known);
        let read = place.read();
        assert_eq!(read.hosts().collect::<Vec<_>>(), ["box", "new"]);
        assert_eq!(read.variants("box"), ["iso"]);
        assert!(read.variants("new").is_empty() && read.variants("old").is_empty());
        assert_eq!(Place::of(cache, "/b".into()).read(), LastKnown::default());
        std::fs::write(&place.file, "x").unwrap();
        assert_eq!(place.read(), LastKnown::default());
    }
}
