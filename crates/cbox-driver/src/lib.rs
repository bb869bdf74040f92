//! What cbox does, as a library without a terminal and without a command line.

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
pub mod nearest;
pub mod options;
pub mod progress;
pub mod report;
pub mod reporter;
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
