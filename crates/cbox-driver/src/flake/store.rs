//! A tree on its way into the store, and safe there from the garbage collector.
//!
//! One conversation with the store's daemon does both: the tree goes there in one write, and
//! stays as long as the conversation lasts. Where no daemon can be spoken to, `nix store add`
//! takes a copy of the tree, which nothing holds.

use std::sync::Arc;

use cbox_nix::{
    NixError,
    nix::{Nix, Staged},
    temporary::TemporaryFolder,
    worker_protocol::{Connection, Fault},
};
use cbox_source::{
    SourceError,
    stage::{self, Hashed},
    tree::Tree,
};
use tokio::sync::Mutex;

use super::{session::Session, snapshot::stopped};
use crate::{
    error::{Error, Kind, Source},
    process::blocking::blocking,
    progress::{
        Event,
        follow::{Called, Watch, follow},
    },
    text::count,
};

/// The name that Nix itself gives to the source of a flake.
pub(super) const NAME: &str = "source";

/// The conversation that the trees of a run share: whoever holds a clone of it holds them all.
#[derive(Debug, Clone, Default)]
pub struct StoreConnection(Arc<Mutex<Option<Connection>>>);

/// A tree that is to be in the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Staging<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) nix: &'a Nix,
    pub(super) tree: &'a Tree,
    pub(super) staged: &'a Staged,
}

impl StoreConnection {
    /// Hashes a tree while it goes into the store, where it is held from then on. Where it
    /// cannot go there so, it has no hash yet: [`StoreConnection::put`] tells why, if it is
    /// still wanted.
    pub(super) async fn send(
        &self,
        session: &Session<'_>,
        nix: &Nix,
        tree: &Tree,
    ) -> Result<Option<Hashed>, Error> {
        let mut connection = self.0.lock().await;
        match hash_through_daemon(session, nix, tree, connection.take()).await {
            Ok(Ok((hashed, open))) => {
                tracing::debug!("the tree went to the store while it was hashed");
                *connection = Some(open);
                Ok(hashed)
            }
            Ok(Err(error)) => Err(stopped(session, error)),
            Err(error) => match Error::from(error) {
                error if error.is_interrupted() => Err(error),
                error => {
                    tracing::debug!("{}; the tree is hashed first", error.message);
                    Ok(None)
                }
            },
        }
    }

    /// Puts a tree into the store, unless it is there, and holds it.
    pub(super) async fn put(&self, staging: &Staging<'_>) -> Result<(), Error> {
        let mut connection = self.0.lock().await;
        match staging.through_daemon(&mut connection).await {
            Ok(put) => put,
            Err(NixError::Daemon(fault)) if fault.is_of_the_protocol() => {
                tracing::debug!("{fault}; `nix store add` takes a copy instead, held by nothing");
                staging.by_copy().await
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Hashes `tree` while it goes to the daemon, over `known` or a new connection, which stays open.
async fn hash_through_daemon(
    session: &Session<'_>,
    nix: &Nix,
    tree: &Tree,
    known: Option<Connection>,
) -> Result<Result<(Option<Hashed>, Connection), SourceError>, NixError> {
    let mut open = match known {
        Some(known) => known,
        None => connect(nix).await?,
    };
    let sent = tree.clone();
    let sending = move |watch: &Watch<'_>| {
        let mut hashed = None;
        let added = open.add(NAME, |archive| {
            let now = stage::hash_and_archive(&sent, archive, watch.stop, watch.progress)?;
            hashed = Some(now);
            Ok(())
        })?;
        Ok::<_, Fault>(added.map(|_path| (hashed, open)))
    };
    Ok(follow_files(session, tree, &adding(tree), sending).await?)
}

/// Opens a connection to the daemon.
async fn connect(nix: &Nix) -> Result<Connection, NixError> {
    let (conversation, interrupt) = (nix.daemon()?, nix.interrupt().clone());
    Ok(blocking(move || Connection::open(conversation, &interrupt)).await?)
}

/// Does `work` on the bytes of all files of `tree`, which is shown as `what`.
async fn follow_files<T: Send + 'static, E: Send + 'static>(
    session: &Session<'_>,
    tree: &Tree,
    what: &str,
    work: impl FnOnce(&Watch<'_>) -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let Session {
        reporter,
        interrupt,
        ..
    } = session;
    let called = Called {
        what,
        title: None,
        done: None,
    };
    follow(*reporter, interrupt, called, tree.size(), work).await
}

fn files(tree: &Tree) -> String {
    count(tree.entries.len(), "file")
}

fn adding(tree: &Tree) -> String {
    format!("adding {} to the store", files(tree))
}

impl Staging<'_> {
    /// Puts it there over `connection`, which is opened if there is none and stays open.
    async fn through_daemon(
        &self,
        connection: &mut Option<Connection>,
    ) -> Result<Result<(), Error>, NixError> {
        let (mut open, is_valid) = self.hold(connection.take()).await?;
        if is_valid {
            *connection = Some(open);
            return Ok(Ok(()));
        }
        let tree = self.tree.clone();
        let sending = move |watch: &Watch<'_>| {
            let added = open.add(NAME, |archive| {
                stage::archive(&tree, archive, watch.stop, watch.progress)
            });
            added.map(|added| (added, open))
        };
        let adding = adding(self.tree);
        let (added, open) = follow_files(self.session, self.tree, &adding, sending).await?;
        Ok(match added {
            Ok(path) if path == self.staged.path.as_str() => {
                *connection = Some(open);
                Ok(())
            }
            Ok(_) => Err(self.changed()),
            Err(error) => Err(stopped(self.session, error)),
        })
    }

    /// Holds its path over `known`, or over a new connection where there is none or that has
    /// ended, and says whether it is valid.
    async fn hold(&self, known: Option<Connection>) -> Result<(Connection, bool), NixError> {
        let hold = |mut connection: Connection, path: String| {
            let is_valid = connection.hold(&path)?;
            Ok::<_, Fault>((connection, is_valid))
        };
        let path = || self.staged.path.as_str().to_owned();
        if let Some(known) = known {
            let path = path();
            match blocking(move || hold(known, path)).await {
                Err(Fault::Lost(why)) => tracing::debug!("{}", Fault::Lost(why)),
                held => return Ok(held?),
            }
        }
        let (open, path) = (connect(self.nix).await?, path());
        Ok(blocking(move || hold(open, path)).await?)
    }

    /// Puts a copy of it there with `nix store add`, unless it is there.
    async fn by_copy(&self) -> Result<(), Error> {
        let path = self.staged.path.as_str();
        // A look saves a process, and says no only when the answer is no.
        if self.nix.store.holds(path) != Some(false) && self.nix.is_valid(&[path]).await? {
            return Ok(());
        }
        let folder = TemporaryFolder::new().map_err(|error| {
            Error::file(Kind::Source, "make", "a folder for the staged copy", &error)
                .hint("set TMPDIR to a folder that can hold it")
        })?;
        let (tree, place) = (self.tree.clone(), folder.path().join(NAME));
        let staging = format!("staging {}", files(self.tree));
        let copying =
            move |watch: &Watch<'_>| stage::copy(&tree, &place, watch.stop, watch.progress);
        follow_files(self.session, self.tree, &staging, copying)
            .await
            .map_err(|error| stopped(self.session, error))?;
        let adding = adding(self.tree);
        self.session.reporter.report(Event::Briefly(&adding));
        let copy = folder.path().join(NAME);
        match self.nix.add(&copy, &self.staged.path).await? {
            true => Ok(()),
            false => Err(self.changed()),
        }
    }

    /// Another path than the hash gives it: some file is not as it was when that was read.
    fn changed(&self) -> Error {
        let changed = SourceError::Changed(self.tree.top.clone());
        Error::new(Kind::Source, "the tree changed while it was staged")
            .hint("run cbox again once nothing writes to the tree")
            .from_source(Source::Tree(Arc::new(changed)))
    }
}
