//! Patterns as git has them in `.gitignore`: what a line says, which paths it matches, and
//! what a list of them ignores.
//!
//! It is git's language to the byte and not one like it: braces are characters, classes are
//! those of POSIX in ASCII, trailing blanks do not count unless a backslash keeps them, and
//! below an ignored folder nothing comes back. Lines and paths are bytes, so a line that is
//! not UTF-8 is a pattern like any other. The libraries that there are come close but differ
//! from git on malformed classes, on blank names and on `a**/b`; the tests compare this one
//! with git itself.

#[cfg(test)]
mod against_git;
mod wildcard;

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use wildcard::Wildcards;

/// What an editor may put at the beginning of a file, and git passes by.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The characters with which a pattern ceases to be a plain name.
const SPECIAL: &[u8] = b"*?[\\";

/// The patterns of one file or list, in their order: the last that matches counts.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

/// One pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    line: Vec<u8>,
    /// Whether it takes back what an earlier one ignores.
    negative: bool,
    only_folders: bool,
    /// Whether it is about the last part of a path, wherever that is.
    by_name: bool,
    /// What a match has to begin with.
    literal: Vec<u8>,
    /// What has to follow; `None` where nothing may.
    rest: Option<Wildcards>,
}

impl Patterns {
    /// The patterns of a whole file.
    #[must_use]
    pub fn of_file(content: &[u8]) -> Self {
        let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content);
        let lines = content.split(|&byte| byte == b'\n');
        Self {
            patterns: lines.filter_map(Pattern::of_line).collect(),
        }
    }

    /// Adds the pattern of one more line, if it is one.
    pub fn add(&mut self, line: &[u8]) {
        self.patterns.extend(Pattern::of_line(line));
    }

    /// Whether there is one that ignores anything.
    #[must_use]
    pub fn ignore_something(&self) -> bool {
        self.patterns.iter().any(|pattern| !pattern.negative)
    }

    /// The last pattern that matches `path` itself, a folder or something else, whatever is
    /// said of the folders above it.
    #[must_use]
    pub fn last_match(&self, path: &[u8], is_folder: bool) -> Option<&Pattern> {
        let mut patterns = self.patterns.iter().rev();
        patterns.find(|pattern| pattern.matches(path, is_folder))
    }

    /// The pattern by which the file at `path` is ignored: one that matches the topmost
    /// ignored folder above it, or the file. `above` is what was found before for the
    /// folders of a neighbour.
    #[must_use]
    pub fn ignoring(&self, path: &Path, above: &mut Above) -> Option<&Pattern> {
        let folder = path.parent().unwrap_or(Path::new(""));
        if !above.known || above.folder != folder {
            above.ignored_by = self.ignoring_folder(folder);
            folder.clone_into(&mut above.folder);
            above.known = true;
        }
        if let Some(index) = above.ignored_by {
            return self.patterns.get(index);
        }
        let path = path.as_os_str().as_bytes();
        let found = self.last_match(path, false)?;
        (!found.negative).then_some(found)
    }

    /// The number of the pattern that ignores `folder` or the topmost folder above it.
    fn ignoring_folder(&self, folder: &Path) -> Option<usize> {
        let path = folder.as_os_str().as_bytes();
        let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
        ends.filter(|&end| end > 0).find_map(|end| {
            let mut patterns = self.patterns.iter();
            let found = patterns.rposition(|pattern| pattern.matches(&path[..end], true))?;
            (!self.patterns[found].negative).then_some(found)
        })
    }
}

/// What was found for the folders above a file: its neighbours need not look again.
#[derive(Debug, Clone, Default)]
pub struct Above {
    known: bool,
    folder: PathBuf,
    ignored_by: Option<usize>,
}

impl Pattern {
    /// The pattern of one line; `None` for a comment and an empty line.
    fn of_line(line: &[u8]) -> Option<Self> {
        // To git a line is a string of C.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = line.split(|&byte| byte == 0).next().unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            return None;
        }
        let text = without_trailing_blanks(line);
        let (text, negative) = match text.strip_prefix(b"!") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (text, only_folders) = match text.strip_suffix(b"/") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let by_name = !text.contains(&b'/');
        let text = text.strip_prefix(b"/").unwrap_or(text);
        let special = text.iter().position(|byte| SPECIAL.contains(byte));
        let (literal, rest) = text.split_at(special.unwrap_or(text.len()));
        Some(Self {
            line: line.to_owned(),
            negative,
            only_folders,
            by_name,
            literal: literal.to_owned(),
            // As git has it, the rest stands for itself, so `a**/b` is `a` and `**/b`; but
            // where only names are meant, there are no folders for it to span.
            rest: special.map(|_| Wildcards::new(rest)),
        })
    }

    /// The line as it was written.
    #[must_use]
    pub fn line(&self) -> String {
        String::from_utf8_lossy(&self.line).into_owned()
    }

    /// Whether it takes back what an earlier one ignores.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    fn matches(&self, path: &[u8], is_folder: bool) -> bool {
        if self.only_folders && !is_folder {
            return false;
        }
        let what = match self.by_name {
            true => memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..]),
            false => path,
        };
        what.strip_prefix(self.literal.as_slice())
            .is_some_and(|after| match &self.rest {
                None => after.is_empty(),
                Some(rest) => rest.match_whole(after),
            })
    }
}

/// `line` without the blanks at its end that no backslash keeps.
fn without_trailing_blanks(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut bytes = line.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b' ' => {}
            b'\\' => match bytes.next() {
                Some((escaped, _)) => end = escaped + 1,
                // It stands at the very end, where nothing is left to cut.
                None => return line,
            },
            _ => end = at + 1,
        }
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of `paths` is ignored.
    fn ignored<'p>(lines: &[u8], paths: &[&'p str]) -> Vec<&'p str> {
        let patterns = Patterns::of_file(lines);
        let mut above = Above::default();
        let mut ignored = |path: &&&str| patterns.ignoring(Path::new(path), &mut above).is_some();
        let found = paths.iter().filter(|path| ignored(path));
        found.copied().collect()
    }

    #[test]
    fn below_an_ignored_folder_nothing_comes_back() {
        let paths = ["docs/a.md", "docs/sub/b.md", "a.md"];
        assert_eq!(ignored(b"docs/\n!*.md\n", &paths), paths[..2]);
        assert_eq!(ignored(b"/docs/*\n!/docs/a.md\n", &paths), [paths[1]]);
        assert_eq!(ignored(b"/docs\n!/docs/sub/\n", &paths), paths[..2]);
    }

    #[test]
    fn every_line_is_read_as_git_reads_it() {
        for (lines, path, is_ignored) in [
            (&b"\xef\xbb\xbfa\r\nb"[..], "a", true),
            (b"\xff\xfe\na", "a", true),
            (b"a  ", "a", true),
            (b"a\\ ", "a ", true),
            (b"a\\  ", "a ", true),
            (b"a\t", "a", false),
            (b"\\#a", "#a", true),
            (b"#a", "#a", false),
            (b"\\!a", "!a", true),
            (b"a\0b", "a", true),
            (b"a\\", "a", false),
            (b"a\\", "a\\", false),
            (b"{a,b}", "{a,b}", true),
            (b"{a,b}", "a", false),
            (b"a**/b", "a/x/b", true),
            (b"/", "a", false),
            (b"a//b", "a/b", false),
        ] {
            let found = ignored(lines, &[path]);
            let lines = String::from_utf8_lossy(lines);
            assert_eq!(!found.is_empty(), is_ignored, "{lines:?} {path:?}");
        }
    }

    #[test]
    fn the_pattern_that_decides_is_named() {
        let patterns = Patterns::of_file(b"*.md\ndocs/\n!x\n");
        let mut above = Above::default();
        let mut by = |path: &str| Some(patterns.ignoring(Path::new(path), &mut above)?.line());
        assert_eq!(by("docs/a.md").as_deref(), Some("docs/"));
        assert_eq!(by("a.md").as_deref(), Some("*.md"));
        assert_eq!(by("x"), None);
        assert!(patterns.ignore_something());
        assert!(!Patterns::of_file(b"# a\n!b\n\n").ignore_something());
    }
}
