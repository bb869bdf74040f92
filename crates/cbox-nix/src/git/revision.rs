//! Other commits: what a name stands for, and where two histories part.

use super::Repository;
use crate::{Interrupt, NixError};

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
