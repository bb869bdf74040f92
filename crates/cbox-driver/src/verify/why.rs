//! Why a host is not what it was: the explanation, with the places it points at.

use cbox_nix::git::AddedLine;
use nix_formats::store_path::DrvPath;

use super::{
    judge::Work,
    report::{Derivation, HostReport},
};
use crate::{
    baseline::{self, history::History},
    ci::whole_histories,
    diff::{
        explain::{explain, is_there},
        packages::PackageDifference,
        place,
    },
    error::{Error, Kind},
    flake::{checkout::short_revision, version::Version},
};

impl Work<'_, '_> {
    /// Adds the explanation, or why there is none. `accepting` are the commits that accepted
    /// what the host is measured by; `None` where the base is what it is explained against.
    pub(super) async fn explain(
        &mut self,
        report: &mut HostReport,
        now: &Derivation,
        accepting: Option<Vec<String>>,
    ) -> Result<(), Error> {
        let Some(before) = report.before.clone() else {
            return Ok(());
        };
        let (drv, out) = (&before.derivation.drv_path, now.out_path.as_deref());
        let now = &now.drv_path;
        if drv == now {
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
        if let Some(commits) = &accepting
            && !is_there(store, drv)
            && let Err(reason) = self.evaluate_accepted(&report.host, drv, commits).await?
        {
            report.unexplained = Some(format!(
                "what was {} is not in the store, and {reason}",
                before.what
            ));
            return Ok(());
        }
        match explain(store, drv, now).await {
            Ok(explanation) => {
                let from = match &accepting {
                    None => self.base.and_then(Version::revision),
                    // What is accepted and not yet committed is a change to this commit.
                    Some(commits) => commits
                        .first()
                        .map(String::as_str)
                        .or(self.state.revision()),
                };
                let added = match from.map(str::to_owned) {
                    Some(commit) => self.added_since(&commit).await,
                    None => &[],
                };
                report.places = place::of_causes(&explanation, added);
                let outputs = (before.derivation.out_path.as_deref(), out);
                let packages =
                    PackageDifference::find(&self.evaluator.nix, &explanation, outputs).await?;
                report.packages = Some(packages);
                report.explanation = Some(explanation);
            }
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => report.unexplained = Some(error.message),
        }
        Ok(())
    }

    /// The commits that accepted `drv` for the host, newest first; none where git cannot say.
    pub(super) async fn accepting(&self, host: &str, drv: &DrvPath) -> Result<Vec<String>, Error> {
        let commits = match self.history().await? {
            Ok(history) => history.accepting(host, drv),
            Err(_) => vec![],
        };
        Ok(commits.into_iter().map(str::to_owned).collect())
    }

    async fn history(&self) -> Result<&Result<History, Error>, Error> {
        let read = || async {
            let (session, project) = (self.session, &self.session.project);
            let (Some(repository), Some(commit)) = (&project.repository, self.state.revision())
            else {
                return Ok(History::default());
            };
            let file = project.dir().join(baseline::FILE);
            let history =
                History::read(repository, file.as_std_path(), commit, session.interrupt).await;
            history.map_err(Error::from)
        };
        match self.history.get_or_init(read).await {
            Err(error) if error.is_interrupted() => Err(error.clone()),
            history => Ok(history),
        }
    }

    /// Evaluates the host again at the newest of `commits` that gives `drv`, so that it is in
    /// the store. Otherwise says why that cannot be.
    async fn evaluate_accepted(
        &mut self,
        host: &str,
        drv: &DrvPath,
        commits: &[String],
    ) -> Result<Result<(), String>, Error> {
        let mut broken = String::new();
        for commit in commits {
            match self.derivation_at(commit, host).await {
                Ok(found) if found.as_ref() == Some(drv) => return Ok(Ok(())),
                Ok(_) => {}
                Err(error) if error.is_interrupted() => return Err(error),
                Err(error) => {
                    let reason = format!("{}: {}", short_revision(commit), in_one_line(&error));
                    // What the machine cannot do says nothing of the commit.
                    if error.kind == Kind::Environment {
                        return Ok(Err(reason));
                    }
                    broken = format!(" ({reason})");
                }
            }
        }
        Ok(Err(match self.history().await? {
            Err(error) => format!(
                "the history of {} cannot be read: {}",
                baseline::FILE,
                in_one_line(error)
            ),
            Ok(history) if history.shallow => format!(
                "no commit of this shallow clone is known to build it: `git fetch --unshallow` fetches the history; {} does",
                whole_histories()
            ),
            Ok(_) => format!("no commit builds what {} records{broken}", baseline::FILE),
        }))
    }

    /// What the host is at a commit.
    async fn derivation_at(&mut self, commit: &str, host: &str) -> Result<Option<DrvPath>, Error> {
        if !self.earlier.contains_key(commit) {
            let state = Version::commit(self.session, commit).await;
            self.earlier.insert(commit.to_owned(), state);
        }
        let state = self.earlier[commit].as_ref().map_err(Clone::clone)?;
        let snapshot = state.snapshot().await?;
        let mut answers = self
            .evaluate(self.evaluator, snapshot, &[host.to_owned()], &[])
            .await?;
        let answer = answers.pop().transpose()?;
        Ok(answer.map(|found| found.derivation.drv))
    }

    /// The lines that the state has beyond a commit.
    async fn added_since(&mut self, commit: &str) -> &[AddedLine] {
        if !self.added_lines.contains_key(commit) {
            let lines = place::added_since(self.session, self.state, commit).await;
            self.added_lines.insert(commit.to_owned(), lines);
        }
        &self.added_lines[commit]
    }
}

/// What an error says, without the command of git that it may be about.
fn in_one_line(error: &Error) -> &str {
    let mut lines = error.message.lines();
    let said = lines.find_map(|line| line.strip_prefix("fatal: "));
    said.unwrap_or(error.headline())
}
