//! Nix's formats as values: the names of store paths, derivations (ATerm), archives
//! (NAR) and their hashes, nixbase32, text of the Nix language, and how numbers and strings
//! are sent to a store.
//!
//! Nothing here reads a file, starts a process or knows what for: what is parsed is
//! given as bytes, and what is written comes back as bytes. What Nix itself would refuse
//! is an error that says where.
//!
//! ```
//! use nix_formats::store_path::{DEFAULT_STORE_DIR, StorePath};
//!
//! let text = "/nix/store/0c0dzyrk8b8vrgbjkj4vdx4gvp6snk9b-zlib-1.3.2";
//! let path = StorePath::from_absolute_path(text, DEFAULT_STORE_DIR)?;
//! assert_eq!(path.name(), "zlib-1.3.2");
//! # Ok::<(), nix_formats::store_path::NotAStorePath>(())
//! ```

pub mod closure;
pub mod derivation;
pub mod flake_lock;
pub mod nar;
pub mod nix_text;
pub mod nixbase32;
pub mod package_name;
pub mod packages;
pub mod store_path;
pub mod system;
pub mod version;
pub mod wire;
