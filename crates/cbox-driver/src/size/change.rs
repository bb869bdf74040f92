//! What came, went, grew and shrank between two closures, by package.

use std::collections::HashMap;

use serde::Serialize;

use super::packages::Package;

/// What became of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It was not there before.
    Came,
    /// It is no longer there.
    Went,
    /// It is larger.
    Grew,
    /// It is smaller.
    Shrank,
}

impl Fate {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Came => "came",
            Self::Went => "went",
            Self::Grew => "grew",
            Self::Shrank => "shrank",
        }
    }
}

/// A package whose size is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
    /// Its size before, in bytes; 0 where it was not there.
    #[serde(rename = "oldSize")]
    pub old: u64,
    /// Its size now.
    #[serde(rename = "newSize")]
    pub new: u64,
    /// Its versions before.
    pub old_versions: Vec<String>,
    /// Its versions now.
    pub new_versions: Vec<String>,
    /// The shortest way to it now, or before where it went.
    pub way: Vec<String>,
}

impl Change {
    /// How many bytes there are more or less.
    #[must_use]
    pub fn amount(&self) -> u64 {
        self.old.abs_diff(self.new)
    }
}

/// The packages that differ in size, the largest change first.
#[must_use]
pub fn compare(old: &[Package], new: &[Package]) -> Vec<Change> {
    let before: HashMap<&str, &Package> = by_name(old);
    let now: HashMap<&str, &Package> = by_name(new);
    let mut changes = Vec::new();
    for package in new {
        let old = before.get(&*package.name).copied();
        changes.extend(change(old, Some(package)));
    }
    for package in old.iter().filter(|one| !now.contains_key(&*one.name)) {
        changes.extend(change(Some(package), None));
    }
    changes.sort_by(|one, other| (other.amount(), &one.name).cmp(&(one.amount(), &other.name)));
    changes
}

fn by_name(packages: &[Package]) -> HashMap<&str, &Package> {
    packages
        .iter()
        .map(|package| (&*package.name, package))
        .collect()
}

fn change(old: Option<&Package>, new: Option<&Package>) -> Option<Change> {
    let size = |package: Option<&Package>| package.map_or(0, |package| package.size);
    let versions = |package: Option<&Package>| {
        package.map_or_else(Vec::new, |package| package.versions.clone())
    };
    let fate = match (old, new) {
        (None, _) => Fate::Came,
        (_, None) => Fate::Went,
        (Some(old), Some(new)) if new.size > old.size => Fate::Grew,
        (Some(old), Some(new)) if new.size < old.size => Fate::Shrank,
        _ => return None,
    };
    let package = new.or(old)?;
    Some(Change {
        name: package.name.clone(),
        fate,
        old: size(old),
        new: size(new),
        old_versions: versions(old),
        new_versions: versions(new),
        way: package.way.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::packages::{fold, tests::closure},
        *,
    };

    #[test]
    fn the_largest_change_comes_first() {
        let old = fold(&closure(&[
            ("system", 1, &["a-1", "b-1", "c-1", "d-1", "e-1"]),
            ("a-1", 100, &[]),
            ("b-1", 100, &[]),
            ("c-1", 500, &[]),
            ("d-1", 7, &[]),
            ("e-1", 9, &[]),
        ]));
        let new = fold(&closure(&[
            ("system", 1, &["a-2", "b-2", "d-2", "e-1", "f-1"]),
            ("a-2", 150, &[]),
            ("b-2", 40, &[]),
            ("d-2", 7, &[]),
            ("e-1", 9, &[]),
            ("f-1", 1000, &[]),
        ]));
        let changes: Vec<_> = compare(&old, &new)
            .into_iter()
            .map(|change| (change.name.clone(), change.fate, change.amount()))
            .collect();
        assert_eq!(
            changes,
            [
                ("f".to_owned(), Fate::Came, 1000),
                ("c".to_owned(), Fate::Went, 500),
                ("b".to_owned(), Fate::Shrank, 60),
                ("a".to_owned(), Fate::Grew, 50),
            ]
        );
        assert_eq!(compare(&new, &new), []);
    }
}
