//! Staging: from the working tree, or a commit, to a source in the store.

use std::{path::PathBuf, sync::Arc};

use camino::Utf8Path;
use cbox_nix::{
    NixError,
    eval::check_lock,
    git::Head,
    nix::{Nix, Staged},
};
use cbox_source::{
    SourceError,
    list::{self, Listed},
    rules::Rules,
    stage,
    stand_in::StandIn,
    tree::Tree,
};
use nix_formats::store_path::StorePath;
use tokio::sync::OnceCell;

use crate::{
    error::{Error, Kind},
    flake::origin::{self, Origin},
    session::{Evaluator, Session},
    text::count,
    verify::baseline,
};

/// The name that Nix itself gives to the source of a flake.
const NAME: &str = "source";

/// The working tree or a commit, looked at once.
#[derive(Debug)]
pub struct Sources<'a> {
    session: &'a Session<'a>,
    /// Where its files come from.
    pub origin: Arc<Origin>,
    /// The rules for its files.
    pub rules: Rules,
    /// The files, without local settings.
    pub base: Tree,
    /// Whether git tracks the baseline, which is never staged.
    pub baseline_tracked: bool,
    /// Where git stands; nothing of it outside a repository.
    pub head: Head,
    /// The tree without local settings, hashed when it is first wanted.
    plain: OnceCell<Arc<Snapshot>>,
}

/// A tree with its hash.
#[derive(Debug)]
pub struct Snapshot {
    /// Where its files come from.
    pub origin: Arc<Origin>,
    /// The files in it that only stand in for others.
    pub stand_ins: Vec<(PathBuf, StandIn)>,
    /// The files.
    pub tree: Tree,
    /// The files with local settings among them.
    pub local: Vec<PathBuf>,
    /// The source in the store: its path and its hash.
    pub staged: Staged,
    /// Set once it is in the store and its lock file is found good.
    ready: OnceCell<()>,
}

impl<'a> Sources<'a> {
    /// Asks git (or the file system) for the files and looks at each.
    pub async fn look(session: &'a Session<'a>, tracked_only: bool) -> Result<Self, Error> {
        let (listed, head) = match &session.project.repository {
            Some(repository) => {
                let (files, head) = tokio::try_join!(
                    repository.files(session.interrupt),
                    repository.head(session.interrupt)
                )?;
                (Some(list::from_git(&files.0, &files.1)), head)
            }
            None => {
                session.reporter.note(
                    "no git repository here: every file that .gitignore does not name is staged",
                );
                (None, Head::default())
            }
        };
        let origin = Origin::working_tree(session.project.clone());
        Self::select(session, origin, listed, head, tracked_only).await
    }

    /// Lays `revision` out in a folder of its own and looks at each of its files. The
    /// `cbox.toml` that counts is the one of that commit.
    pub async fn of_revision(session: &'a Session<'a>, revision: &str) -> Result<Self, Error> {
        let Some(repository) = &session.project.repository else {
            let folder = &session.project.folder;
            return Err(Error::new(
                Kind::Usage,
                format!("{folder} is in no git repository, so there is no revision `{revision}`"),
            )
            .hint("without a repository there is the working tree only"));
        };
        let commit = repository.resolve(revision, session.interrupt).await?;
        let unwritable = |error: &std::io::Error| {
            Error::file(Kind::Source, "make", "a folder for another commit", error)
                .hint("TMPDIR says where it goes")
        };
        let folder = tempfile::Builder::new()
            .prefix("cbox-")
            .tempdir()
            .map_err(|error| unwritable(&error))?;
        session
            .reporter
            .doing(&format!("laying out {}", origin::called(revision, &commit)));
        let files = repository
            .materialise(&commit, folder.path(), session.interrupt)
            .await?;
        let origin = Origin::commit(&session.project, revision, &commit, folder)?;
        let head = Head {
            revision: Some(commit),
            ..Head::default()
        };
        Self::select(
            session,
            origin,
            Some(list::from_git(&files, b"")),
            head,
            true,
        )
        .await
    }

    /// Looks at the files of `listed`, or at all there are.
    async fn select(
        session: &'a Session<'a>,
        origin: Arc<Origin>,
        listed: Option<Vec<Listed>>,
        head: Head,
        tracked_only: bool,
    ) -> Result<Self, Error> {
        let project = &origin.project;
        let rules = project.rules().map_err(|error| origin.named(error))?;
        let baseline = project.dir().join(baseline::FILE);
        let baseline_tracked = listed.iter().flatten().any(|listed| {
            listed.tracked && Utf8Path::from_path(&listed.path) == Some(baseline.as_path())
        });
        let top = project.top.as_std_path().to_owned();
        let selecting = rules.clone();
        let base = blocking(move || {
            let listed: Vec<Listed> = match listed {
                Some(listed) => listed,
                None => list::from_walk(&top)?,
            };
            Tree::select(&top, listed, &selecting, tracked_only)
        })
        .await
        .map_err(|error: SourceError| origin.named(error.into()))?;
        let flake = project.dir().join("flake.nix");
        if !base.contains(flake.as_std_path()) {
            let why = if tracked_only {
                "git does not track it (`git add` does), or `exclude` in cbox.toml names it"
            } else {
                "git ignores it, or `exclude` in cbox.toml names it"
            };
            return Err(Error::new(
                Kind::Config,
                format!("{flake} is not staged, so Nix would find no flake"),
            )
            .hint(why));
        }
        Ok(Self {
            session,
            origin,
            rules,
            base,
            baseline_tracked,
            head,
            plain: OnceCell::new(),
        })
    }

    /// Whether the tree differs from the commit: changed or untracked files.
    pub fn is_dirty(&self) -> bool {
        self.head.dirty || self.base.entries.iter().any(|entry| !entry.tracked)
    }

    /// The tree for evaluating `host`: with its local settings if it is an install host,
    /// or if they are asked for. Also says which local settings were set aside.
    pub async fn snapshot(
        &self,
        host: Option<&str>,
        with_local: bool,
    ) -> Result<(Arc<Snapshot>, Vec<PathBuf>), Error> {
        let local = match host {
            Some(host) => self.base.local_settings(&self.rules, host)?,
            None => vec![],
        };
        let paths = || local.iter().map(|entry| entry.path.clone()).collect();
        if local.is_empty() {
            Ok((self.plain().await?, vec![]))
        } else if with_local || host.is_some_and(|host| !self.origin.project.is_image_host(host)) {
            let snapshot = self.hash(self.base.with(&local), paths()).await?;
            Ok((Arc::new(snapshot), vec![]))
        } else {
            Ok((self.plain().await?, paths()))
        }
    }

    /// The tree without local settings, hashed once.
    pub async fn plain(&self) -> Result<Arc<Snapshot>, Error> {
        let snapshot = self
            .plain
            .get_or_try_init(|| async { self.hash(self.base.clone(), vec![]).await.map(Arc::new) });
        snapshot.await.cloned()
    }

    async fn hash(&self, tree: Tree, local: Vec<PathBuf>) -> Result<Snapshot, Error> {
        let interrupt = self.session.interrupt.clone();
        let (tree, hashed) = blocking(move || {
            let hashed = stage::hash(&tree, &|| interrupt.signal().is_some())?;
            Ok((tree, hashed))
        })
        .await
        .map_err(|error| self.origin.named(stopped(self.session, error)))?;
        let store_dir = self.session.environment.nix_store_dir.as_deref();
        let store_dir = store_dir.unwrap_or(nix_formats::store_path::DEFAULT_STORE_DIR);
        Ok(Snapshot {
            staged: Staged {
                path: StorePath::of_source(&hashed.hash, NAME, store_dir),
                nar_hash: hashed.hash,
                dir: self.origin.project.dir().as_str().to_owned(),
            },
            origin: self.origin.clone(),
            stand_ins: hashed.stand_ins,
            tree,
            local,
            ready: OnceCell::new(),
        })
    }
}

impl Snapshot {
    /// Makes sure that the source is in the store, and that its lock file will do.
    pub async fn ready(&self, evaluator: &Evaluator<'_>) -> Result<(), Error> {
        let ready = self.ready.get_or_try_init(|| async {
            self.add(evaluator.session, &evaluator.nix).await?;
            let lock_file = self.read_lock()?;
            match check_lock(&evaluator.nix, &self.staged, lock_file.as_deref()).await {
                Ok(()) => Ok(()),
                Err(error) => Err(evaluator.located(error, self).await),
            }
        });
        ready.await.copied()
    }

    /// Puts the tree into the store, unless it is there.
    pub async fn add(&self, session: &Session<'_>, nix: &Nix) -> Result<(), Error> {
        let path = self.staged.path.as_str();
        // A look saves a process, and says no only when the answer is no.
        if nix.store.holds(path) != Some(false) && nix.is_valid(&[path]).await? {
            return Ok(());
        }
        session.reporter.doing(&format!(
            "staging {}",
            count(self.tree.entries.len(), "file")
        ));
        let folder = tempfile::Builder::new()
            .prefix("cbox-")
            .tempdir()
            .map_err(|error| {
                Error::file(Kind::Source, "make", "a folder for the staged copy", &error)
                    .hint("TMPDIR says where it goes")
            })?;
        let (tree, place, interrupt) = (
            self.tree.clone(),
            folder.path().join(NAME),
            session.interrupt.clone(),
        );
        blocking(move || stage::copy(&tree, &place, &|| interrupt.signal().is_some()))
            .await
            .map_err(|error| self.origin.named(stopped(session, error)))?;
        if nix
            .add(&folder.path().join(NAME), &self.staged.path)
            .await?
        {
            Ok(())
        } else {
            Err(
                Error::new(Kind::Source, "the tree changed while it was staged")
                    .hint("run cbox again when nothing writes to the tree"),
            )
        }
    }

    /// The lock file as it is staged; `None` where there is none.
    pub fn read_lock(&self) -> Result<Option<Vec<u8>>, Error> {
        let project = &self.origin.project;
        let path = project.dir().join("flake.lock");
        if !self.tree.contains(path.as_std_path()) {
            return Ok(None);
        }
        let file = project.top.join(path);
        std::fs::read(&file).map(Some).map_err(|error| {
            self.origin
                .named(Error::file(Kind::Lock, "read", &file, &error))
        })
    }
}

/// `error`, or the signal if it was one that ended the work.
pub fn stopped(session: &Session<'_>, error: SourceError) -> Error {
    match (error, session.interrupt.signal()) {
        (SourceError::Stopped, Some(signal)) => NixError::Interrupted(signal).into(),
        (error, _) => error.into(),
    }
}

/// Runs work that blocks beside the signal handlers, which must not wait for it.
pub async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
