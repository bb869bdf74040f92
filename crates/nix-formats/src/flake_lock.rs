//! `flake.lock`: which inputs it names, and what they follow.
//!
//! Whether it fits `flake.nix` is Nix's to say. Source of the format: the Nix manual, "Lock
//! files".

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::nix_text::query_value;

/// What a lock file does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LockError {
    /// The file is not a lock file.
    #[error("flake.lock cannot be read: {0}")]
    Syntax(String),
    /// There is no such input.
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

/// How many inputs are followed on one way: no lock file of use takes a hundred.
const MOST_STEPS: usize = 400;

/// A lock file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Lock {
    nodes: BTreeMap<String, Node>,
    root: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Node {
    #[serde(default)]
    inputs: BTreeMap<String, Edge>,
    locked: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Edge {
    /// The key of a node.
    Node(String),
    /// The path of the input that this one follows, from the root.
    Follows(Vec<String>),
}

/// An input, and what it is locked as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedInput {
    /// Its name, with those of the inputs that it is one of: `disko/nixpkgs`.
    pub name: String,
    /// The reference that Nix fetches it by; `None` where that is of a kind that is not known.
    pub reference: Option<String>,
    /// The hash of its files, as lock files have it.
    pub nar_hash: Option<String>,
    /// The commit.
    pub revision: Option<String>,
}

impl LockedInput {
    fn of(name: String, locked: &Map<String, Value>) -> Self {
        let text = |field: &str| locked.get(field).and_then(Value::as_str);
        Self {
            reference: reference(locked),
            nar_hash: text("narHash").map(str::to_owned),
            revision: text("rev").map(str::to_owned),
            name,
        }
    }
}

/// What is locked, as a flake reference. Source: the Nix manual, "nix flake", "Types".
fn reference(locked: &Map<String, Value>) -> Option<String> {
    let text = |field: &str| locked.get(field).and_then(Value::as_str);
    let kind = text("type")?;
    let (start, in_query): (String, &[&str]) = match kind {
        "github" | "gitlab" | "sourcehut" => {
            let (owner, repo, rev) = (text("owner")?, text("repo")?, text("rev")?);
            let parts = [owner, repo, rev].map(query_value).join("/");
            (format!("{kind}:{parts}"), &["dir", "host", "narHash"])
        }
        "git" | "hg" => (
            format!("{kind}+{}", text("url")?),
            &["dir", "narHash", "ref", "rev"],
        ),
        "tarball" | "file" => (format!("{kind}+{}", text("url")?), &["dir", "narHash"]),
        "path" => (
            format!("path:{}", query_value(text("path")?)),
            &["dir", "narHash"],
        ),
        _ => return None,
    };
    let mut reference = start;
    for field in in_query {
        if let Some(value) = text(field) {
            reference.push(if reference.contains('?') { '&' } else { '?' });
            reference.push_str(&format!("{field}={}", query_value(value)));
        }
    }
    Some(reference)
}

impl Lock {
    /// All inputs that are locked, each once, by the shortest of its names and in the order of
    /// these. Left out is what only the inputs at the paths `replaced` have.
    #[must_use]
    pub fn inputs(&self, replaced: &[&str]) -> Vec<LockedInput> {
        let mut known = BTreeSet::from([self.root.as_str()]);
        let mut found = Vec::new();
        let mut queue = VecDeque::from([(String::new(), self.root.as_str())]);
        while let Some((path, key)) = queue.pop_front() {
            let Some(node) = self.nodes.get(key) else {
                continue;
            };
            if let Some(locked) = &node.locked {
                found.push(LockedInput::of(path.clone(), locked));
            }
            for (name, edge) in &node.inputs {
                let Edge::Node(key) = edge else {
                    // It is where it leads to.
                    continue;
                };
                let path = match path.as_str() {
                    "" => name.clone(),
                    path => format!("{path}/{name}"),
                };
                if !replaced.contains(&path.as_str()) && known.insert(key) {
                    queue.push_back((path, key));
                }
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Reads a lock file; `None` stands for one that is not there, which is as good as
    /// an empty one for a flake without inputs.
    ///
    /// # Errors
    /// When it is no lock file.
    pub fn parse(text: Option<&[u8]>) -> Result<Self, LockError> {
        let Some(text) = text else {
            return Ok(Self {
                nodes: BTreeMap::from([("root".to_owned(), Node::default())]),
                root: "root".to_owned(),
            });
        };
        // In parts of a document that nobody asks for serde_json overlooks what is no text.
        let document: Result<Value, _> = serde_json::from_slice(text);
        let lock = document.and_then(serde_json::from_value);
        lock.map_err(|error| LockError::Syntax(error.to_string()))
    }

    /// The key of the node that is locked as `locked`, a JSON object.
    #[must_use]
    pub fn node_locked_as(&self, locked: &str) -> Option<String> {
        let locked = serde_json::from_str(locked).ok()?;
        let mut nodes = self.nodes.iter();
        nodes
            .find(|(_, node)| node.locked.as_ref() == Some(&locked))
            .map(|(key, _)| key.clone())
    }

    /// Whether `inner`, an input of the input at `path`, follows another one: it is then no
    /// business of the flake that is locked there.
    #[must_use]
    pub fn follows(&self, path: &str, inner: &str) -> bool {
        let Ok(node) = self.input(path) else {
            return false;
        };
        let (name, below) = inner.split_once('/').unwrap_or((inner, ""));
        match node.inputs.get(name) {
            Some(Edge::Follows(_)) => true,
            // What is below an input that was replaced itself is locked by the replacement.
            Some(Edge::Node(_)) if below.is_empty() => false,
            Some(Edge::Node(_)) => self.follows(&format!("{path}/{name}"), below),
            // `follows = ""` takes an input away.
            None => false,
        }
    }

    /// Checks that `path` (`nixpkgs`, `disko/nixpkgs`) names an input.
    ///
    /// # Errors
    /// [`LockError::UnknownInput`], with the names that there are.
    pub fn check_override(&self, path: &str) -> Result<(), LockError> {
        self.input(path).map(drop)
    }

    fn input(&self, path: &str) -> Result<&Node, LockError> {
        let mut node = self.node(&self.root)?;
        let mut steps = 0;
        for part in path.split('/') {
            let Some(edge) = node.inputs.get(part) else {
                return Err(LockError::UnknownInput {
                    name: path.to_owned(),
                    part: part.to_owned(),
                    known: node.inputs.keys().cloned().collect(),
                });
            };
            node = self.resolve(edge, &mut steps)?;
        }
        Ok(node)
    }

    /// The node that an edge leads to, `steps` after the first one of the way. An input that
    /// follows two others, each of which follows two, takes twice as many with each.
    fn resolve(&self, edge: &Edge, steps: &mut usize) -> Result<&Node, LockError> {
        *steps += 1;
        if *steps > MOST_STEPS {
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
                    node = self.resolve(edge, steps)?;
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

    #[test]
    fn what_is_no_text_is_no_lock_file() {
        for bytes in [
            &b"{\"nodes\": {\"root\": {\"x\": \"\xce\"}}, \"root\": \"root\"}"[..],
            br#"{"nodes": {"root": {"x": "\ud800"}}, "root": "root"}"#,
        ] {
            assert!(matches!(
                Lock::parse(Some(bytes)),
                Err(LockError::Syntax(_))
            ));
        }
    }

    #[test]
    fn a_tangle_of_inputs_takes_no_time() {
        let (mut root, mut inside) = (json!({ "f0": "n" }), json!({}));
        let mut nodes = json!({});
        for step in 1..60 {
            let before = step - 1;
            root[format!("f{step}")] = json!([format!("f{before}"), format!("g{before}")]);
            inside[format!("g{before}")] = json!([format!("f{before}")]);
            nodes[format!("other{step}")] = json!({});
        }
        nodes["root"] = json!({ "inputs": root });
        nodes["n"] = json!({ "inputs": inside });
        let lock = json!({ "nodes": nodes, "root": "root" }).to_string();
        let lock = Lock::parse(Some(lock.as_bytes())).unwrap();
        assert_eq!(lock.check_override("f3"), Ok(()));
        let tangled = lock.check_override("f59").unwrap_err();
        assert!(tangled.to_string().contains("in a circle"), "{tangled}");
    }

    fn lock() -> Lock {
        let value = json!({
            "version": 7,
            "root": "root",
            "nodes": {
                "root": { "inputs": { "nixpkgs": "nixpkgs", "disko": "disko", "same": ["nixpkgs"] } },
                "nixpkgs": { "locked": { "type": "path", "path": "/n" } },
                "disko": { "inputs": { "nixpkgs": ["nixpkgs"], "own": "own" } },
                "own": { "inputs": { "deep": [] } },
            },
        });
        Lock::parse(Some(value.to_string().as_bytes())).unwrap()
    }

    #[test]
    fn each_locked_input_is_named_once() {
        let hash = "sha256-a/b+c=";
        let value = json!({
            "version": 7,
            "root": "root",
            "nodes": {
                "root": { "inputs": { "nixpkgs": "nixpkgs", "disko": "disko", "same": ["nixpkgs"] } },
                "nixpkgs": { "locked": {
                    "type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "ab", "narHash": hash,
                } },
                "disko": {
                    "inputs": { "nixpkgs": ["nixpkgs"], "own": "own", "z": "nixpkgs", "lost": "lost" },
                    "locked": { "type": "git", "url": "https://x.example/d", "ref": "a b", "rev": "cd" },
                },
                "own": { "locked": { "type": "tarball", "url": "https://x.example/t?a=b", "narHash": hash } },
                "other": { "locked": { "type": "path", "path": "/a b" } },
            },
        });
        let lock = Lock::parse(Some(value.to_string().as_bytes())).unwrap();
        let references = |replaced: &[&str]| {
            let inputs = lock.inputs(replaced).into_iter();
            let shown = inputs.map(|one| format!("{} {}", one.name, one.reference.unwrap()));
            shown.collect::<Vec<_>>()
        };
        let of_nixpkgs = "nixpkgs github:NixOS/nixpkgs/ab?narHash=sha256-a/b%2Bc%3D";
        assert_eq!(
            references(&[]),
            [
                "disko git+https://x.example/d?ref=a%20b&rev=cd",
                "disko/own tarball+https://x.example/t?a=b&narHash=sha256-a/b%2Bc%3D",
                of_nixpkgs,
            ]
        );
        assert_eq!(references(&["disko"]), [of_nixpkgs]);
        let first = &lock.inputs(&["disko"])[0];
        assert_eq!(first.revision.as_deref(), Some("ab"));
        assert_eq!(first.nar_hash.as_deref(), Some(hash));
        assert_eq!(Lock::parse(None).unwrap().inputs(&[]), []);
        let unknown = reference(json!({ "type": "new" }).as_object().unwrap());
        assert_eq!(unknown, None);
    }

    #[test]
    fn overrides_name_inputs() {
        let lock = lock();
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
        assert!(Lock::parse(None).unwrap().check_override("a").is_err());
    }

    #[test]
    fn what_follows_is_told_from_what_is_locked_there() {
        let lock = lock();
        for (path, inner, follows) in [
            ("disko", "nixpkgs", true),
            ("disko", "nixpkgs/x", true),
            ("disko", "own", false),
            ("disko", "own/deep", true),
            ("disko", "own/other", false),
            ("disko", "new", false),
            ("nowhere", "nixpkgs", false),
        ] {
            assert_eq!(lock.follows(path, inner), follows, "{path}/{inner}");
        }
    }

    #[test]
    fn a_node_is_found_by_what_it_is_locked_as() {
        let found = lock().node_locked_as(r#"{"path":"/n","type":"path"}"#);
        assert_eq!(found.as_deref(), Some("nixpkgs"));
        assert_eq!(lock().node_locked_as("{}"), None);
        assert_eq!(lock().node_locked_as("x"), None);
    }

    #[test]
    fn what_is_no_lock_file_says_so() {
        let parse = |text: &str| Lock::parse(Some(text.as_bytes())).unwrap_err();
        assert!(matches!(parse(""), LockError::Syntax(_)));
        assert!(matches!(parse("{}"), LockError::Syntax(_)));
        let circle = json!({ "root": "root", "nodes": { "root": { "inputs": { "a": ["b"], "b": ["a"] } } } });
        let circle = Lock::parse(Some(circle.to_string().as_bytes())).unwrap();
        assert!(circle.check_override("a").is_err());
        let rootless = Lock::parse(Some(br#"{"nodes":{},"root":"root"}"#)).unwrap();
        assert!(rootless.check_override("a").is_err());
    }
}
