//! Which files there are: git's answer, or a walk where there is no git.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use crate::{SourceError, folder::Folder, never_source::is_of_version_control, pattern::Patterns};

/// A path that git or the walk named, relative to the top of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The path.
    pub path: PathBuf,
    /// Whether git tracks it. Outside a repository nothing is tracked.
    pub tracked: bool,
}

/// Reads the answers of `git ls-files -z --cached` and of `git ls-files -z --others
/// --exclude-standard`.
///
/// A nested repository is listed as a folder with a slash at its end, and left out: it
/// is a tree of its own.
#[must_use]
pub fn from_git(cached: &[u8], others: &[u8]) -> Vec<Listed> {
    let paths = |answer: &[u8], tracked: bool| {
        answer
            .split(|&byte| byte == 0)
            .filter(|path| !path.is_empty() && !path.ends_with(b"/"))
            .map(|path| Listed {
                path: PathBuf::from(OsStr::from_bytes(path)),
                tracked,
            })
            .collect::<Vec<_>>()
    };
    let mut listed = paths(cached, true);
    listed.extend(paths(others, false));
    listed
}

/// Lists a tree that is no repository, with the `.gitignore` files in it applied as git
/// would: regular files and symlinks, without what version control systems keep.
///
/// All that could make the answer depend on the machine (global ignore files, the
/// folders above) is left aside.
///
/// # Errors
/// When a folder or a `.gitignore` cannot be read.
pub fn from_walk(top: &Path) -> Result<Vec<Listed>, SourceError> {
    Walk::through(top, false)
}

/// Lists a tree of which each file is source, as git would have listed it where it was tracked.
///
/// # Errors
/// When a folder cannot be read.
pub fn all(top: &Path) -> Result<Vec<Listed>, SourceError> {
    Walk::through(top, true)
}

/// A walk through a tree.
struct Walk<'t> {
    folder: Folder<'t>,
    /// Whether each file counts as tracked, so that none is ignored.
    tracked: bool,
    /// The patterns of the folders from the top to the one that is looked at, each with its
    /// length as the beginning of a path.
    ignores: Vec<(usize, Patterns)>,
    listed: Vec<Listed>,
}

impl Walk<'_> {
    fn through(top: &Path, tracked: bool) -> Result<Vec<Listed>, SourceError> {
        let mut walk = Walk {
            folder: Folder::open(top)?,
            tracked,
            ignores: Vec::new(),
            listed: Vec::new(),
        };
        walk.folder_at(Path::new(""))?;
        Ok(walk.listed)
    }

    fn folder_at(&mut self, folder: &Path) -> Result<(), SourceError> {
        let whole = self.folder.top().join(folder);
        let unreadable = |source| SourceError::Read {
            action: "list",
            path: whole.clone(),
            source,
        };
        let ignore = folder.join(".gitignore");
        let own = match self.tracked {
            true => None,
            false => self.folder.read_if_file(&ignore)?,
        };
        let depth = self.ignores.len();
        if let Some(content) = own {
            let base = ignore.as_os_str().len() - ".gitignore".len();
            self.ignores.push((base, Patterns::of_file(&content)));
        }
        for entry in fs::read_dir(&whole).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (name, kind) = (entry.file_name(), entry.file_type().map_err(unreadable)?);
            let path = folder.join(&name);
            if is_of_version_control(&name) || self.ignores(&path, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                self.folder_at(&path)?;
            } else if kind.is_file() || kind.is_symlink() {
                self.listed.push(Listed {
                    path,
                    tracked: self.tracked,
                });
            }
        }
        self.ignores.truncate(depth);
        Ok(())
    }

    /// Whether `path` is ignored. The folders above it are not.
    fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let path = path.as_os_str().as_bytes();
        let mut deepest_first = self.ignores.iter().rev();
        deepest_first
            .find_map(|(base, patterns)| patterns.last_match(&path[*base..], is_folder))
            .is_some_and(|pattern| !pattern.is_negative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_answer_is_read() {
        let listed = from_git(b"a\0b c/d\n\0\xff\0", b"new\0nested/\0");
        let expected: Vec<(&[u8], bool)> = vec![
            (b"a", true),
            (b"b c/d\n", true),
            (b"\xff", true),
            (b"new", false),
        ];
        let found: Vec<(&[u8], bool)> = listed
            .iter()
            .map(|listed| (listed.path.as_os_str().as_bytes(), listed.tracked))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(from_git(b"", b""), []);
    }

    #[test]
    fn a_walk_applies_the_trees_own_ignore_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(".gitignore", "/out/\n*.iso\n");
        write("a.nix", "");
        write(".hidden", "");
        write("sub/x.iso", "");
        write("sub/y", "");
        write("out/z", "");
        write(".git/config", "");
        let mut found: Vec<String> = from_walk(folder.path())
            .unwrap()
            .into_iter()
            .map(|listed| listed.path.display().to_string())
            .collect();
        found.sort();
        assert_eq!(found, [".gitignore", ".hidden", "a.nix", "sub/y"]);
        let all = all(folder.path()).unwrap();
        assert!(all.iter().all(|listed| listed.tracked));
        assert!(all.iter().any(|listed| listed.path == Path::new("out/z")));
        assert_eq!(all.len(), 6);
    }
}
