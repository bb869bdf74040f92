//! The working tree as cbox stages it: which files, in which form, with which hash.
//!
//! Git is the authority on what belongs to the tree; [`list`] reads its answer, and
//! walks the tree itself only where there is no repository, by the same [`pattern`]s.
//! [`rules`] adds what `cbox.toml` says and what is [`never_source`], [`tree`] looks at each
//! file once, and [`stage`] hashes what is left, finding every [`placeholder`] on the way, and
//! copies it for the store. All reading goes through [`folder`], which reads no other file. [`audit`] looks
//! in it for what must not be baked, and [`compare`] compares it with another. Nothing that
//! git ignores is walked or read, so cost does not grow with it.
//!
//! ```
//! use std::{fs, path::Path};
//!
//! use cbox_source::{list, rules::Rules, stage, tree::Tree};
//!
//! let top = tempfile::tempdir()?;
//! fs::write(top.path().join("flake.nix"), "{ outputs = _: { }; }")?;
//! fs::write(top.path().join("notes.md"), "for nobody else")?;
//!
//! // What git lists, or here, where there is no repository, what the folder has.
//! let listed = list::from_walk(top.path())?;
//! let rules = Rules::new(Path::new(""), &["*.md".to_owned()], &[], Default::default())?;
//! let tree = Tree::select(top.path(), listed, &rules, false)?;
//! assert_eq!(tree.entries.len(), 1);
//!
//! // As `nix hash path` has it of a folder with that file alone.
//! let hash = stage::hash(&tree, &|| false)?.hash;
//! assert_eq!(hash.to_string(), "sha256-8LvSFtb+w6OPSxKe1HOa+RBCNrwsh0ahTTulgsFXAVw=");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
pub mod audit_rules;
pub mod compare;
pub mod disk_image;
mod error;
pub mod folder;
pub mod list;
#[cfg(test)]
mod long_tests;
pub mod never_source;
pub mod pattern;
pub mod placeholder;
mod read_ahead;
pub mod rules;
pub mod stage;
pub mod tree;

pub use error::SourceError;
