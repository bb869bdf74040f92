//! Where a store is: how Nix names it, whether it builds, and where its files can be read.

use std::path::{Path, PathBuf};

use nix_formats::{nix_text::percent_decoded, store_path::DEFAULT_STORE_DIR};

use crate::store_fault::StoreFault;

/// A store as far as cbox has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The setting `store`, as Nix has it: `auto`, `/srv/other`, `ssh-ng://host`.
    pub uri: String,
    /// The directory that every store path begins with.
    pub dir: String,
    /// Where it is on this machine; `None` for one whose files cannot be read here.
    here: Option<Here>,
}

/// Where a store of this machine has its files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Here {
    /// The folder of what is in the store.
    files: PathBuf,
    /// The folder of its database and roots; `None` for that of the usual store.
    state: Option<PathBuf>,
}

/// Nix's name for the store of this machine.
pub(crate) const USUAL: &str = "auto";

/// Where the usual store keeps its database and roots.
const DEFAULT_STATE_DIR: &str = "/nix/var/nix";

/// The schemes of stores that take and give what was built elsewhere.
const CACHES: [&str; 6] = ["http", "https", "file", "s3", "dummy", "channel"];

impl Store {
    /// Understands a store's URI. `store_dir` is the value of `NIX_STORE_DIR`, which Nix
    /// takes for its default.
    ///
    /// Source: the Nix manual, "Store types" and "Local Store"; what is not known there counts
    /// as another machine, for which everything is asked of Nix.
    #[must_use]
    pub fn from_uri(uri: &str, store_dir: Option<&str>) -> Self {
        let (place, query) = uri.split_once('?').unwrap_or((uri, ""));
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .map(|(key, value)| (percent_decoded(key), percent_decoded(value)))
                .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
        };
        let folder = |name: &str| parameter(name).map(PathBuf::from);
        let dir =
            parameter("store").unwrap_or_else(|| store_dir.unwrap_or(DEFAULT_STORE_DIR).to_owned());
        // What stands where a host would is the root, but a parameter counts before it.
        let root = match place.split_once("://") {
            None if ["", "auto", "local", "daemon"].contains(&place) => Some(String::new()),
            None => place.starts_with('/').then(|| place.to_owned()),
            Some(("local" | "local-overlay", root)) => Some(percent_decoded(root)),
            Some(("unix", _)) => Some(String::new()),
            Some(_) => None,
        };
        let root = root.filter(|root| root.is_empty() || root.starts_with('/'));
        let here = root.map(|root| {
            let named = (!root.is_empty()).then(|| PathBuf::from(root));
            let root = folder("root").or(named);
            let below = |path: &str| {
                root.as_ref()
                    .map(|root| root.join(path.trim_start_matches('/')))
            };
            Here {
                files: folder("real")
                    .or_else(|| below(DEFAULT_STORE_DIR))
                    .unwrap_or_else(|| PathBuf::from(&dir)),
                state: folder("state").or_else(|| below(DEFAULT_STATE_DIR)),
            }
        });
        Self {
            uri: uri.to_owned(),
            dir,
            here,
        }
    }

    /// The store that is evaluated in where `uri` names the one to build in: the same, or the
    /// usual one where that cannot be read here.
    #[must_use]
    pub fn to_evaluate_in(uri: &str, store_dir: Option<&str>) -> Self {
        let store = Self::from_uri(uri, store_dir);
        match store.is_here() {
            true => store,
            false => Self::from_uri(USUAL, store_dir),
        }
    }

    /// Whether its files can be read on this machine. Only such a store can be evaluated in,
    /// and only its paths can be linked.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.here.is_some()
    }

    /// Why nothing can be built in it, as far as its URI tells.
    #[must_use]
    pub fn fault(&self) -> Option<StoreFault> {
        let fault = match self.uri.split_once("://") {
            Some((scheme, _)) if CACHES.contains(&scheme) => StoreFault::Cache,
            Some(("ssh", _)) => StoreFault::Legacy,
            // Nix takes every other word without a slash for a mistake.
            None if !self.is_here() && !self.uri.contains('/') => StoreFault::Unknown,
            _ => return None,
        };
        Some(fault(self.uri.clone()))
    }

    /// Where the files of `store_path` are; `None` for a store that cannot be read.
    #[must_use]
    pub fn physical(&self, store_path: &str) -> Option<PathBuf> {
        let files = &self.here.as_ref()?.files;
        let inside = store_path.strip_prefix(&self.dir)?;
        Some(match inside.trim_start_matches('/') {
            "" => files.clone(),
            inside => files.join(inside),
        })
    }

    /// The store's own name for a place among its files; `None` for a place elsewhere.
    #[must_use]
    pub fn logical(&self, place: &str) -> Option<String> {
        let files = self.here.as_ref().and_then(|here| here.files.to_str());
        let inside = files.and_then(|files| place.strip_prefix(files));
        let inside = inside.or_else(|| place.strip_prefix(&self.dir))?;
        inside
            .starts_with('/')
            .then(|| format!("{}{inside}", self.dir))
    }

    /// The folder in which the store registers links elsewhere as roots of the garbage
    /// collector; `None` for a store on another machine. `state_dir` is the value of
    /// `NIX_STATE_DIR`, which counts for the usual store.
    ///
    /// Source: the Nix manual, "Garbage Collector Roots" and "Local Store".
    #[must_use]
    pub fn indirect_roots(&self, state_dir: Option<&str>) -> Option<PathBuf> {
        let state = self.here.as_ref()?.state.clone();
        let state = state.unwrap_or_else(|| state_dir.unwrap_or(DEFAULT_STATE_DIR).into());
        Some(state.join("gcroots/auto"))
    }

    /// What stands before store paths in messages of Nix about files; empty for the usual store.
    #[must_use]
    pub fn root(&self) -> &Path {
        let files = self.here.as_ref().and_then(|here| here.files.to_str());
        Path::new(
            files
                .and_then(|files| files.strip_suffix(&self.dir))
                .unwrap_or(""),
        )
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
            "local://",
            "",
            "unix:///run/nix.socket",
            "local?read-only=true",
            "local?root=",
        ] {
            assert_eq!(physical(uri), usual, "{uri}");
        }
        let other = Some(PathBuf::from("/srv/a b/nix/store/x"));
        for uri in [
            "/srv/a b",
            "/srv/a b/",
            "local?root=/srv/a b",
            "local?root=%2Fsrv%2Fa%20b",
            "local?read-only=true&root=/srv/a%20b",
            "local://?root=/srv/a%20b",
            "local:///srv/a%20b",
            "local:///elsewhere?root=/srv/a%20b",
            "local?real=/srv/a%20b/nix/store",
            "daemon?root=/srv/a%20b",
        ] {
            assert_eq!(physical(uri), other, "{uri}");
        }
        for uri in [
            "ssh-ng://host",
            "https://cache",
            "s3://b",
            "./rel",
            "ssh://h?root=/a",
        ] {
            let store = Store::from_uri(uri, None);
            assert_eq!(store.physical("/nix/store/x"), None, "{uri}");
            assert!(!store.is_here(), "{uri}");
        }
    }

    #[test]
    fn what_cannot_be_built_in_is_known() {
        let fault = |uri: &str| Store::from_uri(uri, None).fault();
        for uri in ["https://cache", "file:///srv/cache", "s3://b?region=x"] {
            assert_eq!(fault(uri), Some(StoreFault::Cache(uri.to_owned())));
        }
        assert_eq!(fault("ssh://b"), Some(StoreFault::Legacy("ssh://b".into())));
        assert_eq!(fault("foo"), Some(StoreFault::Unknown("foo".into())));
        for uri in [
            "auto",
            "",
            "daemon",
            "local?root=/a",
            "/srv",
            "ssh-ng://h",
            "unix:///s",
        ] {
            assert_eq!(fault(uri), None, "{uri}");
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
        assert_eq!(
            roots("local?state=/b%20", Some("/s")),
            is("/b /gcroots/auto")
        );
        assert_eq!(roots("ssh-ng://host", Some("/s")), None);
    }

    #[test]
    fn the_store_directory_is_part_of_the_answer() {
        assert_eq!(Store::from_uri("auto", None).dir, "/nix/store");
        let other = Store::from_uri("local?root=/srv", Some("/gnu/store"));
        assert_eq!(other.dir, "/gnu/store");
        // Below a root Nix has its files there, whatever the store paths begin with.
        let file = Some(PathBuf::from("/srv/nix/store/x"));
        assert_eq!(other.physical("/gnu/store/x"), file);
        assert_eq!(other.physical("/nix/store/x"), None);
        assert_eq!(
            Store::from_uri("local?store=/other/store", Some("/gnu/store")).dir,
            "/other/store"
        );
    }

    #[test]
    fn places_have_the_names_of_the_store() {
        let logical = |uri: &str, place: &str| Store::from_uri(uri, None).logical(place);
        let is = |path: &str| Some(path.to_owned());
        assert_eq!(logical("auto", "/nix/store/x/y"), is("/nix/store/x/y"));
        assert_eq!(logical("/srv", "/srv/nix/store/x"), is("/nix/store/x"));
        assert_eq!(logical("/srv", "/nix/store/x"), is("/nix/store/x"));
        assert_eq!(logical("local?real=/r", "/r/x"), is("/nix/store/x"));
        assert_eq!(logical("/srv", "/srv/nix/stores/x"), None);
        assert_eq!(logical("ssh://h", "/home/x"), None);
        assert_eq!(Store::from_uri("/srv", None).root(), Path::new("/srv"));
        assert_eq!(Store::from_uri("auto", None).root(), Path::new(""));
    }
}
