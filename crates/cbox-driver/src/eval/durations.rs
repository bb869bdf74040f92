//! How long evaluations lasted, so that the next one can say what to expect, and machines can
//! share the next ones evenly.
//!
//! A small file for each among cbox's caches, so that the caches of several machines can be put
//! together file by file. It is nobody's loss when one is lost.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::remembered;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The folder of remembered times.
#[derive(Debug, Clone)]
pub struct Durations {
    folder: Utf8PathBuf,
}

impl Durations {
    /// Those below `cache`, the folder of cbox's caches. Nothing is made yet.
    pub fn below(cache: &Utf8Path) -> Self {
        Self {
            folder: cache.join("durations"),
        }
    }

    /// How long `name` of the flake in `folder` took the last time.
    pub fn get(&self, folder: &Utf8Path, name: &str) -> Option<Duration> {
        let key = key(folder, name);
        let text = remembered::read(&self.file(&key), &key).ok()??;
        let seconds: f64 = serde_json::from_slice(&text).ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Remembers how long it took.
    pub fn put(&self, folder: &Utf8Path, name: &str, time: Duration) {
        let key = key(folder, name);
        let seconds = (time.as_secs_f64() * 10.0).round() / 10.0;
        let write = || {
            remembered::write(&self.file(&key), &key, seconds.to_string().as_bytes())?;
            remembered::forget_oldest(&self.folder)
        };
        if let Err(error) = write() {
            tracing::debug!("how long {name} took is not remembered: {error}");
        }
    }

    fn file(&self, key: &str) -> Utf8PathBuf {
        self.folder
            .join(HEXLOWER.encode(&Sha256::digest(key)[..16]))
    }
}

fn key(folder: &Utf8Path, name: &str) -> String {
    format!("{folder}#{name}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn times_are_remembered_by_flake_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(folder.path()).unwrap();
        let durations = Durations::below(&cache.join("cbox"));
        let flake = Utf8Path::new("/box");
        assert_eq!(durations.get(flake, "a"), None);
        durations.put(flake, "a", Duration::from_millis(12_345));
        durations.put(flake, "b", Duration::from_secs(1));
        assert_eq!(
            durations.get(flake, "a"),
            Some(Duration::from_millis(12_300))
        );
        assert_eq!(durations.get(flake, "b"), Some(Duration::from_secs(1)));
        assert_eq!(durations.get(Utf8Path::new("/other"), "a"), None);
        let file = durations.file(&key(flake, "a"));
        for content in ["-1", "NaN", "null", ""] {
            remembered::write(&file, &key(flake, "a"), content.as_bytes()).unwrap();
            assert_eq!(durations.get(flake, "a"), None, "{content}");
        }
        fs::write(&file, "{").unwrap();
        assert_eq!(durations.get(flake, "a"), None, "a broken file is none");
        durations.put(flake, "a", Duration::ZERO);
        assert_eq!(durations.get(flake, "a"), Some(Duration::ZERO));
    }

    #[test]
    fn what_two_machines_remember_fits_into_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let one = Durations::below(&folder.join("one"));
        let other = Durations::below(&folder.join("other"));
        let flake = Utf8Path::new("/box");
        one.put(flake, "a", Duration::from_secs(3));
        other.put(flake, "b", Duration::from_secs(4));
        for file in fs::read_dir(&other.folder).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), one.folder.as_std_path().join(file.file_name())).unwrap();
        }
        assert_eq!(one.get(flake, "a"), Some(Duration::from_secs(3)));
        assert_eq!(one.get(flake, "b"), Some(Duration::from_secs(4)));
    }
}
