//! The evaluation cache: results of `nix eval`, so that an unchanged tree is evaluated once.
//!
//! One small JSON file for each, named by its key (see [`crate::evaluation_key`]) and
//! written in one step. A file that cannot be read counts as none: what is remembered
//! can always be found out again.

use std::{fs, io::Write as _, time::SystemTime};

use camino::{Utf8Path, Utf8PathBuf};

use crate::{NixError, expression::Evaluated};

/// How many evaluations are kept; the oldest go when there are more.
const MOST: usize = 2000;

/// The folder that holds them.
#[derive(Debug, Clone)]
pub struct EvaluationCache {
    folder: Utf8PathBuf,
    /// Of each lock file that was found good an empty file, named by its key.
    locks: Utf8PathBuf,
}

impl EvaluationCache {
    /// The evaluation cache below `cache`, the folder of cbox's caches. Nothing is made yet.
    #[must_use]
    pub fn below(cache: &Utf8Path) -> Self {
        Self {
            folder: cache.join("evaluations"),
            locks: cache.join("locks"),
        }
    }

    /// What was remembered under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Evaluated> {
        let text = fs::read(self.file(key)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Remembers `evaluated` under `key`.
    ///
    /// # Errors
    /// When the file cannot be written; nothing is lost but time.
    pub fn put(&self, key: &str, evaluated: &Evaluated) -> Result<(), NixError> {
        let file = self.file(key);
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let mut fresh = tempfile::NamedTempFile::new_in(&self.folder)?;
            fresh.write_all(&serde_json::to_vec(evaluated)?)?;
            fresh.persist(&file)?;
            forget_oldest(&self.folder)
        };
        write().map_err(|source| NixError::File {
            action: "write",
            path: file.clone(),
            source,
        })
    }

    /// Whether the lock file with this key ([`crate::lock_file::key`]) was found good.
    #[must_use]
    pub fn knows_lock(&self, key: &str) -> bool {
        self.lock(key).is_file()
    }

    /// Remembers that the lock file with this key fits. Where that cannot be written, Nix is
    /// asked again.
    pub fn remember_lock(&self, key: &str) {
        let write = || {
            fs::create_dir_all(&self.locks)?;
            fs::write(self.lock(key), "")?;
            forget_oldest(&self.locks)
        };
        if let Err(error) = write() {
            tracing::debug!("a lock file that fits is not remembered: {error}");
        }
    }

    fn lock(&self, key: &str) -> Utf8PathBuf {
        self.locks.join(key)
    }

    fn file(&self, key: &str) -> Utf8PathBuf {
        self.folder.join(format!("{key}.json"))
    }
}

/// Removes the oldest half once there are more than [`MOST`].
fn forget_oldest(folder: &Utf8Path) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, std::path::PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another cbox may have removed it in between.
        if let Ok(metadata) = entry.metadata() {
            files.push((metadata.modified()?, entry.path()));
        }
    }
    if files.len() > MOST {
        files.sort();
        for (_, file) in &files[..files.len() / 2] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluated(name: &str) -> Evaluated {
        Evaluated {
            system: "x86_64-linux".parse().unwrap(),
            host_name: Some(name.to_owned()),
            text: None,
            artifact_path: None,
            images: None,
            derivation: None,
            toplevel: None,
        }
    }

    #[test]
    fn what_is_put_is_got() {
        let folder = tempfile::tempdir().unwrap();
        let cache = EvaluationCache::below(Utf8Path::from_path(folder.path()).unwrap());
        assert_eq!(cache.get("a"), None);
        cache.put("a", &evaluated("one")).unwrap();
        cache.put("a", &evaluated("two")).unwrap();
        assert_eq!(cache.get("a"), Some(evaluated("two")));
        fs::write(cache.file("a"), "{").unwrap();
        assert_eq!(cache.get("a"), None, "a broken entry counts as none");
    }

    #[test]
    fn the_memory_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let cache = EvaluationCache::below(Utf8Path::from_path(folder.path()).unwrap());
        fs::create_dir_all(&cache.folder).unwrap();
        for number in 0..MOST {
            fs::write(cache.file(&number.to_string()), "{}").unwrap();
        }
        cache.put("new", &evaluated("new")).unwrap();
        assert!(fs::read_dir(&cache.folder).unwrap().count() < MOST * 2 / 3);
        assert!(cache.get("new").is_some());
    }

    #[test]
    fn a_memory_that_cannot_be_written_says_where() {
        let folder = tempfile::NamedTempFile::new().unwrap();
        let cache = EvaluationCache::below(Utf8Path::from_path(folder.path()).unwrap());
        let error = cache.put("a", &evaluated("one")).unwrap_err();
        assert!(error.to_string().contains("evaluations/a.json"), "{error}");
    }
}
