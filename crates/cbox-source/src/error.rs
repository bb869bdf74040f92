//! What can go wrong with a working tree, each with the file that it is about.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file or folder cannot be read.
    #[error("cannot {action} {}", path.display())]
    Read {
        /// What was tried: `read`, `look at`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The staged copy cannot be written.
    #[error("cannot stage {}", path.display())]
    Write {
        /// The file in the copy.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A pipe, a socket or a device where a file should be.
    #[error("{} is neither a file nor a symlink, so it cannot be staged", .0.display())]
    Special(PathBuf),
    /// A disk image would become a part of the image that is built from the tree.
    #[error("{} holds {what}, and would be a part of every image built from this tree", path.display())]
    DiskImage {
        /// The file.
        path: PathBuf,
        /// What it was recognised as.
        what: String,
    },
    /// A pattern of `cbox.toml` cannot be used.
    #[error("the pattern `{pattern}` cannot be used: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file changed while it was read.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

impl SourceError {
    /// A file at `path` that cannot be read.
    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Read {
            action: "read",
            path: path.to_owned(),
            source,
        }
    }
}
