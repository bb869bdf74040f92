//! Why a host is not what it was: the explanation, with the places it points at.

use cbox_nix::git::AddedLine;
use nix_formats::store_path::DrvPath;

use super::{judge::Work, place, report::HostReport};
use crate::{
    baseline,
    diff::explain::{explain, is_there},
    error::Error,
    flake::version::Version,
};

impl Work<'_, '_> {
    /// Adds the explanation, or why there is none.
    pub(super) async fn explain(
        &mut self,
        report: &mut HostReport,
        now: &DrvPath,
    ) -> Result<(), Error> {
        let Some(before) = report.before.clone() else {
            return Ok(());
        };
        if before.derivation.drv_path == *now {
            // What this change accepts can have come before it.
            if !report.accepted {
                report.unexplained = Some(format!("nothing changed since {}", before.what));
            }
            return Ok(());
        }
        let store = &self.evaluator.nix.store;
        self.session
            .reporter
            .doing(&format!("explaining {}", report.host));
        if !is_there(store, &before.derivation.drv_path)
            && let Err(reason) = self.evaluate_accepted(&report.host).await?
        {
            report.unexplained = Some(format!(
                "the derivation {} is not in the store, and {reason}",
                before.what
            ));
            return Ok(());
        }
        match explain(store, &before.derivation.drv_path, now).await {
            Ok(explanation) => {
                let from = self.since(&report.host);
                let added = match from {
                    Some(commit) => self.added_since(&commit).await,
                    None => &[],
                };
                report.places = explanation
                    .causes
                    .iter()
                    .map(|cause| place::of_cause(cause, added))
                    .collect();
                report.explanation = Some(explanation);
            }
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => report.unexplained = Some(error.message),
        }
        Ok(())
    }

    /// Evaluates the host again at the commit at which it was accepted, so that its
    /// derivation is in the store. Otherwise says why that cannot be.
    async fn evaluate_accepted(&mut self, host: &str) -> Result<Result<(), String>, Error> {
        let Some(entry) = self.entry(host).cloned() else {
            return Ok(Err("nothing says what it was made of".to_owned()));
        };
        let Some(revision) = entry.revision else {
            return Ok(Err("no commit was recorded with it".to_owned()));
        };
        if revision.ends_with(baseline::DIRTY) {
            return Ok(Err("it was accepted with uncommitted changes".to_owned()));
        }
        if !self.earlier.contains_key(&revision) {
            let state = Version::commit(self.session, &revision).await;
            self.earlier.insert(revision.clone(), state);
        }
        let state = match &self.earlier[&revision] {
            Ok(state) => state,
            Err(error) if error.is_interrupted() => return Err(error.clone()),
            Err(error) => return Ok(Err(error.headline().to_owned())),
        };
        let hosts = [host.to_owned()];
        let found = match self.evaluate(state, &hosts, &[]).await {
            Ok(mut answers) => answers.pop(),
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => Some(Err(error)),
        };
        Ok(match found {
            Some(Ok((_, found))) if found.drv == entry.drv_path => Ok(()),
            Some(Ok(_)) => Err(format!(
                "{} evaluates to another one now",
                baseline::short_revision(&revision)
            )),
            Some(Err(error)) => Err(format!(
                "{}: {}",
                baseline::short_revision(&revision),
                error.headline()
            )),
            None => Err(format!(
                "{} does not evaluate",
                baseline::short_revision(&revision)
            )),
        })
    }

    /// The commit since which lines count as this change's.
    fn since(&self, host: &str) -> Option<String> {
        match self.base {
            Some(base) => base.revision().map(str::to_owned),
            None => {
                let revision = self.entry(host)?.revision.clone()?;
                Some(revision.trim_end_matches(baseline::DIRTY).to_owned())
            }
        }
    }

    /// The lines that the state has beyond a commit, in files that are staged. None where
    /// git cannot say: they only help to point.
    async fn added_since(&mut self, commit: &str) -> &[AddedLine] {
        if !self.added_lines.contains_key(commit) {
            let to = self.state.revision().filter(|_| self.state.is_commit());
            let lines = match &self.session.project.repository {
                Some(repository) => repository
                    .added_lines(commit, to, self.session.interrupt)
                    .await
                    .unwrap_or_default(),
                None => vec![],
            };
            let staged = &self.state.base;
            let lines = lines
                .into_iter()
                .filter(|line| staged.contains(&line.file))
                .collect();
            self.added_lines.insert(commit.to_owned(), lines);
        }
        &self.added_lines[commit]
    }
}
