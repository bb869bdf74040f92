//! What is not committed.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::Repository;
use crate::{Interrupt, NixError};

/// A tracked path that differs from the commit, in the index or in the working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path, relative to the top.
    pub path: PathBuf,
    /// Whether it is a submodule: another commit of it, or changes inside.
    pub submodule: bool,
}

impl Repository {
    /// The tracked paths with changes that are not committed. Of a file that was renamed
    /// both names are given.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn changes(&self, interrupt: &Interrupt) -> Result<Vec<Change>, NixError> {
        let command = self.git(["status", "--porcelain=v2", "-z", "--untracked-files=no"]);
        Ok(parse(&command.run(interrupt).await?.stdout))
    }
}

/// Reads `git status --porcelain=v2 -z` (git-status(1), "Porcelain Format Version 2" and
/// "Pathname Format Notes and -z"). Entries of kinds to come are passed by.
fn parse(answer: &[u8]) -> Vec<Change> {
    let path = |bytes: &[u8]| Path::new(OsStr::from_bytes(bytes)).to_owned();
    let mut entries = answer.split(|&byte| byte == 0);
    let mut changes = Vec::new();
    while let Some(entry) = entries.next() {
        // How many fields stand before the path, in which spaces mean nothing.
        let before = match entry.first() {
            Some(b'1') => 8,
            Some(b'2') => 9,
            Some(b'u') => 10,
            _ => continue,
        };
        let fields: Vec<&[u8]> = entry.splitn(before + 1, |&byte| byte == b' ').collect();
        let (Some(state), Some(name)) = (fields.get(2), fields.get(before)) else {
            continue;
        };
        let submodule = state.starts_with(b"S");
        changes.push(Change {
            path: path(name),
            submodule,
        });
        // The name before follows; a copy leaves the file of that name as it is.
        if entry.first() == Some(&b'2')
            && let Some(old) = entries.next()
            && fields.get(8).is_some_and(|score| score.starts_with(b"R"))
        {
            changes.push(Change {
                path: path(old),
                submodule,
            });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_status_is_read() {
        let answer = b"# branch.oid abc\0\
            1 .M N... 100644 100644 100644 aaa bbb a file\0\
            1 A. N... 000000 100644 100644 000 bbb new\nline\0\
            2 R. N... 100644 100644 100644 aaa bbb R100 to here\0from there\0\
            2 C. N... 100644 100644 100644 aaa bbb C75 copy\x001 original\0\
            u UU N... 100644 100644 100644 100644 aaa bbb ccc both\xff\0\
            1 .M S.M. 160000 160000 160000 aaa bbb sub\0\
            ? untracked\0! ignored\x001 short\0";
        let expected: [(&[u8], bool); 7] = [
            (b"a file", false),
            (b"new\nline", false),
            (b"to here", false),
            (b"from there", false),
            (b"copy", false),
            (b"both\xff", false),
            (b"sub", true),
        ];
        let changes = parse(answer);
        let found: Vec<(&[u8], bool)> = changes
            .iter()
            .map(|change| (change.path.as_os_str().as_bytes(), change.submodule))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(parse(b""), []);
    }
}
