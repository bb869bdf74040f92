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
    /// Whether `git add --intent-to-add` is all that git knows of it: the index has the name
    /// and not the content.
    pub intended: bool,
}

impl Repository {
    /// The tracked paths with changes that are not committed. Of a file that was renamed
    /// both names are given.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn changes(&self, interrupt: &Interrupt) -> Result<Vec<Change>, NixError> {
        let command = self.git([
            "status",
            "--porcelain=v2",
            "-z",
            "--no-renames",
            "--untracked-files=no",
        ]);
        Ok(parse(&command.run(interrupt).await?.stdout))
    }
}

/// Reads `git status --porcelain=v2 -z` without renames (git-status(1), "Porcelain Format
/// Version 2" and "Pathname Format Notes and -z"). Entries of kinds to come are passed by.
fn parse(answer: &[u8]) -> Vec<Change> {
    let entries = answer.split(|&byte| byte == 0);
    let changes = entries.filter_map(|entry| {
        // How many fields stand before the path, in which spaces mean nothing.
        let before = match entry.first()? {
            b'1' => 8,
            b'u' => 10,
            _ => return None,
        };
        let fields: Vec<&[u8]> = entry.splitn(before + 1, |&byte| byte == b' ').collect();
        Some(Change {
            path: Path::new(OsStr::from_bytes(fields.get(before)?)).to_owned(),
            submodule: fields[2].starts_with(b"S"),
            intended: fields[1] == b".A",
        })
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_status_is_read() {
        let answer = b"# branch.oid abc\0\
            1 .M N... 100644 100644 100644 aaa bbb a file\0\
            1 A. N... 000000 100644 100644 000 bbb new\nline\0\
            1 .A N... 000000 000000 100644 000 000 intended\0\
            u UU N... 100644 100644 100644 100644 aaa bbb ccc both\xff\0\
            1 .M S.M. 160000 160000 160000 aaa bbb sub\0\
            ? untracked\0! ignored\x001 short\0";
        let expected: [(&[u8], bool, bool); 5] = [
            (b"a file", false, false),
            (b"new\nline", false, false),
            (b"intended", false, true),
            (b"both\xff", false, false),
            (b"sub", true, false),
        ];
        let changes = parse(answer);
        let found: Vec<(&[u8], bool, bool)> = changes
            .iter()
            .map(|change| {
                let path = change.path.as_os_str().as_bytes();
                (path, change.submodule, change.intended)
            })
            .collect();
        assert_eq!(found, expected);
        assert_eq!(parse(b""), []);
    }
}
