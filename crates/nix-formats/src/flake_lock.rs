//! `flake.lock`: whether it locks all that `flake.nix` declares.
//!
//! Nix mends a lock file that does not fit by fetching whatever is newest, and with
//! `--no-write-lock-file` it does so without a word that lasts: the same command would
//! give another image tomorrow. So a lock that is missing, stale or open is an error
//! here, before Nix sees it. Source of the format: the Nix manual, "Lock files".

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// The formats that Nix from 2.4 on writes and reads.
const VERSIONS: std::ops::RangeInclusive<u64> = 5..=7;

/// What keeps a lock file from being good enough to build with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LockError {
    /// There are inputs and no lock file.
    #[error("there is no flake.lock, and flake.nix has inputs ({inputs})")]
    Missing {
        /// The names of the inputs.
        inputs: String,
    },
    /// The file is not a lock file.
    #[error("flake.lock cannot be read: {0}")]
    Syntax(String),
    /// The file has a format of the future or of a distant past.
    #[error("flake.lock has version {0}, and versions 5 to 7 are understood")]
    Version(u64),
    /// An entry and its declaration differ, or one of them is not there.
    #[error("flake.lock is stale: {0}")]
    Stale(String),
    /// An entry has no hash, so its content can change.
    #[error("flake.lock does not lock input `{0}`: its entry has no narHash")]
    Unlocked(String),
    /// An override of something that is no input; Nix would only warn.
    #[error("there is no input `{name}` to override")]
    UnknownInput {
        /// The name as it was given.
        name: String,
        /// The part of it that is not known.
        part: String,
        /// The names that there are in its place.
        known: Vec<String>,
    },
}

/// An input as `flake.nix` declares it and Nix reads it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Declared {
    /// The parsed reference; `None` where it is relative or left to the input's own flake.
    pub original: Option<Map<String, Value>>,
    /// The input that it follows, as a path with slashes.
    pub follows: Option<String>,
    /// What it says of the input's own inputs.
    pub inputs: BTreeMap<String, Declared>,
}

/// A lock file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Lock {
    nodes: BTreeMap<String, Node>,
    root: String,
    version: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Node {
    #[serde(default)]
    inputs: BTreeMap<String, Edge>,
    locked: Option<Map<String, Value>>,
    original: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Edge {
    /// The key of a node.
    Node(String),
    /// The path of the input that this one follows, from the root.
    Follows(Vec<String>),
}

impl Lock {
    /// Reads a lock file; `None` stands for one that is not there, which is as good as
    /// an empty one for a flake without inputs.
    ///
    /// # Errors
    /// When it is no lock file or has an unknown version.
    pub fn parse(text: Option<&[u8]>) -> Result<Self, LockError> {
        let Some(text) = text else {
            return Ok(Self {
                nodes: BTreeMap::from([("root".to_owned(), Node::default())]),
                root: "root".to_owned(),
                version: *VERSIONS.end(),
            });
        };
        let lock: Self =
            serde_json::from_slice(text).map_err(|error| LockError::Syntax(error.to_string()))?;
        if !VERSIONS.contains(&lock.version) {
            return Err(LockError::Version(lock.version));
        }
        if !lock.nodes.contains_key(&lock.root) {
            return Err(LockError::Syntax(format!(
                "its root node `{}` is not there",
                lock.root
            )));
        }
        Ok(lock)
    }

    /// Checks that the lock holds what is declared, no less and no more, and that every
    /// entry is locked.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self, declared: &BTreeMap<String, Declared>) -> Result<(), LockError> {
        let root = self.node(&self.root)?;
        for (name, input) in declared {
            self.check_input(name, root.inputs.get(name), input)?;
        }
        if let Some(extra) = root
            .inputs
            .keys()
            .find(|name| !declared.contains_key(*name))
        {
            return Err(LockError::Stale(format!(
                "it has an entry for `{extra}`, which flake.nix does not declare"
            )));
        }
        self.check_locked()
    }

    /// Checks one input and what its declaration says of the inputs below it.
    fn check_input(
        &self,
        name: &str,
        edge: Option<&Edge>,
        declared: &Declared,
    ) -> Result<(), LockError> {
        let stale = |what: String| Err(LockError::Stale(what));
        let node = match (&declared.follows, edge) {
            // `follows = ""` takes an input away.
            (Some(follows), None) if follows.is_empty() => return Ok(()),
            (_, None) => return stale(format!("it has no entry for input `{name}`")),
            (Some(follows), Some(Edge::Follows(path))) => {
                return if path
                    .iter()
                    .map(String::as_str)
                    .eq(follows.split('/').filter(|part| !part.is_empty()))
                {
                    Ok(())
                } else {
                    stale(format!(
                        "input `{name}` follows `{}` there and `{follows}` in flake.nix",
                        path.join("/")
                    ))
                };
            }
            (Some(follows), Some(Edge::Node(_))) => {
                return stale(format!(
                    "input `{name}` follows `{follows}` in flake.nix and nothing there"
                ));
            }
            (None, Some(Edge::Follows(path))) if declared.original.is_some() => {
                return stale(format!(
                    "input `{name}` follows `{}` there and nothing in flake.nix",
                    path.join("/")
                ));
            }
            (None, Some(Edge::Follows(_))) => return Ok(()),
            (None, Some(Edge::Node(key))) => self.node(key)?,
        };
        if let Some(original) = &declared.original
            && node.original.as_ref() != Some(original)
        {
            return stale(format!("input `{name}` is declared otherwise in flake.nix"));
        }
        for (inner, input) in &declared.inputs {
            self.check_input(&format!("{name}/{inner}"), node.inputs.get(inner), input)?;
        }
        Ok(())
    }

    /// Checks that every node pins its content.
    fn check_locked(&self) -> Result<(), LockError> {
        for (key, node) in self.nodes.iter().filter(|(key, _)| **key != self.root) {
            let text = |field: &str| node.locked.as_ref()?.get(field)?.as_str();
            // A path inside the flake that declares it is pinned with that flake.
            let inside = text("type") == Some("path")
                && text("path").is_some_and(|path| !path.starts_with('/'));
            if text("narHash").is_none() && !inside {
                return Err(LockError::Unlocked(key.clone()));
            }
        }
        Ok(())
    }

    /// Checks that `path` (`nixpkgs`, `disko/nixpkgs`) names an input.
    ///
    /// # Errors
    /// [`LockError::UnknownInput`], with the names that there are.
    pub fn check_override(&self, path: &str) -> Result<(), LockError> {
        let mut node = self.node(&self.root)?;
        for part in path.split('/') {
            let Some(edge) = node.inputs.get(part) else {
                return Err(LockError::UnknownInput {
                    name: path.to_owned(),
                    part: part.to_owned(),
                    known: node.inputs.keys().cloned().collect(),
                });
            };
            node = self.resolve(edge, 0)?;
        }
        Ok(())
    }

    fn resolve(&self, edge: &Edge, depth: usize) -> Result<&Node, LockError> {
        if depth > self.nodes.len() {
            return Err(LockError::Syntax(
                "its inputs follow each other in a circle".to_owned(),
            ));
        }
        match edge {
            Edge::Node(key) => self.node(key),
            Edge::Follows(path) => {
                let mut node = self.node(&self.root)?;
                for part in path {
                    let edge = node.inputs.get(part).ok_or_else(|| {
                        LockError::Syntax(format!(
                            "an input follows `{}`, which is not there",
                            path.join("/")
                        ))
                    })?;
                    node = self.resolve(edge, depth + 1)?;
                }
                Ok(node)
            }
        }
    }

    fn node(&self, key: &str) -> Result<&Node, LockError> {
        self.nodes
            .get(key)
            .ok_or_else(|| LockError::Syntax(format!("its node `{key}` is not there")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lock(value: &Value) -> Lock {
        Lock::parse(Some(value.to_string().as_bytes())).unwrap()
    }

    fn good() -> Value {
        let github = |repo: &str| json!({ "type": "github", "owner": "o", "repo": repo });
        let locked = |repo: &str| json!({ "type": "github", "owner": "o", "repo": repo, "rev": "r", "narHash": "sha256-x" });
        json!({
            "version": 7,
            "root": "root",
            "nodes": {
                "root": { "inputs": { "nixpkgs": "nixpkgs", "disko": "disko", "same": ["nixpkgs"] } },
                "nixpkgs": { "locked": locked("nixpkgs"), "original": github("nixpkgs") },
                "disko": {
                    "inputs": { "nixpkgs": ["nixpkgs"] },
                    "locked": locked("disko"), "original": github("disko"),
                },
            },
        })
    }

    fn declared() -> Value {
        let input = |repo: &str| {
            json!({
                "original": { "type": "github", "owner": "o", "repo": repo }, "follows": null, "inputs": {},
            })
        };
        let follows = |path: &str| json!({ "original": null, "follows": path, "inputs": {} });
        let mut disko = input("disko");
        disko["inputs"]["nixpkgs"] = follows("nixpkgs");
        json!({ "nixpkgs": input("nixpkgs"), "disko": disko, "same": follows("nixpkgs") })
    }

    fn check(lock_file: &Value, declared: &Value) -> Result<(), LockError> {
        let declared: BTreeMap<String, Declared> =
            serde_json::from_value(declared.clone()).unwrap();
        lock(lock_file).check(&declared)
    }

    #[test]
    fn a_lock_that_fits_passes() {
        assert_eq!(check(&good(), &declared()), Ok(()));
        assert_eq!(Lock::parse(None).unwrap().check(&BTreeMap::new()), Ok(()));
    }

    #[test]
    fn every_way_to_be_stale_is_seen() {
        let at = |pointer: &str, value: Value| {
            let mut changed = declared();
            *changed.pointer_mut(pointer).unwrap() = value;
            check(&good(), &changed).unwrap_err().to_string()
        };
        assert!(
            at("/nixpkgs/original/repo", json!("other"))
                .contains("`nixpkgs` is declared otherwise")
        );
        assert!(
            at("/same/follows", json!("disko")).contains("follows `nixpkgs` there and `disko`")
        );
        assert!(at("/disko/inputs/nixpkgs/follows", json!("disko")).contains("`disko/nixpkgs`"));
        assert!(at("/nixpkgs/follows", json!("disko")).contains("nothing there"));
        let mut more = declared();
        more["new"] = more["nixpkgs"].clone();
        assert!(
            check(&good(), &more)
                .unwrap_err()
                .to_string()
                .contains("no entry for input `new`")
        );
        let mut fewer = declared();
        fewer.as_object_mut().unwrap().remove("same");
        assert!(
            check(&good(), &fewer)
                .unwrap_err()
                .to_string()
                .contains("does not declare")
        );
    }

    #[test]
    fn an_entry_without_a_hash_is_open() {
        let mut open = good();
        open["nodes"]["disko"]["locked"]
            .as_object_mut()
            .unwrap()
            .remove("narHash");
        assert_eq!(
            check(&open, &declared()),
            Err(LockError::Unlocked("disko".into()))
        );
        open["nodes"]["disko"]["locked"] = json!({ "type": "path", "path": "./sub" });
        assert_eq!(check(&open, &declared()), Ok(()));
        open["nodes"]["disko"]["locked"] = json!({ "type": "path", "path": "/sub" });
        assert!(check(&open, &declared()).is_err());
    }

    #[test]
    fn overrides_name_inputs() {
        let lock = lock(&good());
        assert_eq!(lock.check_override("nixpkgs"), Ok(()));
        assert_eq!(lock.check_override("disko/nixpkgs"), Ok(()));
        let error = lock.check_override("nixpkg").unwrap_err();
        let LockError::UnknownInput { name, part, known } = error else {
            panic!("{error}")
        };
        assert_eq!((&*name, &*part), ("nixpkg", "nixpkg"));
        assert!(known.contains(&"nixpkgs".to_owned()), "{known:?}");
        assert!(lock.check_override("disko/x").is_err());
        assert!(lock.check_override("").is_err());
    }

    #[test]
    fn what_is_no_lock_file_says_so() {
        let parse = |text: &str| Lock::parse(Some(text.as_bytes())).unwrap_err();
        assert!(matches!(parse(""), LockError::Syntax(_)));
        assert!(matches!(parse("{}"), LockError::Syntax(_)));
        assert!(matches!(
            parse(r#"{"nodes":{},"root":"root","version":7}"#),
            LockError::Syntax(_)
        ));
        assert_eq!(
            parse(r#"{"nodes":{"root":{}},"root":"root","version":99}"#),
            LockError::Version(99)
        );
        let circle = json!({ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "a": ["b"], "b": ["a"] } } } });
        assert!(lock(&circle).check_override("a").is_err());
    }
}
