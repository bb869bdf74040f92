//! What cbox does, as a library: it stages, evaluates, plans, builds, explains and records
//! NixOS images. It has no terminal and no command line; what goes on is told to a
//! [`progress::Reporter`], and results are returned.
//!
//! A [`Session`] is a flake with the options of a run. Its [`session::Evaluator`] has found
//! Nix. A [`flake::version::Version`] is the working tree or a commit, [`subject`] finds what a
//! word names in it, [`eval`] evaluates that, [`build`] builds it, and [`links`] keeps it under
//! `out/`. The other modules are a subject each: what [`verify`] compares, what [`size`]
//! measures, how [`boot`] boots.
//!
//! ```
//! use cbox_driver::{Environment, Session, options::Options, progress::Silent};
//! use cbox_nix::Interrupt;
//!
//! # let here = tempfile::tempdir()?;
//! # let folder = camino::Utf8Path::from_path(here.path()).unwrap().canonicalize_utf8()?;
//! // A flake with one host, which its folder tells of.
//! std::fs::write(folder.join("flake.nix"), "{ outputs = _: { }; }")?;
//! std::fs::create_dir_all(folder.join("hosts/box"))?;
//! std::fs::write(folder.join("hosts/box/default.nix"), "{ }")?;
//!
//! let environment = Environment { folder, ..Environment::unknown() };
//! let interrupt = Interrupt::never();
//! let session = Session::open(&environment, &Silent, &interrupt, &Options::default(), None)?;
//! assert_eq!(session.project.install_hosts(), ["box"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod blocking;
pub mod boot;
pub mod build;
pub mod ci;
pub mod diagnose;
pub mod diff;
pub mod doctor;
pub mod environment;
pub mod error;
pub mod eval;
pub mod explain;
pub mod flake;
pub mod flash;
pub mod init;
pub mod links;
pub mod machine;
pub mod matrix;
pub mod nearest;
pub mod options;
pub mod progress;
pub mod report;
pub mod session;
pub mod size;
pub mod subject;
pub mod text;
pub mod text_file;
pub mod units;
pub mod verify;
pub mod watch;

pub use environment::Environment;
pub use error::{Error, Kind};
pub use session::Session;
