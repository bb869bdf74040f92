//! Nix's worker protocol, as far as it takes to put a tree into a store in one write and to
//! keep the garbage collector from it.
//!
//! `nix daemon --stdio` speaks it for every store that can be evaluated in: the machine's
//! own, with and without a daemon, a folder, one behind ssh. `AddToStore` takes an archive
//! while it is made, needs no hash beforehand and no trust, and what it adds is a temporary
//! root for as long as the connection lasts.
//!
//! Source: Nix's `worker-protocol.hh`, `worker-protocol-connection.cc` and `daemon.cc`,
//! whose names are used here. [`client`] knows the messages, over any [`client::Transport`];
//! [`connection`] the process and its pipes.
//!
//! No crate was at hand: `nix-daemon` 0.1.1 and `nix-remote` 0.1.1 have rested since 2024,
//! the first is under the EUPL and takes whole archives into memory, the second is a proxy
//! that comes with `clap` and `anyhow`.

pub mod client;
pub mod connection;
mod messages;

pub use connection::Connection;

use std::{fmt, io};

use thiserror::Error;

use crate::Signal;

/// What a client says first.
const WORKER_MAGIC_1: u64 = 0x6e69_7863;

/// What a daemon answers to that.
const WORKER_MAGIC_2: u64 = 0x6478_696f;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Versions that differ in it do not understand each other.
    pub major: u64,
    /// Both sides speak the lesser one of theirs.
    pub minor: u64,
}

impl Version {
    /// What Nix 2.15 speaks: older daemons greet otherwise.
    const LEAST: Self = Self {
        major: 1,
        minor: 35,
    };

    /// What is spoken here: from 1.38 on both sides list their features, and none of those
    /// is of use here.
    const OWN: Self = Self {
        major: 1,
        minor: 37,
    };

    fn from_number(number: u64) -> Self {
        Self {
            major: number >> 8,
            minor: number & 0xff,
        }
    }

    fn to_number(self) -> u64 {
        self.major << 8 | self.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// What a daemon is asked to do.
#[derive(Debug, Clone, Copy)]
enum Op {
    IsValidPath = 1,
    AddToStore = 7,
    AddTempRoot = 11,
}

/// Why a conversation with a daemon ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The daemon says that it cannot do it.
    #[error("the store cannot take the source: {0}")]
    Refused(String),
    /// It speaks a version of the protocol that is not known here.
    #[error(
        "the store's daemon speaks version {found} of its protocol, where {} to {} can be spoken",
        Version::LEAST,
        Version::OWN
    )]
    Version {
        /// Its version.
        found: Version,
    },
    /// It does not speak the protocol.
    #[error("what the store's daemon says is not understood: {0}")]
    Garbled(String),
    /// It went away, with its last words.
    #[error("the connection to the store's daemon broke off{}", if .0.is_empty() { String::new() } else { format!(": {}", .0) })]
    Lost(String),
    /// A signal came.
    #[error("stopped by {0}")]
    Interrupted(Signal),
}

impl Fault {
    /// Whether another way into the store may still lead there: this store takes nothing by
    /// the protocol, or nobody speaks it here.
    #[must_use]
    pub fn is_of_the_protocol(&self) -> bool {
        match self {
            Self::Refused(message) => message.contains("is not supported by store"),
            Self::Version { .. } | Self::Garbled(_) | Self::Lost(_) => true,
            Self::Interrupted(_) => false,
        }
    }
}

/// What a transport or a bounded read says.
impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(fault) => fault,
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidData => Self::Garbled(error.to_string()),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                    Self::Lost(String::new())
                }
                _ => Self::Lost(error.to_string()),
            },
        }
    }
}
