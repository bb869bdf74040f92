//! A tree with its hash, on its way into the store.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cbox_nix::{
    NixError,
    nix::{Nix, Staged},
    regular_file,
};
use cbox_source::{
    SourceError,
    placeholder::Placeholder,
    stage::{ContentHash, Hashed},
    tree::Tree,
};
use nix_formats::store_path::StorePath;
use tokio::sync::OnceCell;

use super::{
    checkout::Checkout,
    send_ahead::hash,
    session::Session,
    store::{NAME, Staging, StoreConnection},
};
use crate::error::{Error, Kind};

/// A tree with its hash.
#[derive(Debug)]
pub struct Snapshot {
    /// Where its files come from.
    pub checkout: Arc<Checkout>,
    /// The files in it that only stand in for others.
    pub placeholders: Vec<(PathBuf, Placeholder)>,
    /// The files.
    pub tree: Tree,
    /// What is in each of them, in their order.
    pub contents: Vec<ContentHash>,
    /// The files with local settings among them.
    pub local: Vec<PathBuf>,
    /// The source in the store: its path and its hash.
    pub staged: Staged,
    /// What holds it in the store, once it is there and its lock file is found good.
    pub(crate) ready: OnceCell<StoreConnection>,
}

impl Snapshot {
    /// Hashes `tree`, which is of `checkout`. Of its files, `local` hold local settings.
    pub async fn of(
        session: &Session<'_>,
        checkout: Arc<Checkout>,
        tree: Tree,
        local: Vec<PathBuf>,
    ) -> Result<Self, Error> {
        let hashed = hash(session, tree).await;
        let hashed = hashed.map_err(|error| checkout.named(error))?;
        Ok(Self::hashed(session, checkout, hashed, local))
    }

    /// The tree with the hash of it that is known; otherwise as [`Snapshot::of`].
    pub(super) fn hashed(
        session: &Session<'_>,
        checkout: Arc<Checkout>,
        (tree, hashed): (Tree, Hashed),
        local: Vec<PathBuf>,
    ) -> Self {
        let store_dir = session.environment.nix_store_dir.as_deref();
        let store_dir = store_dir.unwrap_or(nix_formats::store_path::DEFAULT_STORE_DIR);
        Self {
            staged: Staged {
                path: StorePath::of_source(&hashed.hash, NAME, store_dir),
                nar_hash: hashed.hash,
                dir: checkout.project.dir().as_str().to_owned(),
            },
            checkout,
            placeholders: hashed.placeholders,
            contents: hashed.contents,
            tree,
            local,
            ready: OnceCell::new(),
        }
    }

    /// What is in the file at `path`, or where the symlink there leads.
    pub fn content(&self, path: &Path) -> Option<ContentHash> {
        self.contents.get(self.tree.position(path)?).copied()
    }

    /// Puts the tree into the store, unless it is there. It is held there as long as
    /// `connection` lasts.
    pub async fn add(
        &self,
        session: &Session<'_>,
        nix: &Nix,
        connection: &StoreConnection,
    ) -> Result<(), Error> {
        let staging = Staging {
            session,
            nix,
            tree: &self.tree,
            staged: &self.staged,
        };
        let added = connection.put(&staging).await;
        added.map_err(|error| self.checkout.named(error))
    }

    /// The lock file as it is staged; `None` where there is none.
    pub fn read_lock(&self) -> Result<Option<Vec<u8>>, Error> {
        let project = &self.checkout.project;
        let path = project.dir().join("flake.lock");
        if !self.tree.contains(path.as_std_path()) {
            return Ok(None);
        }
        let file = project.top.join(path);
        regular_file::read(&file).map(Some).map_err(|error| {
            self.checkout
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
