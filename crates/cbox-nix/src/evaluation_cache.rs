//! The evaluation cache: results of `nix eval`, so that an unchanged tree is evaluated once.
//!
//! One small file for each, named by its key (see [`crate::evaluation_key`]), which it holds too
//! (see [`remembered`]). One that is damaged counts as none: what is remembered can always be
//! found out again.

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    NixError,
    expression::Evaluated,
    remembered::{self, Damage},
};

/// What is remembered of a lock file that fits.
const FITS: &[u8] = b"fits";

/// The folder that holds them.
#[derive(Debug, Clone)]
pub struct EvaluationCache {
    folder: Utf8PathBuf,
    /// Of each lock file that was found good a file, named by its key.
    locks: Utf8PathBuf,
    /// The names of the hosts of each tree.
    hosts: Utf8PathBuf,
}

impl EvaluationCache {
    /// The evaluation cache below `cache`, the folder of cbox's caches. Nothing is made yet.
    #[must_use]
    pub fn below(cache: &Utf8Path) -> Self {
        Self {
            folder: cache.join("evaluations"),
            locks: cache.join("locks"),
            hosts: cache.join("hosts"),
        }
    }

    /// What was remembered under `key`.
    ///
    /// # Errors
    /// When there is something that cannot be what was remembered.
    pub fn get(&self, key: &str) -> Result<Option<Evaluated>, Damage> {
        let text = remembered::read(&self.file(key), key)?;
        let parsed = text.map(|text| serde_json::from_slice(&text));
        parsed.transpose().map_err(|_| Damage::Form)
    }

    /// Remembers `evaluated` under `key`.
    ///
    /// # Errors
    /// When the file cannot be written; nothing is lost but time.
    pub fn put(&self, key: &str, evaluated: &Evaluated) -> Result<(), NixError> {
        let file = self.file(key);
        let write = || -> std::io::Result<()> {
            remembered::write(&file, key, &serde_json::to_vec(evaluated)?)?;
            remembered::forget_oldest(&self.folder)
        };
        write().map_err(|source| NixError::File {
            action: "write",
            path: file.clone(),
            source,
        })
    }

    /// The names of hosts that were remembered under `key`.
    ///
    /// # Errors
    /// When there is something that cannot be what was remembered.
    pub fn hosts(&self, key: &str) -> Result<Option<Vec<String>>, Damage> {
        let text = remembered::read(&self.hosts.join(key), key)?;
        let parsed = text.map(|text| serde_json::from_slice(&text));
        parsed.transpose().map_err(|_| Damage::Form)
    }

    /// Remembers the `names` of hosts under `key`. Where that cannot be written, Nix is asked
    /// again.
    pub fn put_hosts(&self, key: &str, names: &[String]) {
        let write = || -> std::io::Result<()> {
            remembered::write(&self.hosts.join(key), key, &serde_json::to_vec(names)?)?;
            remembered::forget_oldest(&self.hosts)
        };
        if let Err(error) = write() {
            tracing::debug!("the names of the hosts are not remembered: {error}");
        }
    }

    /// Whether the lock file with this key ([`crate::lock_file::key`]) was found good.
    ///
    /// # Errors
    /// When there is something that cannot be what was remembered.
    pub fn knows_lock(&self, key: &str) -> Result<bool, Damage> {
        match remembered::read(&self.lock(key), key)?.as_deref() {
            Some(FITS) => Ok(true),
            Some(_) => Err(Damage::Form),
            None => Ok(false),
        }
    }

    /// Remembers that the lock file with this key fits. Where that cannot be written, Nix is
    /// asked again.
    pub fn remember_lock(&self, key: &str) {
        let write = || {
            remembered::write(&self.lock(key), key, FITS)?;
            remembered::forget_oldest(&self.locks)
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::remembered::MOST_FILES;

    fn evaluated(name: &str) -> Evaluated {
        Evaluated {
            system: "x86_64-linux".parse().unwrap(),
            host_name: Some(name.to_owned()),
            text: None,
            artifact_path: vec![],
            variant: None,
            images: None,
            derivation: None,
            toplevel: None,
        }
    }

    #[test]
    fn what_is_put_is_got() {
        let folder = tempfile::tempdir().unwrap();
        let cache = EvaluationCache::below(Utf8Path::from_path(folder.path()).unwrap());
        assert_eq!(cache.get("a").unwrap(), None);
        cache.put("a", &evaluated("one")).unwrap();
        cache.put("a", &evaluated("two")).unwrap();
        assert_eq!(cache.get("a").unwrap(), Some(evaluated("two")));
        fs::rename(cache.file("a"), cache.file("b")).unwrap();
        assert!(matches!(cache.get("b"), Err(Damage::Key)));
        remembered::write(&cache.file("a"), "a", b"{}").unwrap();
        assert!(matches!(cache.get("a"), Err(Damage::Form)));
    }

    #[test]
    fn a_lock_that_fits_is_known_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let cache = EvaluationCache::below(Utf8Path::from_path(folder.path()).unwrap());
        assert!(!cache.knows_lock("a").unwrap());
        cache.remember_lock("a");
        assert!(cache.knows_lock("a").unwrap());
        fs::copy(cache.lock("a"), cache.lock("b")).unwrap();
        assert!(matches!(cache.knows_lock("b"), Err(Damage::Key)));
        fs::write(cache.lock("a"), "").unwrap();
        assert!(matches!(cache.knows_lock("a"), Err(Damage::Form)));
        cache.remember_lock("a");
        assert!(cache.knows_lock("a").unwrap());
    }

    #[test]
    fn names_of_hosts_are_got_as_they_were_put() {
        let folder = tempfile::tempdir().unwrap();
        let cache = EvaluationCache::below(Utf8Path::from_path(folder.path()).unwrap());
        assert_eq!(cache.hosts("a").unwrap(), None);
        let names = ["one", "two"].map(str::to_owned);
        cache.put_hosts("a", &names);
        assert_eq!(cache.hosts("a").unwrap(), Some(names.to_vec()));
        fs::copy(cache.hosts.join("a"), cache.hosts.join("b")).unwrap();
        assert!(matches!(cache.hosts("b"), Err(Damage::Key)));
        remembered::write(&cache.hosts.join("a"), "a", b"{}").unwrap();
        assert!(matches!(cache.hosts("a"), Err(Damage::Form)));
    }

    #[test]
    fn the_memory_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let cache = EvaluationCache::below(Utf8Path::from_path(folder.path()).unwrap());
        fs::create_dir_all(&cache.folder).unwrap();
        for number in 0..MOST_FILES {
            fs::write(cache.file(&number.to_string()), "{}").unwrap();
        }
        cache.put("new", &evaluated("new")).unwrap();
        assert!(fs::read_dir(&cache.folder).unwrap().count() < MOST_FILES * 2 / 3);
        assert!(cache.get("new").unwrap().is_some());
    }

    #[test]
    fn a_memory_that_cannot_be_written_says_where() {
        let folder = tempfile::NamedTempFile::new().unwrap();
        let cache = EvaluationCache::below(Utf8Path::from_path(folder.path()).unwrap());
        let error = cache.put("a", &evaluated("one")).unwrap_err();
        assert!(error.to_string().contains("evaluations/a.json"), "{error}");
    }
}
