//! The tree that is staged: the listed files less those that the rules leave out,
//! each looked at once.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::{SourceError, list::Listed, pattern::Above, rules::Rules};

/// What a staged entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File {
        /// Whether its owner may run it, which is all that git and Nix keep of a mode.
        executable: bool,
        /// Its size in bytes.
        size: u64,
    },
    /// A symlink, staged as one.
    Symlink,
}

impl Kind {
    /// A regular file that `metadata` are of.
    #[must_use]
    pub fn of_file(metadata: &Metadata) -> Self {
        Self::File {
            executable: metadata.permissions().mode() & 0o100 != 0,
            size: metadata.len(),
        }
    }
}

/// A staged entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the top.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Whether git tracks it.
    pub tracked: bool,
    /// When anything of it last changed, in nanoseconds, as its file system has it.
    pub changed_at: i64,
}

impl Entry {
    /// Its size in bytes; a symlink has none.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => size,
            Kind::Symlink => 0,
        }
    }
}

/// The files to stage, in the order of a NAR: sorted component by component.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The top of the working tree.
    pub top: PathBuf,
    /// The files.
    pub entries: Vec<Entry>,
}

impl Tree {
    /// Looks at the listed files below `top` and takes those that the rules leave in,
    /// local settings never. With `tracked_only` it is the tree that somebody else's
    /// clone would have.
    ///
    /// A listed file that is gone was deleted, on purpose; a listed folder is a
    /// submodule or was a file once. Both are passed by, as git does.
    ///
    /// # Errors
    /// When a file cannot be looked at, or is neither a file nor a symlink.
    pub fn select(
        top: &Path,
        listed: Vec<Listed>,
        rules: &Rules,
        tracked_only: bool,
    ) -> Result<Self, SourceError> {
        let mut look = Look::below(top);
        // A map, for the order, and because a merge conflict lists a file repeatedly.
        let mut found = BTreeMap::new();
        let mut above = Above::default();
        for Listed { path, tracked } in listed {
            if (tracked || !tracked_only)
                && rules.leave_out(&path, tracked, &mut above).is_none()
                && let Some(metadata) = look.at(&path)?
                && (tracked || !rules.is_output(&metadata))
                && let Some(kind) = look.kind(&path, &metadata)?
            {
                found.insert(path, (kind, tracked, changed_at(&metadata)));
            }
        }
        let entries = found
            .into_iter()
            .map(|(path, (kind, tracked, changed_at))| Entry {
                path,
                kind,
                tracked,
                changed_at,
            })
            .collect();
        Ok(Self {
            top: top.to_owned(),
            entries,
        })
    }

    /// The local settings of `host` that are there. Git may ignore them: they are looked
    /// for by name.
    ///
    /// # Errors
    /// As [`Tree::select`].
    pub fn local_settings(&self, rules: &Rules, host: &str) -> Result<Vec<Entry>, SourceError> {
        let mut look = Look::below(&self.top);
        let mut found = Vec::new();
        for path in rules.local_of(host) {
            if let Some(metadata) = look.at(&path)?
                && let Some(kind) = look.kind(&path, &metadata)?
            {
                found.push(Entry {
                    path,
                    kind,
                    tracked: false,
                    changed_at: changed_at(&metadata),
                });
            }
        }
        Ok(found)
    }

    /// This tree and some local settings.
    #[must_use]
    pub fn with(&self, local: &[Entry]) -> Self {
        let mut entries = self.entries.clone();
        entries.extend_from_slice(local);
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        Self {
            top: self.top.clone(),
            entries,
        }
    }

    /// The sum of the files' sizes in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entries.iter().map(Entry::size).sum()
    }

    /// Whether there is an entry at `path`.
    #[must_use]
    pub fn contains(&self, path: &Path) -> bool {
        self.position(path).is_some()
    }

    /// Which of the entries is the one at `path`.
    #[must_use]
    pub fn position(&self, path: &Path) -> Option<usize> {
        self.entries
            .binary_search_by(|entry| entry.path.as_path().cmp(path))
            .ok()
    }
}

fn changed_at(metadata: &Metadata) -> i64 {
    let nanoseconds = metadata.ctime().wrapping_mul(1_000_000_000);
    nanoseconds.wrapping_add(metadata.ctime_nsec())
}

/// Looks at files without following a symlink, not even above them.
struct Look<'a> {
    top: &'a Path,
    /// The folders seen, and whether each is a real one.
    folders: HashMap<PathBuf, bool>,
}

impl<'a> Look<'a> {
    fn below(top: &'a Path) -> Self {
        Self {
            top,
            folders: HashMap::new(),
        }
    }

    /// What is at `path`; `None` where nothing is, or where the way there leads through a
    /// symlink: git takes a file behind one for deleted.
    fn at(&mut self, path: &Path) -> Result<Option<Metadata>, SourceError> {
        match path.parent() {
            Some(parent) if !self.is_real_folder(parent)? => Ok(None),
            _ => self.metadata(path),
        }
    }

    /// As what the file at `path` is staged; `None` for a folder.
    fn kind(&self, path: &Path, metadata: &Metadata) -> Result<Option<Kind>, SourceError> {
        let kind = metadata.file_type();
        if kind.is_file() {
            Ok(Some(Kind::of_file(metadata)))
        } else if kind.is_symlink() {
            Ok(Some(Kind::Symlink))
        } else if kind.is_dir() {
            Ok(None)
        } else {
            Err(SourceError::Special(self.top.join(path)))
        }
    }

    fn is_real_folder(&mut self, folder: &Path) -> Result<bool, SourceError> {
        if folder.as_os_str().is_empty() {
            return Ok(true);
        }
        if let Some(&known) = self.folders.get(folder) {
            return Ok(known);
        }
        let above = match folder.parent() {
            Some(parent) => self.is_real_folder(parent)?,
            None => true,
        };
        let real = above
            && self
                .metadata(folder)?
                .is_some_and(|metadata| metadata.is_dir());
        self.folders.insert(folder.to_owned(), real);
        Ok(real)
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>, SourceError> {
        let path = self.top.join(path);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(source) => Err(SourceError::Read {
                action: "look at",
                path,
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{FileId, Made};
    use std::os::unix::fs::symlink;

    fn listed(paths: &[&str]) -> Vec<Listed> {
        let entry = |path: &&str| Listed {
            path: PathBuf::from(path),
            tracked: !path.starts_with("new"),
        };
        paths.iter().map(entry).collect()
    }

    fn rules() -> Rules {
        Rules::new(
            Path::new(""),
            &["/docs/".into()],
            &["hosts/{host}/local.nix".into()],
            Made::default(),
        )
        .unwrap()
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        folder
    }

    fn paths(tree: &Tree) -> Vec<String> {
        tree.entries
            .iter()
            .map(|entry| entry.path.display().to_string())
            .collect()
    }

    #[test]
    fn what_is_not_a_file_of_the_tree_is_passed_by() {
        let folder = folder(&[
            "a/x",
            "a-b",
            "docs/x",
            "hosts/h/local.nix",
            "new",
            "real/file",
        ]);
        symlink("real", folder.path().join("behind")).unwrap();
        symlink("nowhere", folder.path().join("link")).unwrap();
        let all = [
            "a-b",
            "a/x",
            "a/x",
            "deleted",
            "real",
            "docs/x",
            "hosts/h/local.nix",
            "new",
            "behind/file",
            "link",
        ];
        let tree = Tree::select(folder.path(), listed(&all), &rules(), false).unwrap();
        assert_eq!(
            paths(&tree),
            ["a/x", "a-b", "link", "new"],
            "in the order of a NAR"
        );
        assert_eq!(tree.size(), 12);
        let tracked = Tree::select(folder.path(), listed(&all), &rules(), true).unwrap();
        assert_eq!(paths(&tracked), ["a/x", "a-b", "link"]);
        assert!(tracked.contains(Path::new("a/x")) && !tracked.contains(Path::new("a")));
    }

    #[test]
    fn local_settings_are_found_by_name() {
        let folder = folder(&[
            "hosts/h/local.nix",
            "hosts/h/default.nix",
            "hosts/i/default.nix",
        ]);
        let tree = Tree::select(
            folder.path(),
            listed(&["hosts/h/default.nix"]),
            &rules(),
            false,
        )
        .unwrap();
        let local = tree.local_settings(&rules(), "h").unwrap();
        assert_eq!(
            paths(&tree.with(&local)),
            ["hosts/h/default.nix", "hosts/h/local.nix"]
        );
        assert!(tree.local_settings(&rules(), "i").unwrap().is_empty());
    }

    #[test]
    fn the_file_that_the_output_goes_to_is_left_out() {
        let folder = folder(&["a", "log", "logs/log"]);
        fs::hard_link(folder.path().join("log"), folder.path().join("other name")).unwrap();
        let made = Made {
            outputs: vec![FileId::of(
                &fs::metadata(folder.path().join("log")).unwrap(),
            )],
            ..Made::default()
        };
        let rules = Rules::new(Path::new(""), &[], &[], made).unwrap();
        let all = |tracked| {
            let mut all = listed(&["a", "log", "logs/log", "other name"]);
            all.iter_mut().for_each(|listed| listed.tracked = tracked);
            all
        };
        let tree = Tree::select(folder.path(), all(false), &rules, false).unwrap();
        assert_eq!(paths(&tree), ["a", "logs/log"]);
        let tree = Tree::select(folder.path(), all(true), &rules, false).unwrap();
        assert_eq!(tree.entries.len(), 4, "tracked, they are source");
    }

    #[test]
    fn a_socket_cannot_be_staged() {
        let folder = folder(&[]);
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        let error = Tree::select(folder.path(), listed(&["socket"]), &rules(), false).unwrap_err();
        assert!(matches!(error, SourceError::Special(path) if path.ends_with("socket")));
    }
}
