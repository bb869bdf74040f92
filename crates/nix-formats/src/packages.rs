//! Packages and their versions, from the names of store paths, and what differs between two
//! such sets: what changed its version, what came and what went.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{package_name::PackageName, version};

/// The package that `name` is of, and its version; empty where there is none. Outputs and other
/// parts of a package (`zlib-1.3-dev`) are of it.
#[must_use]
pub fn package_and_version(name: &str) -> (&str, &str) {
    let parsed = PackageName::parse(name);
    match parsed.package {
        "" => (name, ""),
        package => (package, parsed.version),
    }
}

/// Sorts versions by Nix's order, each once.
pub fn sort_versions(versions: &mut Vec<String>) {
    versions.sort_by(|one, other| version::compare(one, other).then_with(|| one.cmp(other)));
    versions.dedup();
}

/// Packages by their names, each with its versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages<'n>(BTreeMap<&'n str, BTreeSet<&'n str>>);

impl<'n> FromIterator<&'n str> for Packages<'n> {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let mut packages = Self::default();
        names.into_iter().for_each(|name| packages.add(name));
        packages
    }
}

impl<'n> Packages<'n> {
    /// Adds what is called `name`.
    pub fn add(&mut self, name: &'n str) {
        let (package, version) = package_and_version(name);
        let versions = self.0.entry(package).or_default();
        versions.extend(Some(version).filter(|version| !version.is_empty()));
    }

    /// Whether one of them is the package of `name`.
    #[must_use]
    pub fn have(&self, name: &str) -> bool {
        self.0.contains_key(package_and_version(name).0)
    }

    /// What is another in `new`, by name. What has the same versions is not listed, whatever
    /// else of it may differ.
    #[must_use]
    pub fn changes(&self, new: &Packages<'_>) -> PackageChanges {
        let versions = |versions: &BTreeSet<&str>| {
            let mut versions = versions.iter().map(|&version| version.to_owned()).collect();
            sort_versions(&mut versions);
            versions
        };
        let alone = |these: &Packages<'_>, those: &Packages<'_>| -> Vec<OnePackage> {
            let alone = these
                .0
                .iter()
                .filter(|(name, _)| !those.0.contains_key(*name));
            let one = |(name, all): (&&str, &BTreeSet<&str>)| OnePackage {
                name: (*name).to_owned(),
                versions: versions(all),
            };
            alone.map(one).collect()
        };
        let both = self.0.iter().filter_map(|(name, old)| {
            let new = new.0.get(name).filter(|new| *new != old)?;
            Some(VersionChange {
                name: (*name).to_owned(),
                from: versions(old),
                to: versions(new),
            })
        });
        PackageChanges {
            changed: both.collect(),
            added: alone(new, self),
            removed: alone(self, new),
        }
    }
}

/// What differs between two sets of packages, each list by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChanges {
    /// Those in both, at other versions.
    pub changed: Vec<VersionChange>,
    /// Those that are new.
    pub added: Vec<OnePackage>,
    /// Those that are gone.
    pub removed: Vec<OnePackage>,
}

impl PackageChanges {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }
}

/// A package at other versions than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionChange {
    /// Its name.
    pub name: String,
    /// All its versions before, in Nix's order.
    pub from: Vec<String>,
    /// All its versions now.
    pub to: Vec<String>,
}

/// A package that came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnePackage {
    /// Its name.
    pub name: String,
    /// Its versions, in Nix's order; none where its name has none.
    pub versions: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_change_come_and_go() {
        let old: Packages<'_> = [
            "coder-2.24.1",
            "zlib-1.3",
            "zlib-1.3-dev",
            "python3-3.9.1",
            "python3-3.10.2",
            "motd",
            "gone-1",
            "plain",
            "-1",
        ]
        .into_iter()
        .collect();
        let new: Packages<'_> = [
            "coder-2.25.0",
            "coder-2.25.0-doc",
            "zlib-1.3-man",
            "python3-3.10.2",
            "motd",
            "new-1.9",
            "new-1.10",
            "plain-2",
            "-1",
        ]
        .into_iter()
        .collect();
        let changes = old.changes(&new);
        let texts = |versions: &[&str]| -> Vec<String> {
            versions.iter().map(|&version| version.to_owned()).collect()
        };
        let changed = |name: &str, from: &[&str], to: &[&str]| VersionChange {
            name: name.to_owned(),
            from: texts(from),
            to: texts(to),
        };
        let one = |name: &str, versions: &[&str]| OnePackage {
            name: name.to_owned(),
            versions: texts(versions),
        };
        assert_eq!(
            changes,
            PackageChanges {
                changed: vec![
                    changed("coder", &["2.24.1"], &["2.25.0"]),
                    changed("plain", &[], &["2"]),
                    changed("python3", &["3.9.1", "3.10.2"], &["3.10.2"]),
                ],
                added: vec![one("new", &["1.9", "1.10"])],
                removed: vec![one("gone", &["1"])],
            }
        );
        assert!(old.changes(&old).is_empty() && !changes.is_empty());
        assert!(old.have("zlib-9") && !old.have("new-1.9"));
    }
}
