//! What a flake asks of its own `self` that only git could answer.
//!
//! The staged source is a tree without history, so that two commits with the same files give
//! the same system: `self.rev`, `self.lastModified` and their like are not there, or say 1970.
//! Plain Nix on a clean commit has them, and gives another derivation to a host that reads
//! them.

use cbox_nix::regular_file;
use std::path::Path;

use cbox_source::tree::Tree;
use regex::Regex;

/// The attributes that Nix gives to a flake from git. Source: the Nix manual, "Flake format".
const NAMES: &str = "rev|shortRev|dirtyRev|dirtyShortRev|revCount|lastModified|lastModifiedDate";

/// Larger files are no code of anybody's.
const LARGEST: u64 = 1 << 20;

/// A place that reads one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The file, from the top of the tree.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is read: `self.rev`.
    pub what: String,
}

/// The first place in the Nix files of `tree` that names one of them. What stands in a comment
/// does not count; whether a host comes by there, only its evaluation knows.
#[must_use]
pub fn first(tree: &Tree) -> Option<Read> {
    let pattern = pattern()?;
    let nix = |path: &Path| path.extension().is_some_and(|extension| extension == "nix");
    let mut files = tree.entries.iter().filter(|entry| nix(&entry.path));
    files.find_map(|entry| {
        let path = tree.top.join(&entry.path);
        let small = path.metadata().is_ok_and(|file| file.len() <= LARGEST);
        let text = small
            .then(|| regular_file::read_to_string(&path).ok())
            .flatten()?;
        let (line, what) = in_text(&pattern, &text)?;
        Some(Read {
            file: entry.path.to_str()?.to_owned(),
            line,
            what,
        })
    })
}

fn pattern() -> Option<Regex> {
    let pattern = format!(
        r"\bself(?:\.sourceInfo)?(?:\.|\s*\?\s*)({NAMES})\b|\binherit\s*\(self\)[^;]*\b({NAMES})\b"
    );
    Regex::new(&pattern).ok()
}

fn in_text(pattern: &Regex, text: &str) -> Option<(usize, String)> {
    // Most files do not speak of it at all.
    if !text.contains("self") {
        return None;
    }
    let code = |line: &str| line.split('#').next().unwrap_or_default().to_owned();
    text.lines().enumerate().find_map(|(number, line)| {
        let code = code(line);
        let captures = pattern.captures(&code)?;
        let name = captures.get(1).or_else(|| captures.get(2))?;
        Some((number + 1, format!("self.{}", name.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_alone_knows_counts() {
        let read = |text: &str| in_text(&pattern().unwrap(), text);
        for (text, what) in [
            ("{\n  x = self.rev or \"none\";", "self.rev"),
            ("\n toString self.lastModified", "self.lastModified"),
            ("\n \"${self.lastModifiedDate}\"", "self.lastModifiedDate"),
            ("\n if self ? rev then 1 else 2", "self.rev"),
            ("\n inputs.self.shortRev", "self.shortRev"),
            ("\n self.sourceInfo.revCount", "self.revCount"),
            ("\n inherit (self) narHash rev;", "self.rev"),
        ] {
            assert_eq!(read(text), Some((2, what.to_owned())), "{text}");
        }
        for text in [
            "self.narHash",
            "self.outPath",
            "self.nixosModules.rev",
            "# self.rev",
            "myself.rev",
            "self.revision",
            "inherit (other) rev; self",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
