//! Where the store is: how Nix names it, and where its files can be read.

use std::path::{Path, PathBuf};

use nix_formats::store_path::DEFAULT_STORE_DIR;

/// A store as far as cbox has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The setting `store`, as Nix has it: `auto`, `/srv/other`, `ssh-ng://host`.
    pub uri: String,
    /// The directory that every store path begins with.
    pub dir: String,
    /// What stands before `dir` where the files are; `None` for a store on another
    /// machine, whose files cannot be read.
    root: Option<PathBuf>,
    /// Where it keeps its database and roots, where the URI says so.
    state: Option<String>,
}

/// Where the usual store keeps its database and roots.
const DEFAULT_STATE_DIR: &str = "/nix/var/nix";

impl Store {
    /// Understands a store's URI. `store_dir` is the value of `NIX_STORE_DIR`, which Nix
    /// takes for its default.
    ///
    /// Source: the Nix manual, "Store types"; what is not known there counts as another
    /// machine, for which everything is asked of Nix.
    #[must_use]
    pub fn from_uri(uri: &str, store_dir: Option<&str>) -> Self {
        let default_dir = store_dir.unwrap_or(DEFAULT_STORE_DIR);
        let (place, query) = uri.split_once('?').unwrap_or((uri, ""));
        let parameter = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find_map(|(key, value)| (key == name && !value.contains('%')).then_some(value))
        };
        let dir = parameter("store").unwrap_or(default_dir).to_owned();
        let root = match place {
            "" | "auto" | "local" | "daemon" => Some(parameter("root").unwrap_or("")),
            _ if place.starts_with("unix://") => Some(parameter("root").unwrap_or("")),
            _ if place.starts_with('/') => Some(place),
            _ => place
                .strip_prefix("local://")
                .filter(|root| root.starts_with('/')),
        };
        // `real` names the folder of the files outright; rare, and then Nix is asked.
        let root = root.filter(|_| parameter("real").is_none());
        Self {
            uri: uri.to_owned(),
            dir,
            state: parameter("state").map(str::to_owned),
            root: root.map(|root| PathBuf::from(root.trim_end_matches('/'))),
        }
    }

    /// Where the files of `store_path` are; `None` for a store that cannot be read.
    #[must_use]
    pub fn physical(&self, store_path: &str) -> Option<PathBuf> {
        let root = self.root.as_ref()?;
        let mut place = root.clone().into_os_string();
        place.push(store_path);
        Some(place.into())
    }

    /// The folder in which the store registers links elsewhere as roots of the garbage
    /// collector; `None` for a store on another machine. `state_dir` is the value of
    /// `NIX_STATE_DIR`, which counts for the usual store.
    ///
    /// Source: the Nix manual, "Garbage Collector Roots" and "Local Store".
    #[must_use]
    pub fn indirect_roots(&self, state_dir: Option<&str>) -> Option<PathBuf> {
        let root = self.root.as_ref()?;
        let state = match &self.state {
            Some(state) => PathBuf::from(state),
            None if root.as_os_str().is_empty() => state_dir.unwrap_or(DEFAULT_STATE_DIR).into(),
            None => root.join(DEFAULT_STATE_DIR.trim_start_matches('/')),
        };
        Some(state.join("gcroots/auto"))
    }

    /// What stands before store paths in messages of Nix about files; empty for the usual store.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new(""))
    }

    /// Whether the file of `store_path` is there; `None` when only Nix can say.
    #[must_use]
    pub fn holds(&self, store_path: &str) -> Option<bool> {
        Some(self.physical(store_path)?.symlink_metadata().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_say_where_the_files_are() {
        let physical = |uri: &str| Store::from_uri(uri, None).physical("/nix/store/x");
        let usual = Some(PathBuf::from("/nix/store/x"));
        for uri in [
            "auto",
            "daemon",
            "local",
            "",
            "unix:///run/nix.socket",
            "local?read-only=true",
        ] {
            assert_eq!(physical(uri), usual, "{uri}");
        }
        let other = Some(PathBuf::from("/srv/a/nix/store/x"));
        for uri in ["/srv/a", "/srv/a/", "local?root=/srv/a", "local:///srv/a"] {
            assert_eq!(physical(uri), other, "{uri}");
        }
        for uri in [
            "ssh-ng://host",
            "https://cache",
            "s3://b",
            "local?root=%2Fa&real=/b",
            "./rel",
        ] {
            assert_eq!(physical(uri), None, "{uri}");
        }
    }

    #[test]
    fn roots_are_registered_beside_the_database() {
        let roots = |uri: &str, state: Option<&str>| {
            let roots = Store::from_uri(uri, None).indirect_roots(state)?;
            Some(roots.display().to_string())
        };
        let is = |path: &str| Some(path.to_owned());
        assert_eq!(roots("auto", None), is("/nix/var/nix/gcroots/auto"));
        assert_eq!(roots("auto", Some("/s")), is("/s/gcroots/auto"));
        let other = is("/srv/a/nix/var/nix/gcroots/auto");
        assert_eq!(roots("/srv/a", Some("/s")), other);
        assert_eq!(roots("local?state=/b", Some("/s")), is("/b/gcroots/auto"));
        assert_eq!(roots("ssh-ng://host", Some("/s")), None);
    }

    #[test]
    fn the_store_directory_is_part_of_the_answer() {
        assert_eq!(Store::from_uri("auto", None).dir, "/nix/store");
        assert_eq!(
            Store::from_uri("auto", Some("/gnu/store")).dir,
            "/gnu/store"
        );
        assert_eq!(
            Store::from_uri("local?store=/other/store", Some("/gnu/store")).dir,
            "/other/store"
        );
    }
}
