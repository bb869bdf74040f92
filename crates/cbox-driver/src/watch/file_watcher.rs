//! FileWatcher in the working tree, as bursts: an editor that saves by renaming, or a branch
//! switch, is one.
//!
//! Only the folders that hold staged files are watched, each alone: what git ignores may
//! be large, and its changes do not matter. A change that is none (an editor's own files
//! beside the saved one) is seen by the hash of the staged tree.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, timeout, timeout_at},
};

use crate::error::{Error, Kind};

/// A burst has ended when nothing was saved for so long.
const QUIET: Duration = Duration::from_millis(50);

/// A burst that does not end is looked at all the same after so long.
const LONGEST: Duration = Duration::from_secs(2);

/// Watches folders.
#[derive(Debug)]
pub struct FileWatcher {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    /// What was saved; nothing for a hint that something was.
    paths: UnboundedReceiver<Vec<PathBuf>>,
}

/// More empty folders than these below one are no work of anybody's.
const MOST_EMPTY: usize = 100;

/// The folders in `folder`, as far as it can be read.
fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

/// `folder` and the folders below it, if there is no file in any of them.
fn empty_folders(folder: &Path) -> Vec<PathBuf> {
    let mut empty = vec![folder.to_owned()];
    let mut next = 0;
    while let Some(folder) = empty.get(next) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return vec![];
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && empty.len() < MOST_EMPTY => empty.push(entry.path()),
                _ => return vec![],
            }
        }
        next += 1;
    }
    empty
}

impl FileWatcher {
    /// Starts to watch, nothing yet.
    pub fn new() -> Result<Self, Error> {
        let (sender, paths) = unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let saved = match event {
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
                Ok(event) => event.paths,
                // Events were lost: something was saved, nobody knows what.
                Err(_) => vec![],
            };
            // Nobody listens any more once the run ends.
            let _gone = sender.send(saved);
        })
        .map_err(|error| cannot_watch(&error))?;
        Ok(Self {
            watcher,
            folders: BTreeSet::new(),
            paths,
        })
    }

    /// Watches the folders of these files below `top`, and `top`, and no others, but for
    /// empty folders beside them: git knows nothing of those, and the next file may be
    /// written there.
    pub fn watch<'f>(
        &mut self,
        top: &Path,
        files: impl Iterator<Item = &'f Path>,
    ) -> Result<(), Error> {
        let mut wanted = BTreeSet::from([top.to_owned()]);
        for file in files {
            // Every folder above counts too: a new one appears in it.
            for folder in file.ancestors().skip(1) {
                if !wanted.insert(top.join(folder)) {
                    break;
                }
            }
        }
        let empty: Vec<PathBuf> = wanted
            .iter()
            .flat_map(|folder| folders_in(folder))
            .filter(|folder| !wanted.contains(folder))
            .flat_map(|folder| empty_folders(&folder))
            .collect();
        wanted.extend(empty);
        for gone in self.folders.difference(&wanted) {
            // Its watch went with it.
            let _gone = self.watcher.unwatch(gone);
        }
        let mut watched = BTreeSet::new();
        for folder in wanted {
            let is_new = !self.folders.contains(&folder);
            if is_new && let Err(error) = self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                match error.kind {
                    // It went while it was looked at: its parent says so.
                    notify::ErrorKind::PathNotFound => continue,
                    notify::ErrorKind::Io(ref io) if io.kind() == std::io::ErrorKind::NotFound => {
                        continue;
                    }
                    _ => return Err(cannot_watch(&error)),
                }
            }
            watched.insert(folder);
        }
        self.folders = watched;
        Ok(())
    }

    /// Waits for the first save.
    pub async fn first(&mut self) -> Vec<PathBuf> {
        match self.paths.recv().await {
            Some(paths) => paths,
            None => std::future::pending().await,
        }
    }

    /// Waits for the end of the burst that began with `paths`; all that was saved in it.
    pub async fn burst(&mut self, paths: Vec<PathBuf>) -> BTreeSet<PathBuf> {
        let mut all: BTreeSet<PathBuf> = paths.into_iter().collect();
        let end = Instant::now() + LONGEST;
        let _whole = timeout_at(end, async {
            while let Ok(Some(paths)) = timeout(QUIET, self.paths.recv()).await {
                all.extend(paths);
            }
        })
        .await;
        all
    }
}

fn cannot_watch(error: &notify::Error) -> Error {
    let hint = match error.kind {
        notify::ErrorKind::MaxFilesWatch => "raise it: `sysctl fs.inotify.max_user_watches=524288`",
        _ => "",
    };
    Error::new(
        Kind::Environment,
        format!("cannot watch the working tree: {error}"),
    )
    .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(future)
    }

    async fn next(saves: &mut FileWatcher) -> BTreeSet<PathBuf> {
        let first = saves.first().await;
        saves.burst(first).await
    }

    #[test]
    fn a_burst_is_one_whatever_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir_all(top.join("target/deep")).unwrap();
        fs::write(top.join("target/deep/built"), "1").unwrap();
        fs::write(top.join("a/b/x.nix"), "1").unwrap();
        run(async {
            let mut saves = FileWatcher::new().unwrap();
            let files = [PathBuf::from("a/b/x.nix")];
            saves
                .watch(top, files.iter().map(PathBuf::as_path))
                .unwrap();
            // Nobody hears of a folder whose files are not staged.
            fs::write(top.join("target/deep/y"), "1").unwrap();
            // An editor that saves by renaming.
            fs::write(top.join("a/b/x.nix~"), "2").unwrap();
            fs::rename(top.join("a/b/x.nix~"), top.join("a/b/x.nix")).unwrap();
            let saved = next(&mut saves).await;
            assert!(saved.contains(&top.join("a/b/x.nix")), "{saved:?}");
            assert!(
                !saved
                    .iter()
                    .any(|path| path.starts_with(top.join("target/deep"))),
                "{saved:?}"
            );
            // A thousand files at once.
            for number in 0..1000 {
                fs::write(top.join(format!("a/{number}")), "x").unwrap();
            }
            let mut saved = BTreeSet::new();
            while saved.len() < 1000 {
                saved.extend(next(&mut saves).await);
            }
            // A folder that goes, and comes back.
            fs::remove_dir_all(top.join("a/b")).unwrap();
            next(&mut saves).await;
            saves.watch(top, std::iter::empty()).unwrap();
            fs::create_dir_all(top.join("a/b")).unwrap();
            fs::write(top.join("a/b/x.nix"), "3").unwrap();
            saves
                .watch(top, files.iter().map(PathBuf::as_path))
                .unwrap();
            fs::write(top.join("a/b/x.nix"), "4").unwrap();
            assert!(!next(&mut saves).await.is_empty());
        });
    }
}
