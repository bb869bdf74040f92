//! What the store says of the links: what it still has, how big that is, and which links
//! are roots. Where Nix cannot be asked, what can be seen from here counts.

use std::collections::BTreeSet;

use cbox_nix::{nix::Nix, store::Store};
use nix_formats::closure::PathInfos;

use super::{Entry, roots::Roots};
use crate::{error::Error, flake::session::Session, process::options::NixArguments};

/// The store of one run.
#[derive(Debug)]
pub struct StoreQuery {
    /// The store that keeps what the links point to.
    pub store: Store,
    nix: Option<Nix>,
    roots: Roots,
}

impl StoreQuery {
    /// Asks Nix where its store is. One that does not answer is told to the user.
    ///
    /// # Errors
    /// When a signal comes.
    pub async fn find(session: &Session<'_>) -> Result<Self, Error> {
        let environment = session.environment;
        let nix = match session.evaluator(&NixArguments::default()).await {
            // Links lead to what can be read here.
            Ok(evaluator) => Some(evaluator.nix.here()),
            Err(error) => {
                unknown(session, &error)?;
                None
            }
        };
        let usual = || {
            let uri = session.options.store.as_deref().unwrap_or("auto");
            Store::to_evaluate_in(uri, environment.nix_store_dir.as_deref())
        };
        let store = nix.as_ref().map_or_else(usual, |nix| nix.store.clone());
        let roots = Roots::of(&store, environment);
        Ok(Self { store, nix, roots })
    }

    /// Whether the link is a root of the garbage collector; `None` when that cannot be seen.
    pub fn is_root(&self, entry: &Entry) -> Option<bool> {
        self.roots.holds(&entry.path)
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
