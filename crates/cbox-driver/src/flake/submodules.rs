//! Whether a flake takes the files of its submodules: only where its `flake.nix` says so, as
//! with plain Nix.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use cbox_source::list::Listed;
use regex::Regex;

/// Whether `flake_nix` asks for the files of submodules. Nix lets `inputs` be nothing but
/// literal values, so that the text tells it.
#[must_use]
pub fn wanted(flake_nix: &str) -> bool {
    let code = flake_nix.lines().map(|line| line.split('#').next());
    let code: Vec<&str> = code.flatten().collect();
    let pattern = r"\bself\s*(?:\.\s*submodules|=\s*\{[^{}]*\bsubmodules)\s*=\s*true\s*;";
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(&code.join("\n")))
}

/// The folders of the submodules that `.gitmodules` names.
#[must_use]
pub fn folders(gitmodules: &str) -> Vec<&str> {
    let pairs = gitmodules.lines().filter_map(|line| line.split_once('='));
    let paths = pairs.filter(|(name, _)| name.trim() == "path");
    paths.map(|(_, value)| value.trim()).collect()
}

/// Adds those of `more` that are not in `listed` yet.
pub fn add(listed: &mut Vec<Listed>, more: Vec<Listed>) {
    let known: HashSet<PathBuf> = listed.iter().map(|listed| listed.path.clone()).collect();
    listed.extend(more.into_iter().filter(|new| !known.contains(&new.path)));
}

/// The first submodule that is not checked out below `top`: git lists its folder in place of its
/// files. `folders` are those at the top, which it lists in any case where it is not asked for
/// more.
#[must_use]
pub fn first_missing<'l>(top: &Path, folders: &[&str], all: &'l [Listed]) -> Option<&'l Path> {
    let is_known = |path: &Path| folders.iter().any(|folder| path == Path::new(folder));
    let is_below = |path: &Path| folders.iter().any(|folder| path.starts_with(folder));
    let paths = all.iter().map(|listed| listed.path.as_path());
    let mut inside = paths.filter(|path| is_below(path));
    inside.find(|path| is_known(path) || top.join(path).is_dir() && !top.join(path).is_symlink())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flake_says_whether_it_wants_them() {
        for text in [
            "{ inputs.self.submodules = true; }",
            "{ inputs = { self.submodules = true; }; }",
            "{ inputs = {\n  self = {\n    lfs = true;\n    submodules = true;\n  }; }; }",
        ] {
            assert!(wanted(text), "{text}");
        }
        for text in [
            "{ inputs.self.submodules = false; }",
            "{ # inputs.self.submodules = true;\n }",
            "{ inputs.x.submodules = true; }",
            "{ inputs.x = { url = \"u\"; submodules = true; }; self = { }; }",
            "",
        ] {
            assert!(!wanted(text), "{text}");
        }
    }

    #[test]
    fn their_folders_are_read() {
        let text = "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib\n[submodule \"b\"]\n\tpath=b\n";
        assert_eq!(folders(text), ["vendor/lib", "b"]);
        assert!(folders("").is_empty());
    }
}
