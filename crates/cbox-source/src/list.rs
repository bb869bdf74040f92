//! Which files there are: git's answer, or a walk where there is no git.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;

use crate::SourceError;

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

/// Lists a tree that is no repository, with the `.gitignore` files in it applied.
///
/// All that could make the answer depend on the machine (global ignore files, the
/// folders above) is off.
///
/// # Errors
/// When a folder cannot be read.
pub fn from_walk(top: &Path) -> Result<Vec<Listed>, SourceError> {
    let walk = WalkBuilder::new(top)
        .hidden(false)
        .ignore(false)
        .parents(false)
        .git_ignore(true)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .follow_links(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut listed = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| SourceError::Read {
            action: "list",
            path: top.to_owned(),
            source: std::io::Error::other(error),
        })?;
        let folder = entry.file_type().is_none_or(|kind| kind.is_dir());
        if let Ok(path) = entry.path().strip_prefix(top)
            && !folder
        {
            listed.push(Listed {
                path: path.to_owned(),
                tracked: false,
            });
        }
    }
    Ok(listed)
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
    }
}
