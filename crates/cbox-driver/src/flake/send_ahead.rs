//! A large tree that is likely to be new goes into the store while it is hashed: its files are
//! read once, and writing begins at once.
//!
//! Whether it is new is known only with the hash, so this is a guess, by what was seen of the
//! files before they were read. Where the guess is wrong, nothing else is. A tree that was there
//! is written and removed for nothing, which takes longer than a new one: after a
//! file was saved as it was, or a change undone, and others are left that are not committed. One
//! that was not there is put there behind its hash, as a small one always is.

use std::os::unix::ffi::OsStrExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{nix::Nix, remembered};
use cbox_source::{
    stage::{self, Hashed},
    tree::{Kind, Tree},
};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{session::Session, snapshot::stopped, store::StoreConnection};
use crate::{error::Error, process::blocking::blocking};

/// With fewer files, hashing takes less than a twentieth of a second.
pub(crate) const LARGE: usize = 2_000;

/// Where the trees of a version are sent.
#[derive(Debug, Clone)]
pub(crate) struct SendAhead {
    /// Nix, as they will be evaluated.
    pub(crate) nix: Nix,
    /// What they are put into the store by, and held there.
    pub(crate) connection: StoreConnection,
}

impl SendAhead {
    /// Hashes `tree`, and sends it if it is likely to be new. It has the files of `commit`, if
    /// there is one.
    pub(super) async fn hash(
        &self,
        session: &Session<'_>,
        tree: Tree,
        commit: Option<String>,
    ) -> Result<(Tree, Hashed), Error> {
        if tree.entries.len() < LARGE {
            return hash(session, tree).await;
        }
        let cache = session.environment.cache.clone();
        let looked = blocking(move || {
            let mut marks = vec![seen(&tree, None)];
            marks.extend(commit.map(|commit| seen(&tree, Some(&commit))));
            let all = marks.len();
            marks.retain(|mark| !is_marked(&cache, mark));
            let is_new = marks.len() == all && !is_marked(&cache, &outline(&tree));
            Ok::<_, Error>((tree, marks, is_new))
        });
        let (tree, marks, is_new) = looked.await?;
        let sent = match is_new {
            true => self.connection.send(session, &self.nix, &tree).await?,
            false => None,
        };
        let (tree, hashed) = match sent {
            Some(hashed) => (tree, hashed),
            None => hash(session, tree).await?,
        };
        let cache = &session.environment.cache;
        marks.iter().for_each(|new| mark(cache, new));
        Ok((tree, hashed))
    }
}

/// Hashes `tree`.
pub(super) async fn hash(session: &Session<'_>, tree: Tree) -> Result<(Tree, Hashed), Error> {
    let interrupt = session.interrupt.clone();
    blocking(move || {
        let hashed = stage::hash(&tree, &|| interrupt.signal().is_some())?;
        Ok((tree, hashed))
    })
    .await
    .map_err(|error| stopped(session, error))
}

/// Remembers that there are evaluations which do not read every file of `tree`, so a change of
/// what is in its files may need no evaluation.
pub(crate) fn expect_unread(cache: &Utf8Path, tree: &Tree) {
    if tree.entries.len() >= LARGE {
        mark(cache, &outline(tree));
    }
}

/// A hash of what was seen of the files: it is another whenever one was written. Of a commit,
/// when each was written tells nothing, but they are what they were.
fn seen(tree: &Tree, commit: Option<&str>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(commit.unwrap_or("what is not committed"));
    for entry in &tree.entries {
        hasher.update(entry.path.as_os_str().as_bytes());
        hasher.update([0]);
        hasher.update(entry.size().to_le_bytes());
        if commit.is_none() {
            hasher.update(entry.changed_at.to_le_bytes());
        }
    }
    HEXLOWER.encode(&hasher.finalize())
}

/// A hash of the paths and of what is at each, whatever is in it.
fn outline(tree: &Tree) -> String {
    let mut hasher = Sha256::new();
    for entry in &tree.entries {
        hasher.update(entry.path.as_os_str().as_bytes());
        hasher.update(match entry.kind {
            Kind::File { executable, .. } => [0, u8::from(executable)],
            Kind::Symlink => [0, 2],
        });
    }
    HEXLOWER.encode(&hasher.finalize())
}

/// Whether there is such a mark. One that is damaged is none.
fn is_marked(cache: &Utf8Path, mark: &str) -> bool {
    let read = remembered::read(&folder(cache).join(mark), mark);
    matches!(read, Ok(Some(_)))
}

/// Makes a mark. Without it, the next guess is worse.
fn mark(cache: &Utf8Path, mark: &str) {
    let folder = folder(cache);
    let written = remembered::write(&folder.join(mark), mark, b"")
        .and_then(|()| remembered::forget_oldest(&folder));
    if let Err(error) = written {
        tracing::debug!("that a tree was seen is not remembered: {error}");
    }
}

fn folder(cache: &Utf8Path) -> Utf8PathBuf {
    cache.join("large-trees")
}
