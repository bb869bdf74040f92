//! Which processes there are, by a word that only those of one test have.

use std::{fs, path::PathBuf};

/// The processes with `word` in their arguments or their environment, as far as this
/// user may see them.
pub(crate) fn with_word(word: &str) -> Vec<String> {
    let holds = |file: PathBuf| {
        let bytes = fs::read(file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(word)
    };
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let process = entry.unwrap().path();
        let is_process = process.join("cmdline").exists();
        if is_process && (holds(process.join("environ")) || holds(process.join("cmdline"))) {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            // Nothing is left of a zombie but its number.
            if !arguments.is_empty() {
                found.push(format!("{}: {arguments}", process.display()));
            }
        }
    }
    found
}

/// Whether a process has this file open.
pub(crate) fn has_open(pid: u32, file: &std::path::Path) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|open| open == file))
}
