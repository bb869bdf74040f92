//! What can go wrong with nix and git, each with the command or the file it is about.

use std::io;

use camino::Utf8PathBuf;
use nix_formats::{flake_lock::LockError, nix_text::without_escapes};
use thiserror::Error;

use crate::{
    build::BuildFailure,
    derivations::DerivationFault,
    expression::Asked,
    interrupt::Signal,
    lock_file::LockFault,
    machine::MachineFault,
    nix_error::{Cause, Fault, cause},
    overrides::OverrideError,
    store_fault::StoreFault,
    worker_protocol,
};

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NixError {
    /// A program is not on the PATH.
    #[error("`{0}` is not on the PATH")]
    NotFound(String),
    /// A program cannot be started.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// A command ended with an error.
    #[error("`{command}` {status}{}", if stderr.is_empty() { String::new() } else { format!(":\n{stderr}") })]
    Failed {
        /// The command, as a shell would take it.
        command: String,
        /// How it ended: `failed with exit code 1`.
        status: String,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
        /// The last lines of what it wrote on its standard error.
        stderr: String,
    },
    /// A command gave an answer that is not understood.
    #[error("cannot understand the answer of `{command}`: {reason}")]
    Answer {
        /// The command, as a shell would take it.
        command: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// Nix does not take the options of this run, or its own configuration.
    #[error("Nix rejects its options: {0}")]
    Options(String),
    /// A store does not do what it is asked.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// What runs on a machine cannot be found out.
    #[error(transparent)]
    Machine(#[from] MachineFault),
    /// Nix is too old.
    #[error("`{found}` is too old: cbox needs Nix {least} or newer")]
    TooOld {
        /// What `nix --version` says.
        found: String,
        /// The least version.
        least: String,
    },
    /// A signal asked to stop.
    #[error("stopped by {0}")]
    Interrupted(Signal),
    /// The daemon of the store does not do what it is asked.
    #[error(transparent)]
    Daemon(worker_protocol::Fault),
    /// `flake.lock` does not fit.
    #[error(transparent)]
    Lock(#[from] LockFault),
    /// An override names no input.
    #[error(transparent)]
    Input(#[from] LockError),
    /// Overrides contradict each other.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// `flake.nix` cannot be read.
    #[error("flake.nix does not evaluate:{fault}")]
    Flake {
        /// What Nix says, positions in the staged copy.
        fault: Box<Fault>,
    },
    /// A host, or something else in the flake, does not evaluate.
    #[error("{asked} does not evaluate:{fault}")]
    Evaluation {
        /// What does not.
        asked: Asked,
        /// What Nix says, positions in the staged copy.
        fault: Box<Fault>,
    },
    /// There was too little memory to evaluate a host.
    #[error("there is not enough memory to evaluate {asked}: Nix {status}{}", if said.is_empty() { String::new() } else { format!(", and said `{said}`") })]
    Memory {
        /// What was to be evaluated.
        asked: Asked,
        /// How Nix ended: `was killed by signal 9`.
        status: String,
        /// What it said about it; empty where it could say nothing.
        said: String,
    },
    /// Nix was ended by a signal while it evaluated a host.
    #[error("{asked} was not evaluated: Nix {status}{}", if said.is_empty() { String::new() } else { format!(", and said:\n{said}") })]
    Crashed {
        /// What was to be evaluated.
        asked: Asked,
        /// How Nix ended: `was killed by signal 11`.
        status: String,
        /// Whether it was killed (SIGKILL, SIGTERM), and not by the kernel for want of memory.
        killed: bool,
        /// The last lines of what it said; empty where it said nothing.
        said: String,
    },
    /// The flake has no such host.
    #[error("the flake has no host `{host}`")]
    NoHost {
        /// The entry of `nixosConfigurations` that is not there.
        host: String,
        /// Those like it, as Nix lists them.
        near: Option<String>,
    },
    /// The host offers no image of this name.
    #[error("{}", no_variant(host, variant, names))]
    NoVariant {
        /// The entry of `nixosConfigurations`.
        host: String,
        /// The name that was asked for.
        variant: String,
        /// The names of the images that it offers.
        names: Vec<String>,
    },
    /// What a target names outside the hosts is not there, or is no derivation.
    #[error("{}", no_package(package, *exists))]
    NoPackage {
        /// The way to it from the outputs of the flake.
        package: String,
        /// Whether there is something.
        exists: bool,
    },
    /// The host's configuration has no such attribute.
    #[error("host `{host}` has no `config.{attribute}`")]
    NoAttribute {
        /// The entry of `nixosConfigurations`.
        host: String,
        /// The option path.
        attribute: String,
    },
    /// An override names an option that does not exist.
    #[error("host `{host}` has no option `{set}`{}", if set == option { String::new() } else { format!(": `{option}` does not exist") })]
    NoOption {
        /// The entry of `nixosConfigurations`.
        host: String,
        /// The option that was to be forced.
        set: String,
        /// The option as Nix names it, which may be only the first part.
        option: String,
        /// Those like it, as nixpkgs lists them.
        near: Option<String>,
    },
    /// A derivation cannot be read.
    #[error("the derivation {path} cannot be used")]
    Derivation {
        /// The path of its `.drv` file, as Nix names it.
        path: String,
        /// Why not.
        #[source]
        fault: DerivationFault,
    },
    /// A build failed.
    #[error(transparent)]
    Build(#[from] BuildFailure),
    /// Git knows no such commit.
    #[error("there is no commit `{revision}` in this repository{}", if *shallow { ", which is a shallow clone" } else { "" })]
    Revision {
        /// The commit, branch or tag as it was asked for.
        revision: String,
        /// Whether the repository holds only a part of its history.
        shallow: bool,
    },
    /// A submodule is not there as a commit has it.
    #[error("submodule {path} is not checked out here{}", commit.as_ref().map_or(String::new(), |commit| format!(", or lacks commit {commit}")))]
    Submodule {
        /// Its folder, from the top of the repository.
        path: String,
        /// The commit that is wanted of it; `None` where any would do.
        commit: Option<String>,
    },
    /// Two commits have no commit in common that they both come from.
    #[error("`{one}` and `{other}` have no common ancestor{}", if *shallow { " in this repository, which is a shallow clone" } else { "" })]
    MergeBase {
        /// One commit as it was asked for.
        one: String,
        /// The other.
        other: String,
        /// Whether the repository holds only a part of its history.
        shallow: bool,
    },
    /// A file of cbox's own cannot be read or written.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn no_variant(host: &str, variant: &str, names: &[String]) -> String {
    match names {
        [] => format!("host `{host}` offers no image, so there is no variant `{variant}` of it"),
        _ => format!("host `{host}` has no image variant `{variant}`"),
    }
}

fn no_package(package: &str, exists: bool) -> String {
    match exists {
        true => format!("`{package}` of the flake is not a derivation"),
        false => format!("the flake has no `{package}`"),
    }
}

impl From<worker_protocol::Fault> for NixError {
    fn from(fault: worker_protocol::Fault) -> Self {
        match fault {
            worker_protocol::Fault::Interrupted(signal) => Self::Interrupted(signal),
            fault => Self::Daemon(fault),
        }
    }
}

impl NixError {
    /// What usually is the cause of a command that failed for a reason of the machine's.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Failed { stderr, .. } => {
                let stderr = without_escapes(stderr);
                let last = stderr.rfind("\nerror:").map_or(0, |before| before + 1);
                cause::of_git(&stderr).or_else(|| cause::of_build(&stderr[last..]))
            }
            Self::Flake { fault } | Self::Evaluation { fault, .. } => fault.cause.clone(),
            Self::Daemon(fault) => cause::of_build(&format!("error: {fault}")),
            Self::Build(failure) => failure.causes.first().cloned(),
            _ => None,
        }
    }
}
