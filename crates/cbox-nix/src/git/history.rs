//! The history of one file: at which commits it became another, and what it said.
//!
//! A fixed number of processes, however long the history is.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::Path,
};

use super::Repository;
use crate::{Interrupt, NixError};

/// A commit at which a file is not what it was at one of its parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The full name of the commit.
    pub commit: String,
    /// Whether the commit has no parent here: the first one, or where a shallow clone ends.
    pub is_root: bool,
    /// The blob of the file at the parent; `None` where there was none.
    pub before: Option<String>,
    /// The blob of the file at the commit; `None` where there is none.
    pub after: Option<String>,
}

impl Repository {
    /// The commits up to `commit` (a full name) at which the file at `path`, which is relative
    /// to the top, is not what it was, newest first. A merge is among them once for each parent
    /// that has another file.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn file_history(
        &self,
        path: &Path,
        commit: &str,
        interrupt: &Interrupt,
    ) -> Result<Vec<FileChange>, NixError> {
        // Everything that a configuration could change in the answer.
        let arguments = [
            "--literal-pathspecs",
            "-c",
            "log.follow=false",
            "-c",
            "log.showRoot=true",
            "-c",
            "log.showSignature=false",
            "log",
            "--full-history",
            "--diff-merges=separate",
            "--date-order",
            "--raw",
            "--no-abbrev",
            "--no-color",
            "--no-notes",
            "--no-relative",
            "--no-renames",
            "--format=%H %P",
            "--end-of-options",
            commit,
            "--",
        ];
        let arguments = arguments.map(OsStr::new).into_iter();
        let command = self.git(arguments.chain([path.as_os_str()]));
        Ok(parse(&command.run(interrupt).await?.stdout))
    }

    /// The contents of `blobs`. Those that a partial clone lacks are fetched all at once.
    ///
    /// # Errors
    /// When git is missing or refuses, or one of them is not to be had.
    pub async fn contents(
        &self,
        blobs: &BTreeSet<String>,
        interrupt: &Interrupt,
    ) -> Result<BTreeMap<String, Vec<u8>>, NixError> {
        if blobs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let list: String = blobs.iter().map(|blob| format!("{blob}\n")).collect();
        // `cat-file` would fetch one after the other. This fetches what it packs in one go, and
        // where nothing is missing it only reads.
        let pack = self.git(["pack-objects", "--quiet", "--window=0", "--stdout"]);
        pack.reading(list.as_str()).run(interrupt).await?;
        let read = self.git(["cat-file", "--batch"]).reading(list);
        let answer = read.run(interrupt).await?;
        parse_contents(&answer.stdout).ok_or_else(|| NixError::Answer {
            command: read.to_shell(),
            reason: "not every file of the history is among it".to_owned(),
        })
    }
}

/// Reads `git log --raw --format='%H %P'` (git-diff(1), "Raw output format").
fn parse(answer: &[u8]) -> Vec<FileChange> {
    let mut changes = Vec::new();
    let (mut commit, mut is_root) = (String::new(), false);
    for line in String::from_utf8_lossy(answer).lines() {
        match line.strip_prefix(':') {
            Some(change) => {
                let mut blobs = change.split([' ', '\t']).skip(2).take(2).map(|blob| {
                    let missing = blob.bytes().all(|digit| digit == b'0');
                    (!missing).then(|| blob.to_owned())
                });
                changes.push(FileChange {
                    commit: commit.clone(),
                    is_root,
                    before: blobs.next().flatten(),
                    after: blobs.next().flatten(),
                });
            }
            None if line.is_empty() => {}
            None => {
                let mut names = line.split_whitespace().map(str::to_owned);
                commit = names.next().unwrap_or_default();
                is_root = names.next().is_none();
            }
        }
    }
    changes
}

/// Reads `git cat-file --batch` (git-cat-file(1), "Batch output"); `None` where an object is
/// not there.
fn parse_contents(mut answer: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    while !answer.is_empty() {
        let end = answer.iter().position(|&byte| byte == b'\n')?;
        let (head, rest) = (str::from_utf8(&answer[..end]).ok()?, &answer[end + 1..]);
        let mut words = head.split(' ');
        let blob = words.next()?;
        let size: usize = words.nth(1)?.parse().ok()?;
        contents.insert(blob.to_owned(), rest.get(..size)?.to_vec());
        answer = rest.get(size + 1..)?;
    }
    Some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read() {
        let zero = "0".repeat(40);
        let answer = format!(
            "c3 c2 c1\n\n:100644 100644 b1 b3 M\tbaseline.json\n\
             c3 c2 c1\n\n:100644 100644 b2 b3 M\tbaseline.json\n\
             c2 c1\n\n:100644 000000 b1 {zero} D\tbaseline.json\n\
             c1 \n\n:000000 100644 {zero} b1 A\tbaseline.json\n"
        );
        let told = |change: &FileChange| {
            let blob = |blob: &Option<String>| blob.clone().unwrap_or_default();
            let root = if change.is_root { " (root)" } else { "" };
            let (before, after) = (blob(&change.before), blob(&change.after));
            format!("{}{root}: {before} -> {after}", change.commit)
        };
        let found: Vec<String> = parse(answer.as_bytes()).iter().map(told).collect();
        assert_eq!(
            found,
            [
                "c3: b1 -> b3",
                "c3: b2 -> b3",
                "c2: b1 -> ",
                "c1 (root):  -> b1"
            ]
        );
        assert_eq!(parse(b""), []);
    }

    #[test]
    fn contents_are_read() {
        let found = parse_contents(b"b1 blob 3\na\nb\nb2 blob 0\n\n").unwrap();
        assert_eq!(found["b1"], b"a\nb");
        assert_eq!(found["b2"], b"");
        for bad in [
            &b"b1 missing\n"[..],
            b"b1 blob 9\nab\n",
            b"b1 blob 2\nab",
            b"x",
        ] {
            assert_eq!(parse_contents(bad), None);
        }
    }
}
