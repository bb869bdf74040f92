//! What `cbox clean` removes: which entries, in which order, and what that frees.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::temporary::Leftover;
use nix_formats::closure::PathInfos;

use super::{Entry, EntryKind, Other, Runs, StoreQuery, check_names, manifest::ManifestError};
use crate::{
    error::{Error, Kind},
    flake::session::Session,
    progress::run_log,
    target_name::TargetName,
};

/// How long what killed runs left may take to be removed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the user wants to be removed.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The targets; empty for all of them.
    pub names: &'a [TargetName],
    /// The least age.
    pub older_than: Option<Duration>,
    /// The time of this run, in seconds since 1970.
    pub now: u64,
}

/// What goes, and what stays.
#[derive(Debug, Default)]
pub struct Removal {
    /// Those that go.
    pub entries: Vec<Entry>,
    /// Those that stay since they are not wanted to go.
    pub kept: Vec<Entry>,
    /// Those that stay since cbox did not make them.
    pub others: Vec<Entry>,
    /// The logs that go.
    pub logs: Vec<Utf8PathBuf>,
    /// What killed runs left, and goes.
    pub leftovers: Vec<Leftover>,
    /// Whether logs stay since another cbox may be writing one.
    pub is_busy: bool,
}

/// What a garbage collection could take when the entries are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freed {
    /// How many store paths they need that are there.
    pub released: usize,
    /// How many of them nothing else under the folder needs.
    pub paths: usize,
    /// The size of those, in bytes.
    pub at_most: u64,
}

impl Removal {
    /// Sorts `entries` of `folder` by what is wanted. Nothing is touched.
    ///
    /// # Errors
    /// When a target is named that is not there, or that cbox did not make.
    pub fn plan(
        session: &Session<'_>,
        folder: &Utf8Path,
        entries: Vec<Entry>,
        wanted: &Wanted<'_>,
    ) -> Result<Self, Error> {
        let Wanted {
            names,
            older_than,
            now,
        } = *wanted;
        check_names(session, &entries, names)?;
        let before = older_than.map(|age| now.saturating_sub(age.as_secs()));
        let mut plan = Self::default();
        for entry in entries {
            if !entry.is_among(names) {
                plan.kept.push(entry);
                continue;
            }
            match (&entry.kind, before) {
                (EntryKind::Other { why, .. }, _) if !names.is_empty() => {
                    let link = session.environment.display_path(&entry.path);
                    return Err(
                        Error::new(Kind::Output, format!("{link} is not removed: {why}")).hint(
                            match why {
                                Other::Manifest(ManifestError::Newer(_)) => {
                                    "nothing was removed; use the cbox that made it"
                                }
                                Other::NoManifest => {
                                    "nothing was removed; build it again first, or use `rm`"
                                }
                                _ => "nothing was removed; use `rm` for what cbox did not make",
                            },
                        ),
                    );
                }
                (EntryKind::Other { .. }, _) => plan.others.push(entry),
                (EntryKind::Made(manifest) | EntryKind::Unlinked(manifest), Some(before))
                    if manifest.linked_at > before =>
                {
                    plan.kept.push(entry);
                }
                _ => plan.entries.push(entry),
            }
        }
        let runs = Runs::of(folder);
        plan.leftovers = runs.killed;
        if names.is_empty() {
            plan.logs = run_log::before(folder, before);
            plan.is_busy = runs.is_any_alive && !plan.logs.is_empty();
            if plan.is_busy {
                plan.logs.clear();
            }
        }
        Ok(plan)
    }

    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.logs.is_empty() && self.leftovers.is_empty()
    }

    /// All entries of the folder.
    pub fn all(&self) -> impl Iterator<Item = &Entry> {
        let stay = self.kept.iter().chain(&self.others);
        self.entries.iter().chain(stay)
    }

    /// What of the store nothing under the folder keeps any more. Others outside may keep it.
    pub fn freed(&self, holding: &StoreQuery, infos: &PathInfos) -> Freed {
        let stay = self.kept.iter().chain(&self.others);
        let roots = stay.filter(|entry| holding.is_root(entry) != Some(false));
        let needed = infos.needed_by(roots.filter_map(Entry::store_path));
        let released = infos.needed_by(self.entries.iter().filter_map(Entry::store_path));
        let freed: Vec<&str> = released.difference(&needed).copied().collect();
        Freed {
            released: released.len(),
            paths: freed.len(),
            at_most: infos.size_of(freed.iter().copied()),
        }
    }

    /// Removes what goes. `stop` is asked between one link with its records and the next,
    /// so that what belongs together goes together. Answers how many entries went.
    pub fn carry_out(&self, stop: &dyn Fn() -> bool) -> (usize, Result<(), Error>) {
        for (done, entry) in self.entries.iter().enumerate() {
            if stop() {
                return (done, Ok(()));
            }
            if let Err(error) = remove(entry) {
                return (done, Err(error));
            }
        }
        let end = Instant::now() + PATIENCE;
        let rest = self.leftovers.iter().try_for_each(|leftover| {
            let removed = leftover.remove(end);
            removed.map(drop).map_err(|error| {
                let path = leftover.path().display();
                Error::file(Kind::Output, "remove", path, &error)
            })
        });
        let rest = rest.and_then(|()| {
            let mut logs = self.logs.iter();
            logs.try_for_each(|log| remove_file(log))
        });
        (self.entries.len(), rest)
    }
}

/// Removes a link, and then its records: a link without them would be nobody's.
fn remove(entry: &Entry) -> Result<(), Error> {
    // Read before the link goes: it tells whose they are.
    let records = entry.records();
    if matches!(entry.kind, EntryKind::Made(_)) {
        remove_file(&entry.path)?;
    }
    records.iter().try_for_each(|record| remove_file(record))
}

fn remove_file(path: &Utf8Path) -> Result<(), Error> {
    gone(fs::remove_file(path)).map_err(|error| cannot_remove(path, &error))
}

/// What is gone already is as good as removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn cannot_remove(path: &Utf8Path, error: &io::Error) -> Error {
    Error::file(Kind::Output, "remove", path, error)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::links::read;

    #[test]
    fn a_signal_between_two_links_leaves_whole_ones() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let out = "/nix/store/00000000000000000000000000000000-x";
        for name in ["a", "b", "c"] {
            let manifest = serde_json::json!({
                "schema": 1, "target": format!("hosts/{name}"), "host": name,
                "system": "x86_64-linux", "drv": "/nix/store/x.drv", "out": out, "output": "out",
                "overrides": [], "linkedAt": 0,
                "source": {
                    "path": "s", "narHash": "h", "dirty": false, "local": [],
                    "overriddenInputs": [],
                },
                "tools": { "cbox": "0", "nix": "0" },
            });
            let link = folder.join(format!("hosts-{name}"));
            std::os::unix::fs::symlink(out, &link).unwrap();
            fs::write(format!("{link}.json"), manifest.to_string()).unwrap();
        }
        let plan = Removal {
            entries: read(folder, "/nix/store", true).unwrap(),
            logs: vec![folder.join("log")],
            ..Removal::default()
        };
        fs::write(folder.join("log"), "").unwrap();
        let asked = Cell::new(0);
        let second = || asked.replace(asked.get() + 1) == 1;
        assert_eq!(plan.carry_out(&second), (1, Ok(())));
        let left = || {
            let entries = folder.read_dir_utf8().unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().to_owned())
                .collect();
            names.sort();
            names
        };
        let whole = ["hosts-b", "hosts-b.json", "hosts-c", "hosts-c.json", "log"];
        assert_eq!(left(), whole);
        assert_eq!(plan.carry_out(&|| false), (3, Ok(())));
        assert_eq!(left(), [""; 0]);
    }
}
