//! What cbox does, as a library: it stages, evaluates, plans, builds, explains and records
//! NixOS images. It has no terminal and no command line; what goes on is told to a
//! [`progress::Reporter`], and results are returned.
//!
//! A [`Session`] is a flake with the options of a run. Its [`eval::evaluator::Evaluator`] has found
//! Nix. A [`flake::version::Version`] is the working tree or a commit, [`subject`] finds what a
//! word names in it, [`eval`] evaluates that, [`build`] builds it, and [`links`] keeps it under
//! `out/`. The other modules are a subject each: what [`verify`] compares, what [`size`]
//! measures, what [`sbom`] lists, how [`boot`] boots.
//!
//! ```
//! use cbox_driver::{Environment, flake::project::Project};
//!
//! # let here = tempfile::tempdir()?;
//! # let folder = camino::Utf8Path::from_path(here.path()).unwrap().canonicalize_utf8()?;
//! // A flake with one host, which its folder tells of.
//! std::fs::write(folder.join("flake.nix"), "{ outputs = _: { }; }")?;
//! std::fs::create_dir_all(folder.join("hosts/box"))?;
//! std::fs::write(folder.join("hosts/box/default.nix"), "{ }")?;
//!
//! let environment = Environment { folder, ..Environment::unknown() };
//! let project = Project::find(&environment, None)?;
//! assert_eq!(project.install_hosts(), ["box"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod baked;
pub mod baseline;
pub mod boot;
pub mod build;
pub mod ci;
pub mod diff;
pub mod doctor;
pub mod error;
pub mod eval;
pub mod flake;
pub mod flash;
pub mod image;
pub mod init;
pub mod links;
pub mod matrix;
pub mod process;
pub mod progress;
pub mod provenance;
pub mod report;
pub mod reproduce;
pub mod sbom;
pub mod signature;
pub mod size;
pub mod subject;
pub mod target_name;
pub mod text;
mod toml_file;
pub mod verify;
pub mod watch;

pub use error::{Error, Kind};
pub use flake::session::Session;
pub use process::environment::Environment;
