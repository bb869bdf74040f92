//! The working tree as cbox stages it: which files, in which form, with which hash.
//!
//! Git is the authority on what belongs to the tree; [`list`] reads its answer, and
//! walks the tree itself only where there is no repository. [`rules`] adds what
//! `cbox.toml` says, [`tree`] looks at each file once, and [`stage`] hashes what is
//! left, finding every [`placeholder`] on the way, and copies it for the store. [`audit`] looks
//! in it for what must not be baked, and [`compare`] compares it with another. Nothing that
//! git ignores is walked or read, so cost does not grow with it.

pub mod audit;
pub mod audit_rules;
pub mod compare;
pub mod disk_image;
mod error;
pub mod list;
pub mod placeholder;
pub mod rules;
pub mod stage;
pub mod tree;

pub use error::SourceError;
