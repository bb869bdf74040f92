//! The workspace templates as the first boot deploys them: each folder of
//! `coderd/templates` with a copy of what is in `coderd/shared`.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

fn coderd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../coderd")
}

/// The templates as they lie in the repository.
pub fn sources() -> PathBuf {
    coderd().join("templates")
}

/// The script that every workspace starts with.
pub fn start_script() -> PathBuf {
    coderd().join("shared/start.sh")
}

/// The whole templates, in a folder of their own that may be written to.
pub fn whole() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&sources(), folder.path());
    for template in folders(folder.path()) {
        copy(&coderd().join("shared"), &template);
    }
    folder
}

/// The templates in a folder, by name.
pub fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).expect("the templates").flatten();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// Nothing in `to` is replaced: the build of the templates keeps it, too.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else if !target.exists() {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}
