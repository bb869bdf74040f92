//! Other commits: what a name stands for, where two histories part, and what a commit
//! looks like when it is checked out.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::Repository;
use crate::{Interrupt, NixError};

/// What a user may have configured that would reach into the repository, or leave files
/// out, when a commit is laid out elsewhere.
const ELSEWHERE: &[&str] = &[
    // An index of which a part would be written beside the repository's own.
    "core.splitIndex=false",
    "index.sparse=false",
    "core.sparseCheckout=false",
    // They know the repository's own working tree.
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "submodule.recurse=false",
    // post-index-change runs for every index.
    "core.hooksPath=/dev/null",
];

impl Repository {
    /// The full name of the commit that `revision` stands for.
    ///
    /// # Errors
    /// [`NixError::Revision`] when it stands for none, and when git is missing or refuses.
    pub async fn resolve(&self, revision: &str, interrupt: &Interrupt) -> Result<String, NixError> {
        let commit = format!("{revision}^{{commit}}");
        let command = self.git([
            "rev-parse",
            "--verify",
            "--quiet",
            // What follows is no option, whatever it begins with.
            "--end-of-options",
            &commit,
        ]);
        let answer = command.ask(interrupt).await?;
        // `^main` is a revision to git, with a caret before its answer.
        match answer.and_then(|answer| object_name(&answer.stdout)) {
            Some(commit) => Ok(commit),
            None => Err(NixError::Revision {
                revision: revision.to_owned(),
                shallow: self.is_shallow(interrupt).await?,
            }),
        }
    }

    /// The full name of the best commit that both `one` and `other` come from.
    ///
    /// # Errors
    /// [`NixError::Revision`] when one of them stands for no commit,
    /// [`NixError::MergeBase`] when they have none in common, and when git is missing or
    /// refuses.
    pub async fn merge_base(
        &self,
        one: &str,
        other: &str,
        interrupt: &Interrupt,
    ) -> Result<String, NixError> {
        let commits = (
            self.resolve(one, interrupt).await?,
            self.resolve(other, interrupt).await?,
        );
        let command = self.git(["merge-base", &commits.0, &commits.1]);
        let answer = command.ask(interrupt).await?;
        match answer.and_then(|answer| object_name(&answer.stdout)) {
            Some(commit) => Ok(commit),
            None => Err(NixError::MergeBase {
                one: one.to_owned(),
                other: other.to_owned(),
                shallow: self.is_shallow(interrupt).await?,
            }),
        }
    }

    /// Lays out `commit` (a full name, from [`Repository::resolve`]) in `folder`, which
    /// has to be there and empty, as `git worktree add` would: with the attributes, line
    /// ends and filters of a checkout, and without the rules of an export. The folders of
    /// submodules stay empty. Gives the tracked files as [`Repository::files`] does.
    ///
    /// The repository's index, head, working trees and stash stay as they are.
    ///
    /// # Errors
    /// When git is missing or refuses, or a file cannot be written.
    pub async fn materialise(
        &self,
        commit: &str,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> Result<Vec<u8>, NixError> {
        let own = tempfile::Builder::new()
            .prefix("cbox-index-")
            .tempdir()
            .map_err(|source| NixError::File {
                action: "make",
                path: "a folder for the index of another commit".into(),
                source,
            })?;
        let index = own.path().join("index");
        // Not `checkout-index`: it takes attributes from files that are laid out already,
        // where this one takes them from the commit.
        let lay_out = ["read-tree", "-m", "-u", "--end-of-options", commit];
        self.git_elsewhere(&lay_out, folder, &index)
            .run(interrupt)
            .await?;
        let list = self.git_elsewhere(&["ls-files", "-z", "--cached"], folder, &index);
        Ok(list.run(interrupt).await?.stdout)
    }

    fn git_elsewhere(
        &self,
        arguments: &[&str],
        folder: &Path,
        index: &PathBuf,
    ) -> crate::process::Command {
        let mut all: Vec<OsString> = vec!["--work-tree".into(), folder.into()];
        for setting in ELSEWHERE {
            all.extend(["-c".into(), setting.into()]);
        }
        all.extend(arguments.iter().map(OsString::from));
        self.git(all).with("GIT_INDEX_FILE", index)
    }

    /// Whether the repository holds only a part of its history.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn is_shallow(&self, interrupt: &Interrupt) -> Result<bool, NixError> {
        let command = self.git(["rev-parse", "--is-shallow-repository"]);
        Ok(command.run(interrupt).await?.stdout.trim_ascii() == b"true")
    }
}

/// The one object name that `answer` is.
fn object_name(answer: &[u8]) -> Option<String> {
    let name = str::from_utf8(answer).ok()?.trim_end();
    let whole = matches!(name.len(), 40 | 64);
    (whole && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| name.to_owned())
}
