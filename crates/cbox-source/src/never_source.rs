//! What is no source, whatever the tree's own ignore files say: folders of version control
//! systems, caches, and the files that editors keep beside the one that is edited.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path},
    sync::LazyLock,
};

use crate::pattern::Patterns;

/// The folders in which version control systems keep what they know: Git, Mercurial,
/// Subversion, Jujutsu, Sapling, Pijul, Darcs, Breezy and Fossil. (In a worktree or a
/// submodule it can be a file.) They are never source, not even where git tracks them; so
/// CVS, whose folders are called as a person might call one, is not among them.
const VERSION_CONTROL: [&str; 10] = [
    ".git",
    ".hg",
    ".svn",
    ".jj",
    ".sl",
    ".pijul",
    "_darcs",
    ".bzr",
    ".fslckout",
    "_FOSSIL_",
];

/// The caches of cbox and Nix, where nothing moves them: below a home folder, and where there
/// is none, below the folder that a run was started in.
const CACHES: [[&str; 2]; 2] = [[".cache", "cbox"], [".cache", "nix"]];

/// The names of files that no person wrote, as patterns of git's. They come and go while
/// somebody edits, several are symlinks to nowhere, and a flake that reads all `*.nix` of a
/// folder would import them. Each is one that its program alone uses; a name that a person
/// would give (`a.bck`, `a.tmp`, `a.orig`) is not among them.
const EDITORS: [&str; 15] = [
    // Emacs: the lock, and what it saves by itself.
    ".#*",
    "\\#*#",
    // Backups of Emacs, Vim, Kate, gedit and nano, and Vim's undo files.
    "*~",
    // Vim: swap files with a name and without, and the file by which it tries whether it can
    // write. nano's locks are named like the former.
    ".*.sw[a-p]",
    ".sw[a-p]",
    "4913",
    // Kate and KWrite.
    ".*.kate-swp",
    // Kakoune, while it writes.
    ".*.kak.??????",
    // gedit, GNOME Text Editor and all else that writes with GLib.
    ".goutputstream-??????",
    // JetBrains' editors, while they write.
    "*___jb_tmp___",
    "*___jb_old___",
    // LibreOffice, Microsoft Office.
    ".~lock.*#",
    "~$*",
    // A file that was removed while a program has it open, on NFS and FUSE.
    ".nfs[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*",
    ".fuse_hidden*",
];

static EDITORS_PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let mut patterns = Patterns::default();
    for pattern in EDITORS {
        patterns.add(pattern.as_bytes());
    }
    patterns
});

/// Whether a folder or file of this name belongs to a version control system.
#[must_use]
pub fn is_of_version_control(name: &OsStr) -> bool {
    VERSION_CONTROL.iter().any(|known| name == *known)
}

/// The part of `path` that belongs to a version control system.
#[must_use]
pub fn version_control(path: &Path) -> Option<&'static str> {
    // Nearly all paths are told by their first characters, without a look at each part.
    let bytes = path.as_os_str().as_bytes();
    let may_be = bytes.starts_with(b".")
        || bytes.starts_with(b"_")
        || memchr::memmem::find(bytes, b"/.").is_some()
        || memchr::memmem::find(bytes, b"/_").is_some();
    if !may_be {
        return None;
    }
    path.components().find_map(|part| match part {
        Component::Normal(name) => VERSION_CONTROL.into_iter().find(|known| name == *known),
        _ => None,
    })
}

/// Whether `path` is in a cache of cbox's or Nix's, as its folders are called.
pub(crate) fn is_in_a_cache(path: &Path) -> bool {
    let parts: Vec<&OsStr> = path.iter().collect();
    let mut pairs = parts.windows(2);
    pairs.any(|pair| CACHES.iter().any(|cache| pair == cache.map(OsStr::new)))
}

/// The pattern by which the file at `path` is one that an editor made.
pub(crate) fn editors_pattern(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.as_bytes();
    let found = EDITORS_PATTERNS.last_match(name, false)?.line();
    EDITORS.into_iter().find(|pattern| *pattern == found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_version_control_systems_keep_is_told_by_its_folder() {
        for (path, of) in [
            (".jj/repo/store", Some(".jj")),
            ("vendor/x/.svn/entries", Some(".svn")),
            ("sub/.git", Some(".git")),
            ("a/_darcs/x", Some("_darcs")),
            ("_darcs", Some("_darcs")),
            (".gitignore", None),
            (".github/x", None),
            ("a/.hgignore", None),
            ("a/x.hg", None),
            ("a_darcs/x", None),
        ] {
            assert_eq!(version_control(Path::new(path)), of, "{path}");
        }
        assert!(is_of_version_control(OsStr::new(".sl")));
        assert!(!is_of_version_control(OsStr::new("sl")));
    }

    #[test]
    fn caches_are_told_by_two_names() {
        for (path, is) in [
            (".cache/nix/a", true),
            ("hosts/.cache/cbox/x/y", true),
            (".cache/other/nix", false),
            ("cache/nix", false),
        ] {
            assert_eq!(is_in_a_cache(Path::new(path)), is, "{path}");
        }
    }

    #[test]
    fn editors_files_are_told_by_their_names() {
        for (path, pattern) in [
            ("modules/.#a.nix", Some(".#*")),
            ("#a.nix#", Some("\\#*#")),
            ("a.nix~", Some("*~")),
            (".a.nix.swp", Some(".*.sw[a-p]")),
            ("x/.a.nix.swo", Some(".*.sw[a-p]")),
            (".swp", Some(".sw[a-p]")),
            ("4913", Some("4913")),
            (".a.nix.kate-swp", Some(".*.kate-swp")),
            (".a.nix.kak.Ab1xYz", Some(".*.kak.??????")),
            (".goutputstream-7AQ2H1", Some(".goutputstream-??????")),
            ("a.nix___jb_tmp___", Some("*___jb_tmp___")),
            (".~lock.a.odt#", Some(".~lock.*#")),
            (".nfs000000000012abcd00000001", Some(EDITORS[13])),
            ("a.swp", None),
            (".a.nix.swz", None),
            (".a.svg", None),
            ("4913.nix", None),
            ("#a.nix", None),
            (".nfsrc", None),
            ("a.nix", None),
        ] {
            assert_eq!(editors_pattern(Path::new(path)), pattern, "{path}");
        }
    }
}
