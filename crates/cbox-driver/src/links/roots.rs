//! Which links the store counts as roots of its garbage collector.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use camino::Utf8Path;
use cbox_nix::store::Store;

use crate::process::environment::Environment;

/// The links that are registered as roots, as far as that can be seen from here.
#[derive(Debug)]
pub(super) struct Roots(Option<Vec<PathBuf>>);

impl Roots {
    /// Those of `store`, at this moment.
    pub(super) fn of(store: &Store, environment: &Environment) -> Self {
        let folder = store.indirect_roots(environment.nix_state_dir.as_deref());
        let roots = folder.and_then(|folder| fs::read_dir(folder).ok());
        let links = |roots: fs::ReadDir| {
            let links = roots.flatten().map(|root| fs::read_link(root.path()));
            links.filter_map(Result::ok).collect()
        };
        Self(roots.map(links))
    }

    /// Whether `link` is one, whatever it points to; `None` when that cannot be seen.
    pub(super) fn holds(&self, link: &Utf8Path) -> Option<bool> {
        let roots = self.0.as_ref()?;
        let real = link.parent()?.canonicalize().ok()?;
        let name: &OsStr = link.file_name()?.as_ref();
        let is_it = |root: &PathBuf| {
            root.file_name() == Some(name) && root.parent().is_some_and(|at| is_same(at, &real))
        };
        Some(roots.iter().any(is_it))
    }
}

/// Whether `folder` is the one whose path without symlinks is `real`.
fn is_same(folder: &Path, real: &Path) -> bool {
    folder == real || folder.canonicalize().is_ok_and(|folder| folder == real)
}
