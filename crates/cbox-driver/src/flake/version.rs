//! States: versions of the flake that somebody else would have, which are the tracked
//! files of the working tree, or a commit. Local settings are no part of either.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use cbox_nix::{NixError, git::Change};
use cbox_source::{stand_in, tree::Tree};
use tokio::sync::OnceCell;

use crate::{
    environment::GitHub,
    error::Error,
    flake::staging::{Snapshot, Sources},
    session::{Evaluator, Session},
    subject::name::{HOSTS, word},
    verify::{
        baseline::{self, Baseline},
        baseline_file::BaselineFile,
    },
};

/// One version of the flake.
#[derive(Debug)]
pub struct State<'a> {
    session: &'a Session<'a>,
    sources: Sources<'a>,
    /// Set once the stand-ins in it have been named.
    warned: OnceCell<()>,
}

/// What of the working tree is not committed, less the baseline. Paths are relative to
/// the top of the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uncommitted {
    /// Tracked files that differ from the commit.
    pub files: Vec<PathBuf>,
    /// Submodules at another commit, or with changes of their own. They are not staged.
    pub submodules: Vec<PathBuf>,
}

/// The commit that a run compares with unless it is told another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The commit.
    pub commit: String,
    /// The branch that it is the merge base with, as git knows it: `origin/main`.
    pub branch: String,
}

impl<'a> State<'a> {
    /// The tracked files of the working tree; outside a repository, where nothing is
    /// tracked, all that would be staged.
    pub async fn working_tree(session: &'a Session<'a>) -> Result<Self, Error> {
        let tracked_only = session.project.repository.is_some();
        Ok(Self::of(
            session,
            Sources::look(session, tracked_only).await?,
        ))
    }

    /// The commit that `revision` stands for.
    pub async fn of_revision(session: &'a Session<'a>, revision: &str) -> Result<Self, Error> {
        Ok(Self::of(
            session,
            Sources::of_revision(session, revision).await?,
        ))
    }

    fn of(session: &'a Session<'a>, sources: Sources<'a>) -> Self {
        Self {
            session,
            sources,
            warned: OnceCell::new(),
        }
    }

    /// What it is called in a sentence: `the working tree`, `main (0123456789)`.
    pub fn label(&self) -> &str {
        self.sources.origin.label()
    }

    /// Its files.
    pub fn sources(&self) -> &Sources<'a> {
        &self.sources
    }

    /// The commit; of the working tree, the one that it stands at, if there is one.
    pub fn revision(&self) -> Option<&str> {
        self.sources.head.revision.as_deref()
    }

    /// Whether it is a commit, and not the working tree.
    pub fn is_commit(&self) -> bool {
        self.sources.origin.is_commit()
    }

    /// `evaluator`, with what this state's own `cbox.toml` says of evaluation.
    pub fn evaluator<'b>(&self, evaluator: &Evaluator<'b>) -> Evaluator<'b> {
        evaluator.under(&self.sources.origin.project)
    }

    /// The hosts that run on machines.
    pub fn install_hosts(&self) -> Vec<String> {
        let hosts = self.hosts().into_iter();
        hosts.filter(|host| !self.is_image_host(host)).collect()
    }

    /// The hosts that exist only to be built into images.
    pub fn image_hosts(&self) -> Vec<String> {
        let hosts = self.hosts().into_iter();
        hosts.filter(|host| self.is_image_host(host)).collect()
    }

    /// The hosts that are in the working tree and not in this state: not yet tracked, or
    /// added since. Only install hosts.
    pub fn hosts_set_aside(&self) -> Vec<String> {
        let known = self.hosts();
        let there = self.session.project.install_hosts().into_iter();
        there.filter(|host| !known.contains(host)).collect()
    }

    /// The hosts that its own `cbox.toml` names, or else those that its folders tell of.
    fn hosts(&self) -> Vec<String> {
        let project = &self.sources.origin.project;
        let folders = || {
            let entries = self.sources.base.entries.iter();
            let dir = project.dir().as_std_path();
            entries
                .filter_map(|entry| host_of(dir, &entry.path))
                .collect()
        };
        project.listed_hosts().unwrap_or_else(folders)
    }

    fn is_image_host(&self, host: &str) -> bool {
        self.sources.origin.project.is_image_host(host)
    }

    /// The tree, hashed. The first time, files that only stand in for others are named.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        let snapshot = self.sources.plain().await?;
        let warn = || async {
            if let Some(warning) = stand_in::warning(&snapshot.stand_ins) {
                let reporter = self.session.reporter;
                reporter.warn(&format!("in {}: {warning}", self.label()));
            }
        };
        self.warned.get_or_init(warn).await;
        Ok(snapshot)
    }

    /// The local settings of its install hosts that are on disk, and that a build here
    /// would use: this state does not.
    pub fn set_aside(&self) -> Result<Vec<PathBuf>, Error> {
        // Git may track some of them in spite of all, so a commit can have its own.
        let mut tops = vec![&self.sources.base.top];
        let here = self.session.project.top.as_std_path().to_owned();
        tops.push(&here);
        let mut found = BTreeSet::new();
        for top in tops {
            let tree = Tree {
                top: top.clone(),
                entries: vec![],
            };
            for host in self.install_hosts() {
                let settings = tree.local_settings(&self.sources.rules, &host);
                let settings = settings.map_err(|error| self.sources.origin.named(error.into()))?;
                found.extend(settings.into_iter().map(|entry| entry.path));
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The hash of its `flake.lock`, as a baseline holds it; `None` where there is none.
    pub async fn flake_lock_hash(&self) -> Result<Option<String>, Error> {
        let lock = self.sources.plain().await?.read_lock()?;
        Ok(lock.as_deref().map(baseline::lock_hash))
    }

    /// Its `baseline.json`: of the working tree, the file on disk.
    pub fn baseline_file(&self) -> Result<BaselineFile, Error> {
        let origin = &self.sources.origin;
        let folder = &origin.project.folder;
        let shown = origin.shown(self.session.environment, &folder.join(baseline::FILE));
        let tracked = self.sources.baseline_tracked;
        BaselineFile::read(folder, shown, origin.is_commit(), tracked)
    }

    /// What its `baseline.json` says; `None` where there is none.
    pub fn baseline(&self) -> Result<Option<Baseline>, Error> {
        self.baseline_file()?.parse()
    }

    /// What is not committed; of a commit, nothing.
    pub async fn uncommitted(&self) -> Result<Uncommitted, Error> {
        if self.sources.origin.is_commit() {
            return Ok(Uncommitted::default());
        }
        Uncommitted::find(self.session).await
    }

    /// The revision as a baseline that is accepted now holds it.
    pub fn recorded_revision(&self, uncommitted: &Uncommitted) -> Option<String> {
        let dirty = !uncommitted.files.is_empty();
        self.revision()
            .map(|commit| baseline::recorded_revision(commit, dirty))
    }
}

/// The host that the file at `path` makes, in a flake in `dir`.
fn host_of(dir: &Path, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(dir).ok()?.to_str()?;
    let host = inside
        .strip_prefix(HOSTS)?
        .strip_prefix('/')?
        .strip_suffix("/default.nix")?;
    word(host).ok()
}

impl Uncommitted {
    /// What of the working tree is not committed; outside a repository, nothing.
    pub async fn find(session: &Session<'_>) -> Result<Self, Error> {
        let Some(repository) = &session.project.repository else {
            return Ok(Self::default());
        };
        let changes = repository.changes(session.interrupt).await?;
        let baseline = session.project.dir().join(baseline::FILE);
        Ok(sort(changes, baseline.as_std_path()))
    }
}

fn sort(changes: Vec<Change>, baseline: &Path) -> Uncommitted {
    let mut sorted = Uncommitted::default();
    for change in changes {
        if change.submodule {
            sorted.submodules.push(change.path);
        } else if change.path != baseline {
            sorted.files.push(change.path);
        }
    }
    sorted
}

/// The commit to explain against where none is named: for a pull request on GitHub, the
/// last one that it shares with the branch it is for. Where that is not to be found, a
/// warning says why, and there is none.
pub async fn default_base(session: &Session<'_>) -> Result<Option<Base>, Error> {
    let Some(repository) = &session.project.repository else {
        return Ok(None);
    };
    let mut first = None;
    for branch in candidates(&session.environment.github) {
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
            "the commit that this pull request starts from is not here, so nothing is explained \
             against it: {error} (`fetch-depth: 0` of actions/checkout brings it)"
        ));
    }
    Ok(None)
}

/// What the branch that a pull request is for can be called here.
fn candidates(github: &GitHub) -> Vec<String> {
    match (&github.event_name, &github.base_ref) {
        (Some(event), Some(branch)) if event == "pull_request" => {
            vec![format!("origin/{branch}"), branch.clone()]
        }
        _ => vec![],
    }
}

#[cfg(test)]
mod tests;
