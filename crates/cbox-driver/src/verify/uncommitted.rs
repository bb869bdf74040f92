//! What keeps verdicts from becoming the baseline: files that a build here has and the commit
//! with the baseline may lack, if a host would build something else with or without them.

use std::path::PathBuf;

use super::{
    judge::{Work, listed},
    report::Report,
};
use crate::{
    error::{Error, Kind},
    flake::{session::Session, version::Version},
    progress::Silent,
};

impl Work<'_, '_> {
    /// Names the files that a build stages and the commit may lack, and gives the error if a
    /// host depends on one of them. Nothing more is evaluated where there are none.
    pub(super) async fn refusal(&self, report: &mut Report) -> Result<Option<Error>, Error> {
        // Outside a repository nothing is committed, and what is judged is what a build stages.
        if self.session.project.repository.is_none() {
            return Ok(None);
        }
        // What there is to say of the tree was said when it was looked at first.
        let quiet = Session {
            reporter: &Silent,
            options: self.session.options.clone(),
            project: self.session.project.clone(),
            ..*self.session
        };
        let build = Version::working_tree(&quiet, false).await?;
        let untracked = build.base.entries.iter().filter(|entry| !entry.tracked);
        let untracked: Vec<PathBuf> = untracked.map(|entry| entry.path.clone()).collect();
        let uncommitted = self.state.uncommitted().await?;
        let (intended, hidden) = (uncommitted.intended, uncommitted.hidden);
        if !untracked.is_empty() {
            report.notes.push(format!(
                "staged by a build, and not judged since git does not track them: {}",
                shortened(&untracked)
            ));
        }
        if !intended.is_empty() {
            report.notes.push(format!(
                "judged, but only added with `git add -N`, so a commit may lack them: {}",
                shortened(&intended)
            ));
        }
        if !hidden.is_empty() {
            report.notes.push(format!(
                "judged as they are on disk, but `git add` does not take them, so a commit lacks \
                 the change: {}",
                shortened(&hidden)
            ));
        }
        if !report.failed().is_empty() {
            return Ok(None);
        }
        let refused = |hosts: Vec<String>, files: String, hint: &str| {
            let message = format!("{} would build something else {files}", hosts.join(", "));
            Some(Error::new(Kind::Source, message).hint(hint))
        };
        let others = self.others(report, &build).await?;
        if !others.is_empty() && untracked.is_empty() {
            let message = "the tree changed while the hosts were evaluated";
            return Ok(Some(
                Error::new(Kind::Source, message).hint("run `cbox accept` again"),
            ));
        }
        if !others.is_empty() {
            return Ok(refused(
                others,
                format!(
                    "with files that git does not track: {}",
                    shortened(&untracked)
                ),
                "`git add` those that belong to the change, and name the others in .gitignore, or \
                 under `exclude` in cbox.toml",
            ));
        }
        if !hidden.is_empty() {
            let committed = self.state.with_committed(&hidden).await?;
            let others = self.others(report, &committed).await?;
            if !others.is_empty() {
                return Ok(refused(
                    others,
                    format!(
                        "without changes that `git add` does not take: {}",
                        shortened(&hidden)
                    ),
                    "in a submodule, commit them there; otherwise `git update-index \
                     --no-assume-unchanged --no-skip-worktree FILE` shows them to git (in a sparse \
                     checkout, `git sparse-checkout disable`)",
                ));
            }
        }
        if intended.is_empty() {
            return Ok(None);
        }
        let others = self.others(report, &self.state.without(&intended)).await?;
        if others.is_empty() {
            return Ok(None);
        }
        Ok(refused(
            others,
            format!(
                "without files that were only added with `git add -N`: {}",
                shortened(&intended)
            ),
            "`git add -u` gives git what is in them",
        ))
    }

    /// The hosts that are not in `version` what the report says that they are.
    async fn others(&self, report: &Report, version: &Version<'_>) -> Result<Vec<String>, Error> {
        let snapshot = version.plain().await?;
        if snapshot.staged == self.state.plain().await?.staged {
            return Ok(vec![]);
        }
        let judged = report
            .hosts
            .iter()
            .filter_map(|host| Some((&host.host, host.now.as_ref()?)));
        let (hosts, now): (Vec<String>, Vec<_>) = judged
            .map(|(host, now)| (host.clone(), &now.drv_path))
            .unzip();
        let answers = match self.evaluate(self.evaluator, snapshot, &hosts, &[]).await {
            Err(error) if error.is_interrupted() => return Err(error),
            // Then none of them evaluates.
            Err(_) => return Ok(hosts),
            Ok(answers) => answers,
        };
        let answers = answers
            .into_iter()
            .map(|answer| answer.map(|found| found.derivation.drv));
        let hosts = hosts.into_iter().zip(answers.zip(now));
        let others = hosts.filter(|(_, (answer, now))| answer.as_ref().ok() != Some(now));
        Ok(others.map(|(host, _)| host).collect())
    }
}

/// Some of the paths, and how many more there are.
fn shortened(paths: &[PathBuf]) -> String {
    const NAMED: usize = 5;
    match paths.len().checked_sub(NAMED) {
        None | Some(0) => listed(paths),
        Some(more) => format!("{} and {more} more", listed(&paths[..NAMED])),
    }
}
