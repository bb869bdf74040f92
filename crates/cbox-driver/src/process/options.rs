//! What a run is asked for, as values: the program makes them from its words.

use std::num::NonZeroUsize;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::overrides::Setting;

use crate::process::environment::Environment;

/// What is asked of every run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The flake as it was named; without it the one around the working directory.
    pub flake: Option<Utf8PathBuf>,
    /// The store, as Nix names it.
    pub store: Option<String>,
    /// Whether nothing may be fetched.
    pub offline: bool,
    /// Whether errors of an evaluation are shown with the whole way to them.
    pub show_trace: bool,
    /// Names of inputs, each with the reference that takes its place.
    pub override_inputs: Vec<(String, String)>,
}

impl Options {
    /// The store for Nix, which runs elsewhere at times: one that is a folder as an absolute path.
    #[must_use]
    pub fn store_uri(&self, environment: &Environment) -> Option<String> {
        let store = self.store.as_ref()?;
        // What Nix takes for a path, too.
        let is_path = store.contains('/') && !store.contains("://") && !store.contains('?');
        Some(match is_path {
            true => environment.absolute(Utf8Path::new(store)).into_string(),
            false => store.clone(),
        })
    }
}

/// How much is evaluated at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// The most evaluations at once; as many as cores and memory allow without it.
    pub jobs: Option<NonZeroUsize>,
    /// The most memory that all evaluations together take, in bytes.
    pub max_memory: Option<u64>,
}

/// What Nix is told beside what cbox asks.
#[derive(Debug, Clone, Default)]
pub struct NixArguments {
    /// Machines to build on, in the syntax of Nix's `builders`.
    pub builders: Option<String>,
    /// Further arguments, as Nix takes them.
    pub others: Vec<String>,
    /// Whether no further build is begun when one has failed.
    pub fail_fast: bool,
}

/// What is forced on a target.
#[derive(Debug, Clone, Default)]
pub struct Forced {
    /// Options with their values.
    pub set: Vec<Setting>,
    /// Whether the commit and the branch are put into the image.
    pub stamp: bool,
}
