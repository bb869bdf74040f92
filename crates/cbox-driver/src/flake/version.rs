//! A version of the flake: the working tree, all of it or only what others have too, or a
//! commit. Which files it has, which hosts, and what of it is staged for each.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use camino::Utf8Path;
use cbox_nix::{
    NixError,
    git::{Head, Repository},
    regular_file,
    temporary::TemporaryFolder,
};
use cbox_source::{
    SourceError,
    list::{self, Listed},
    placeholder,
    rules::Rules,
    stage,
    tree::{Entry, Tree},
};
use tokio::sync::OnceCell;

use super::{
    checkout::{self, Checkout},
    send_ahead::SendAhead,
    snapshot::{Snapshot, stopped},
    submodules,
};
use crate::{
    baseline::{self, Baseline, file::BaselineFile},
    error::{Error, Kind},
    flake::{
        project::Project,
        reference::{self, Reference},
        session::Session,
    },
    process::blocking::blocking,
    target_name::{HOSTS, word},
    text::path_line,
};

/// One version of the flake, looked at once.
#[derive(Debug)]
pub struct Version<'a> {
    session: &'a Session<'a>,
    /// Where its files are, and what they are called.
    pub checkout: Arc<Checkout>,
    /// The rules for its files.
    pub rules: Rules,
    /// Its files, without local settings.
    pub base: Tree,
    /// Whether git tracks the baseline, which is never staged.
    pub baseline_tracked: bool,
    /// Where git stands; nothing of it outside a repository.
    pub head: Head,
    /// Where its trees go while they are hashed, if they are to be evaluated.
    send_ahead: OnceLock<SendAhead>,
    /// The tree without local settings, hashed when it is first wanted.
    plain: OnceCell<Arc<Snapshot>>,
    /// Set once the files that only stand in for others have been named.
    warned: OnceCell<()>,
}

/// What a commit of the working tree can lack of it. Paths are relative to the top of the
/// repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uncommitted {
    /// Files of which git has the name and not the content (`git add --intent-to-add`).
    pub intended: Vec<PathBuf>,
    /// Files with changes that git does not look at (`git update-index --assume-unchanged` and
    /// `--skip-worktree`, a sparse checkout), and submodules that are staged, with changes inside.
    pub hidden: Vec<PathBuf>,
    /// Submodules at another commit, or with changes of their own, that are not staged.
    pub submodules: Vec<PathBuf>,
}

impl<'a> Version<'a> {
    /// The working tree, local settings not yet among its files: git (or the file system) is
    /// asked for them, and each is looked at.
    pub async fn working_tree(session: &'a Session<'a>, tracked_only: bool) -> Result<Self, Error> {
        Self::of_project(session, session.project.clone(), tracked_only).await
    }

    /// The working tree of another flake, or what Nix fetches of it.
    pub async fn of_flake(
        session: &'a Session<'a>,
        reference: &Reference,
        tracked_only: bool,
    ) -> Result<Self, Error> {
        let environment = session.environment;
        let project = match reference {
            Reference::Fetched(text) => {
                let hears = session.hears();
                let tree = reference::fetch(environment, &session.options, hears, text).await?;
                Project::fetched(environment, tree)?
            }
            folder => Project::find(environment, Some(folder.as_option().into()))?,
        };
        let tracked_only = tracked_only && project.repository.is_some();
        Self::of_project(session, project, tracked_only).await
    }

    async fn of_project(
        session: &'a Session<'a>,
        project: Project,
        tracked_only: bool,
    ) -> Result<Self, Error> {
        let (listed, head) = match (&project.repository, &project.fetched) {
            (_, Some(fetched)) => {
                let head = Head {
                    revision: fetched.revision.clone(),
                    ..Head::default()
                };
                (None, head)
            }
            (Some(repository), None) => {
                let (files, head) = repository.files_and_head(session.interrupt).await?;
                let listed = list::from_git(&files.0, &files.1);
                let listed = Self::with_submodules(session, &project, repository, listed).await?;
                (Some(listed), head)
            }
            (None, None) => {
                session.reporter.note(
                    "no git repository here: every file that .gitignore does not name is staged",
                );
                (None, Head::default())
            }
        };
        let checkout = Checkout::working_tree(project);
        Self::select(session, checkout, listed, head, tracked_only).await
    }

    /// `listed` with the files of submodules, if the flake asks for them; if it does not, it is
    /// said that there are some.
    async fn with_submodules(
        session: &Session<'_>,
        project: &Project,
        repository: &Repository,
        mut listed: Vec<Listed>,
    ) -> Result<Vec<Listed>, Error> {
        const NAMES: &str = ".gitmodules";
        if !listed.iter().any(|listed| listed.path == Path::new(NAMES)) {
            return Ok(listed);
        }
        let read = |path: &Utf8Path| regular_file::read_to_string(path).unwrap_or_default();
        let names = read(&project.top.join(NAMES));
        let folders = submodules::folders(&names);
        if submodules::wanted(&read(&project.folder.join("flake.nix"))) {
            let all = repository.files_with_submodules(session.interrupt).await?;
            let all = list::from_git(&all, b"");
            let top = project.top.as_std_path();
            if let Some(path) = submodules::first_missing(top, &folders, &all) {
                let path = path.display().to_string();
                return Err(NixError::Submodule { path, commit: None }.into());
            }
            submodules::add(&mut listed, all);
        } else if !folders.is_empty() {
            session.reporter.note(&format!(
                "submodules are not staged, as with plain Nix: {} (`inputs.self.submodules = true;` \
                 in flake.nix brings them, with Nix 2.27 or newer)",
                folders.join(", ")
            ));
        }
        Ok(listed)
    }

    /// Lays `revision` out in a folder of its own and looks at each of its files. The
    /// `cbox.toml` that counts is the one of that commit.
    pub async fn commit(session: &'a Session<'a>, revision: &str) -> Result<Self, Error> {
        let Some(repository) = &session.project.repository else {
            let folder = &session.project.folder;
            if let Some(fetched) = &session.project.fetched {
                let lacks = fetched.lacks(&format!("it has no other revision `{revision}`"));
                return Err(lacks.hint(
                    "a reference names a revision itself, as `github:o/r/REV` or `…?rev=REV`; a clone \
                     has them all",
                ));
            }
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "{folder} is not in a git repository, so there is no revision `{revision}`"
                ),
            )
            .hint("without a repository there is only the working tree"));
        };
        let commit = repository.resolve(revision, session.interrupt).await?;
        let unwritable = |error: &std::io::Error| {
            Error::file(Kind::Source, "make", "a folder for another commit", error)
                .hint("set TMPDIR to a folder that can hold it")
        };
        let folder = TemporaryFolder::new().map_err(|error| unwritable(&error))?;
        session.reporter.doing(&format!(
            "laying out {}",
            checkout::called(revision, &commit)
        ));
        let files = repository
            .materialise(&commit, folder.path(), session.interrupt)
            .await?;
        let laid_out = folder.path().to_owned();
        let checkout = Checkout::commit(&session.project, revision, &commit, folder)?;
        let mut listed = list::from_git(&files, b"");
        let flake = regular_file::read_to_string(checkout.project.folder.join("flake.nix"));
        if submodules::wanted(&flake.unwrap_or_default()) {
            let more = repository.materialise_submodules(&commit, &laid_out, session.interrupt);
            let more = more.await.map_err(|error| checkout.named(error.into()))?;
            submodules::add(&mut listed, list::from_git(&more, b""));
        }
        let head = Head {
            revision: Some(commit),
            ..Head::default()
        };
        Self::select(session, checkout, Some(listed), head, true).await
    }

    /// What others have of the working tree: its tracked files; outside a repository, where
    /// nothing is tracked, all that would be staged.
    pub async fn tracked(session: &'a Session<'a>) -> Result<Self, Error> {
        let tracked_only = session.project.repository.is_some();
        Self::working_tree(session, tracked_only).await
    }

    /// Looks at the files of `listed`, or at all there are.
    async fn select(
        session: &'a Session<'a>,
        checkout: Arc<Checkout>,
        listed: Option<Vec<Listed>>,
        head: Head,
        tracked_only: bool,
    ) -> Result<Self, Error> {
        let project = &checkout.project;
        let listed = match listed {
            Some(listed) => listed,
            None => {
                let top = project.top.as_std_path().to_owned();
                let is_fetched = project.fetched.is_some();
                let listed = blocking(move || match is_fetched {
                    true => list::all(&top),
                    false => list::from_walk(&top),
                });
                listed.await?
            }
        };
        // After the list: what a file there is opened for is known only now.
        let rules = project.rules().map_err(|error| checkout.named(error))?;
        let baseline = project.dir().join(baseline::FILE);
        let baseline_tracked = listed.iter().any(|listed| {
            listed.tracked && Utf8Path::from_path(&listed.path) == Some(baseline.as_path())
        });
        let top = project.top.as_std_path().to_owned();
        let selecting = rules.clone();
        let base = blocking(move || Tree::select(&top, listed, &selecting, tracked_only))
            .await
            .map_err(|error: SourceError| checkout.named(error.into()))?;
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
            checkout,
            rules,
            base,
            baseline_tracked,
            head,
            send_ahead: OnceLock::new(),
            plain: OnceCell::new(),
            warned: OnceCell::new(),
        })
    }

    /// Has its trees sent where they will be evaluated, as far as that saves time.
    pub(crate) fn send_ahead(&self, to: SendAhead) {
        // The first one holds them for as long as any would.
        let _first_counts = self.send_ahead.set(to);
    }

    /// Whether the tree differs from the commit: changed or untracked files.
    pub fn is_dirty(&self) -> bool {
        self.head.dirty || self.base.entries.iter().any(|entry| !entry.tracked)
    }

    /// The tree for evaluating `host`: with its local settings if it is an install host,
    /// or if they are asked for. Also says which local settings were set aside.
    pub async fn snapshot_for(
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
        } else if with_local || host.is_some_and(|host| !self.checkout.project.is_image_host(host))
        {
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
        let (session, checkout) = (self.session, Arc::clone(&self.checkout));
        let Some(send_ahead) = self.send_ahead.get() else {
            return Snapshot::of(session, checkout, tree, local).await;
        };
        let commit = self.revision().filter(|_| !self.is_dirty());
        let hashed = send_ahead.hash(session, tree, commit.map(str::to_owned));
        let hashed = hashed.await.map_err(|error| checkout.named(error))?;
        Ok(Snapshot::hashed(session, checkout, hashed, local))
    }

    /// What it is called in a sentence: `the working tree`, `main (0123456789)`.
    pub fn label(&self) -> &str {
        self.checkout.label()
    }

    /// The commit; of the working tree, the one that it stands at, if there is one.
    pub fn revision(&self) -> Option<&str> {
        self.head.revision.as_deref()
    }

    /// Whether it is a commit, and not the working tree.
    pub fn is_commit(&self) -> bool {
        self.checkout.is_commit()
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
        let project = &self.session.project;
        let mut there = project.install_hosts();
        // What Nix told of is the staged tree.
        if !project.is_configured() {
            let folders = project.host_folders().into_iter();
            there.extend(folders.filter(|host| !project.is_image_host(host)));
        }
        there.retain(|host| !known.contains(host));
        there.sort();
        there.dedup();
        there
    }

    /// The hosts whose names are none that cbox takes, unless cbox.toml names the hosts.
    pub fn misnamed_hosts(&self) -> Vec<String> {
        let project = &self.checkout.project;
        let shown = |name: &str| path_line(Path::new(name));
        if project.named_hosts().is_some() {
            let hosts = project.flake_hosts().unwrap_or_default().iter();
            let misnamed = hosts.filter(|host| !project.is_configured() && word(host).is_err());
            return misnamed.map(|host| shown(host)).collect();
        }
        let dir = project.dir().as_std_path();
        let entries = self.base.entries.iter();
        let names = entries.filter_map(|entry| folder_of_host(dir, &entry.path));
        names
            .filter(|name| word(name).is_err())
            .map(shown)
            .collect()
    }

    /// The hosts that its own `cbox.toml` names, or else those that its folders tell of.
    /// Without one those that Nix told of, where it was asked.
    fn hosts(&self) -> Vec<String> {
        let project = &self.checkout.project;
        let folders = || {
            let entries = self.base.entries.iter();
            let dir = project.dir().as_std_path();
            entries
                .filter_map(|entry| host_of(dir, &entry.path))
                .collect()
        };
        project.named_hosts().unwrap_or_else(folders)
    }

    fn is_image_host(&self, host: &str) -> bool {
        self.checkout.project.is_image_host(host)
    }

    /// As [`Version::plain`]. The first time, files that only stand in for others are named.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        let snapshot = self.plain().await?;
        let warn = || async {
            if let Some(warning) = placeholder::warning(&snapshot.placeholders) {
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
        let mut tops = vec![&self.base.top];
        let here = self.session.project.top.as_std_path().to_owned();
        tops.push(&here);
        let mut found = BTreeSet::new();
        for top in tops {
            let tree = Tree {
                top: top.clone(),
                entries: vec![],
            };
            for host in self.install_hosts() {
                let settings = tree.local_settings(&self.rules, &host);
                let settings = settings.map_err(|error| self.checkout.named(error.into()))?;
                found.extend(settings.into_iter().map(|entry| entry.path));
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The hash of its `flake.lock`, as a baseline holds it; `None` where there is none.
    pub async fn flake_lock_hash(&self) -> Result<Option<String>, Error> {
        let lock = self.plain().await?.read_lock()?;
        Ok(lock.as_deref().map(baseline::lock_hash))
    }

    /// Its `baseline.json`: of the working tree, the file on disk.
    pub fn baseline_file(&self) -> Result<BaselineFile, Error> {
        let origin = &self.checkout;
        let project = &origin.project;
        let path = project.folder.join(baseline::FILE);
        let display_path = origin.display_path(self.session.environment, &path);
        let (committed, tracked) = (origin.is_commit(), self.baseline_tracked);
        BaselineFile::read(
            &project.folder,
            &project.top,
            display_path,
            committed,
            tracked,
        )
    }

    /// What its `baseline.json` says; `None` where there is none.
    pub fn baseline(&self) -> Result<Option<Baseline>, Error> {
        self.baseline_file()?.parse()
    }

    /// What a commit of it can lack; of a commit, nothing.
    pub async fn uncommitted(&self) -> Result<Uncommitted, Error> {
        let mut uncommitted = Uncommitted::default();
        let repository = self.session.project.repository.as_ref();
        if let Some(repository) = repository.filter(|_| !self.checkout.is_commit()) {
            for change in repository.changes(self.session.interrupt).await? {
                let inside = |entry: &Entry| entry.path.starts_with(&change.path);
                if change.submodule && !self.base.entries.iter().any(inside) {
                    uncommitted.submodules.push(change.path);
                } else if change.hidden && self.is_source(&change.path) {
                    uncommitted.hidden.push(change.path);
                } else if change.intended && self.base.contains(&change.path) {
                    uncommitted.intended.push(change.path);
                }
            }
        }
        Ok(uncommitted)
    }

    /// Whether the tracked file at `path` is staged where it is there.
    fn is_source(&self, path: &Path) -> bool {
        self.rules.why_left_out(path, true, None).is_none()
    }

    /// The same version with `files` as the commit that it stands at has them.
    pub async fn with_committed(&self, files: &[PathBuf]) -> Result<Self, Error> {
        let committed = Self::commit(self.session, "HEAD").await?;
        let folder = TemporaryFolder::new().map_err(|error| {
            Error::file(Kind::Source, "make", "a folder for the copy", &error)
                .hint("TMPDIR says where it goes")
        })?;
        let (mut ours, mut theirs) = (self.base.clone(), committed.base.clone());
        let replaced = |entry: &Entry| files.iter().any(|file| entry.path.starts_with(file));
        ours.entries.retain(|entry| !replaced(entry));
        theirs.entries.retain(replaced);
        let mut base = ours.with(&theirs.entries);
        base.top = folder.path().to_owned();
        let interrupt = self.session.interrupt.clone();
        let place = base.top.clone();
        blocking(move || {
            let stop = || interrupt.signal().is_some();
            stage::copy(&ours, &place, &stop, &|_| ())?;
            stage::copy(&theirs, &place, &stop, &|_| ())
        })
        .await
        .map_err(|error| stopped(self.session, error))?;
        let commit = committed.head.revision.as_deref().unwrap_or_default();
        let project = &self.session.project;
        Ok(Self {
            checkout: Checkout::commit(project, "HEAD", commit, folder)?,
            base,
            ..self.without(&[])
        })
    }

    /// The same version without some of its files.
    #[must_use]
    pub fn without(&self, files: &[PathBuf]) -> Self {
        let mut base = self.base.clone();
        base.entries.retain(|entry| !files.contains(&entry.path));
        Self {
            session: self.session,
            checkout: Arc::clone(&self.checkout),
            rules: self.rules.clone(),
            base,
            baseline_tracked: self.baseline_tracked,
            head: self.head.clone(),
            send_ahead: OnceLock::new(),
            plain: OnceCell::new(),
            warned: OnceCell::new(),
        }
    }
}

/// The host that the file at `path` makes, in a flake in `dir`.
fn host_of(dir: &Path, path: &Path) -> Option<String> {
    word(folder_of_host(dir, path)?).ok()
}

/// The folder below `hosts/` whose `default.nix` is at `path`.
fn folder_of_host<'p>(dir: &Path, path: &'p Path) -> Option<&'p str> {
    let inside = path.strip_prefix(dir).ok()?.to_str()?;
    let folder = inside
        .strip_prefix(HOSTS)?
        .strip_prefix('/')?
        .strip_suffix("/default.nix")?;
    (!folder.contains('/')).then_some(folder)
}

#[cfg(test)]
mod tests;
