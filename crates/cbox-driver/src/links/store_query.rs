//! What the store says of the links: what it still has, how big that is, and which links
//! are roots. Where Nix cannot be asked, what can be seen from here counts.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use cbox_nix::{nix::Nix, store::Store};
use nix_formats::closure::PathInfos;

use super::Entry;
use crate::{error::Error, flake::session::Session, process::options::NixArguments};

/// The store of one run.
#[derive(Debug)]
pub struct StoreQuery {
    /// The store that keeps what the links point to.
    pub store: Store,
    nix: Option<Nix>,
    /// The links that are registered as roots; `None` where that cannot be seen.
    roots: Option<Vec<PathBuf>>,
}

impl StoreQuery {
    /// Asks Nix where its store is. One that does not answer is told to the user.
    ///
    /// # Errors
    /// When a signal comes.
    pub async fn find(session: &Session<'_>) -> Result<Self, Error> {
        let environment = session.environment;
        let nix = match session.evaluator(&NixArguments::default()).await {
            Ok(evaluator) => Some(evaluator.nix),
            Err(error) => {
                unknown(session, &error)?;
                None
            }
        };
        let usual = || {
            let uri = session.options.store.as_deref().unwrap_or("auto");
            Store::from_uri(uri, environment.nix_store_dir.as_deref())
        };
        let store = nix.as_ref().map_or_else(usual, |nix| nix.store.clone());
        let folder = store.indirect_roots(environment.nix_state_dir.as_deref());
        let roots = folder.and_then(|folder| fs::read_dir(folder).ok());
        let links = |roots: fs::ReadDir| {
            let links = roots.flatten().map(|root| fs::read_link(root.path()));
            links.filter_map(Result::ok).collect()
        };
        Ok(Self {
            store,
            nix,
            roots: roots.map(links),
        })
    }

    /// Whether the link is a root of the garbage collector; `None` when that cannot be seen.
    pub fn is_root(&self, entry: &Entry) -> Option<bool> {
        let roots = self.roots.as_ref()?;
        let real = entry.path.parent()?.canonicalize().ok()?;
        let name: &OsStr = entry.name.as_ref();
        let is_it = |root: &PathBuf| {
            root.file_name() == Some(name) && root.parent().is_some_and(|at| is_same(at, &real))
        };
        Some(roots.iter().any(is_it))
    }

    /// The closures of all that `entries` point to, by one call of Nix; `None` where the
    /// store cannot say.
    ///
    /// # Errors
    /// When a signal comes.
    pub async fn closures(
        &self,
        session: &Session<'_>,
        entries: impl Iterator<Item = &Entry>,
    ) -> Result<Option<PathInfos>, Error> {
        let Some(nix) = &self.nix else {
            return Ok(None);
        };
        let paths = entries.filter_map(Entry::store_path);
        // One path that is gone would keep Nix from answering for the others.
        let there: BTreeSet<&str> = paths
            .filter(|path| self.store.holds(path) != Some(false))
            .collect();
        if there.is_empty() {
            return Ok(Some(PathInfos::default()));
        }
        let there: Vec<&str> = there.into_iter().collect();
        match nix.closure(&there).await {
            Ok(closures) => Ok(Some(closures)),
            Err(error) => {
                unknown(session, &error.into())?;
                Ok(None)
            }
        }
    }
}

/// Says why the store does not tell, unless a signal came.
fn unknown(session: &Session<'_>, error: &Error) -> Result<(), Error> {
    if error.is_interrupted() {
        return Err(error.clone());
    }
    let why = error.headline();
    session
        .reporter
        .warn(&format!("cannot find out what the links need: {why}"));
    Ok(())
}

/// Whether `folder` is the one whose path without symlinks is `real`.
fn is_same(folder: &Path, real: &Path) -> bool {
    folder == real || folder.canonicalize().is_ok_and(|folder| folder == real)
}
