//! How long evaluations lasted, so that the next one can say what to expect.
//!
//! One small file among cbox's caches. It is nobody's loss when it is lost.

use cbox_nix::regular_file;
use std::{collections::BTreeMap, fs, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

use crate::text::text_file;

/// How many are remembered. When there are more, all are forgotten: they come again.
const MOST: usize = 1000;

/// The file of remembered times.
#[derive(Debug, Clone)]
pub struct Durations {
    file: Utf8PathBuf,
}

/// Seconds, by flake and name.
type Known = BTreeMap<String, f64>;

impl Durations {
    /// Those below `cache`, the folder of cbox's caches.
    pub fn below(cache: &Utf8Path) -> Self {
        Self {
            file: cache.join("durations.json"),
        }
    }

    fn read(&self) -> Known {
        let text = regular_file::read(&self.file).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// How long `name` of the flake in `folder` took the last time.
    pub fn get(&self, folder: &Utf8Path, name: &str) -> Option<Duration> {
        let seconds = *self.read().get(&key(folder, name))?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Remembers how long it took.
    pub fn put(&self, folder: &Utf8Path, name: &str, time: Duration) {
        let mut known = self.read();
        if known.len() >= MOST {
            known.clear();
        }
        let seconds = (time.as_secs_f64() * 10.0).round() / 10.0;
        known.insert(key(folder, name), seconds);
        let write = || -> std::io::Result<()> {
            let parent = self.file.parent().unwrap_or(Utf8Path::new("."));
            fs::create_dir_all(parent)?;
            text_file::put(&self.file, &serde_json::to_string(&known)?)
        };
        if let Err(error) = write() {
            tracing::debug!("cannot write {}: {error}", self.file);
        }
    }
}

fn key(folder: &Utf8Path, name: &str) -> String {
    format!("{folder}#{name}")
}

#[cfg(test)]
mod tests {
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
        assert_eq!(durations.get(Utf8Path::new("/other"), "a"), None);
        fs::write(&durations.file, r#"{"/box#a":-1}"#).unwrap();
        assert_eq!(durations.get(flake, "a"), None);
        fs::write(&durations.file, "{").unwrap();
        assert_eq!(durations.get(flake, "a"), None, "a broken file is none");
        let many = (0..MOST).map(|number| (number.to_string(), 1.0));
        let many = serde_json::to_vec(&many.collect::<Known>()).unwrap();
        fs::write(&durations.file, many).unwrap();
        durations.put(flake, "a", Duration::ZERO);
        assert!(durations.read().len() <= MOST);
    }
}
