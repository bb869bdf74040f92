//! Store paths: `/nix/store/<32 characters>-<name>`, read, and computed for sources.
//!
//! Source of the rules: the Nix manual, "Store path" and its specification of the
//! fingerprint. Names follow the crate `nix-compat` where it has them.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{derivation::EXTENSION, nar::NarHash, nixbase32};

/// Where a store keeps its paths, as the paths themselves say it: `/nix/store`
/// nearly always, and not where a store elsewhere keeps the files.
pub const DEFAULT_STORE_DIR: &str = "/nix/store";

/// The number of bytes in the hash part of a store path.
const DIGEST_SIZE: usize = 20;

/// Why a text is no store path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a store path below {store_dir}")]
pub struct NotAStorePath {
    text: String,
    store_dir: String,
}

/// A whole store path. Made only from valid text, so it has a hash part and a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StorePath(String);

impl StorePath {
    /// Reads an absolute path that is directly below `store_dir`.
    ///
    /// # Errors
    /// When the text is not of the form `<store dir>/<32 base 32 digits>-<name>`.
    pub fn from_absolute_path(text: &str, store_dir: &str) -> Result<Self, NotAStorePath> {
        let refused = || NotAStorePath {
            text: text.to_owned(),
            store_dir: store_dir.to_owned(),
        };
        let base = text
            .strip_prefix(store_dir)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(refused)?;
        let (digest, name) = base.split_once('-').ok_or_else(refused)?;
        let named = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte));
        let hashed = digest.len() == 32 && nixbase32::decode(digest).is_some();
        if named && hashed {
            Ok(Self(text.to_owned()))
        } else {
            Err(refused())
        }
    }

    /// The path that `nix store add --name <name>` gives to a tree with this NAR
    /// hash: a function of the three alone, so it is known before the tree is
    /// copied anywhere.
    #[must_use]
    pub fn of_source(nar_hash: &NarHash, name: &str, store_dir: &str) -> Self {
        let fingerprint = format!("source:sha256:{}:{store_dir}:{name}", nar_hash.to_base16());
        let digest = compress(&Sha256::digest(fingerprint));
        Self(format!("{store_dir}/{}-{name}", nixbase32::encode(&digest)))
    }

    /// The path as Nix writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the store directory: `<hash>-<name>`.
    #[must_use]
    pub fn base_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The name behind the hash part.
    #[must_use]
    pub fn name(&self) -> &str {
        self.base_name()
            .split_once('-')
            .map_or(self.base_name(), |(_, name)| name)
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Folds a hash to the 20 bytes of a store path by xor.
fn compress(hash: &[u8]) -> [u8; DIGEST_SIZE] {
    let mut folded = [0; DIGEST_SIZE];
    for (position, byte) in hash.iter().enumerate() {
        folded[position % DIGEST_SIZE] ^= byte;
    }
    folded
}

/// Why a text is not the path of a derivation, or not that of an output.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not the path of {what}")]
pub struct WrongPath {
    text: String,
    what: &'static str,
}

/// A kind of path in a store, which a path of another kind cannot take the place of.
macro_rules! kind_of_path {
    ($(#[$doc:meta])* $name:ident, $what:literal, $is_it:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The path as Nix writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = WrongPath;

            fn try_from(text: String) -> Result<Self, WrongPath> {
                let is_it: fn(&str) -> bool = $is_it;
                match text.starts_with('/') && is_it(&text) {
                    true => Ok(Self(text)),
                    false => Err(WrongPath { text, what: $what }),
                }
            }
        }

        impl FromStr for $name {
            type Err = WrongPath;

            fn from_str(text: &str) -> Result<Self, WrongPath> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> Self {
                path.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

kind_of_path!(
    /// The path of a `.drv` file, as Nix names it: `/nix/store/<hash>-<name>.drv`.
    DrvPath,
    "a derivation",
    |text| text.ends_with(EXTENSION)
);

kind_of_path!(
    /// The path of an output, as Nix names it: `/nix/store/<hash>-<name>`.
    OutPath,
    "an output",
    |text| !text.ends_with(EXTENSION)
);

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with one flake in it, added by `nix store add --name source`.
    #[test]
    fn the_path_of_a_source_is_nixs_own() {
        let hash =
            NarHash::from_sri("sha256-SAvzz50DHeYSbK4hyFh3JbWXF7sXQMFlMs5/1cxL800=").unwrap();
        let path = StorePath::of_source(&hash, "source", DEFAULT_STORE_DIR);
        assert_eq!(
            path.as_str(),
            "/nix/store/mm06iw6289ixf1n77s2mxmf70i68h998-source"
        );
        assert_eq!(path.name(), "source");
        assert_ne!(StorePath::of_source(&hash, "source", "/elsewhere"), path);
    }

    #[test]
    fn reads_only_store_paths() {
        let good = "/nix/store/mm06iw6289ixf1n77s2mxmf70i68h998-a-b.drv";
        let path = StorePath::from_absolute_path(good, "/nix/store").unwrap();
        assert_eq!(path.name(), "a-b.drv");
        for bad in [
            "",
            "/nix/store",
            "/nix/store/x-y",
            "/nix/store/mm06iw6289ixf1n77s2mxmf70i68h998-",
            "/nix/store/mm06iw6289ixf1n77s2mxmf70i68h998-a/b",
            "/nix/store/em06iw6289ixf1n77s2mxmf70i68h998-a",
            "/tmp/store/mm06iw6289ixf1n77s2mxmf70i68h998-a",
        ] {
            assert!(
                StorePath::from_absolute_path(bad, "/nix/store").is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_derivation_is_no_output() {
        let drv = "/nix/store/0c0dzyrk8b8vrgbjkj4vdx4gvp6snk9b-zlib-1.3.2.drv";
        let out = "/nix/store/0c0dzyrk8b8vrgbjkj4vdx4gvp6snk9b-zlib-1.3.2";
        assert_eq!(drv.parse::<DrvPath>().unwrap().as_str(), drv);
        assert_eq!(out.parse::<OutPath>().unwrap().as_str(), out);
        assert!(out.parse::<DrvPath>().is_err() && drv.parse::<OutPath>().is_err());
        assert!("zlib.drv".parse::<DrvPath>().is_err() && "zlib".parse::<OutPath>().is_err());
    }
}
