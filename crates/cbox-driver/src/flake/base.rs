//! The commit that a change began at, as a CI system tells it: what `verify-hosts` explains
//! against where it is told no other.

use cbox_nix::NixError;

use super::session::Session;
use crate::error::Error;

/// The commit that a run compares with unless it is told another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The commit.
    pub commit: String,
    /// The branch that it is the merge base with, as git knows it: `origin/main`.
    pub branch: String,
}

/// The commit to explain against where none is named: for a pull request in a CI system, the
/// last one that it shares with the branch it is for. Where that is not to be found, a
/// warning says why, and there is none.
pub async fn default_base(session: &Session<'_>) -> Result<Option<Base>, Error> {
    let (Some(repository), Some(job)) = (&session.project.repository, session.environment.ci())
    else {
        return Ok(None);
    };
    if let Some(not_told) = &job.not_told {
        session.reporter.warn(not_told);
    }
    let mut first = None;
    for branch in job.bases.clone() {
        match repository
            .merge_base("HEAD", &branch, session.interrupt)
            .await
        {
            Ok(commit) => return Ok(Some(Base { commit, branch })),
            Err(error @ (NixError::Revision { .. } | NixError::MergeBase { .. })) => {
                first.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(error) = first {
        session.reporter.warn(&format!(
            "the commit that this {} starts from is not here, so nothing is explained against it: \
             {error} ({} brings it)",
            job.system.change(),
            job.system.whole_history()
        ));
    }
    Ok(None)
}
