//! What was added: the lines of one version of the tree that another does not have.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::PathBuf};

use super::Repository;
use crate::{Interrupt, NixError};

/// How many lines are kept: who reads further does not look for one cause.
const MOST: usize = 20_000;

/// How many bytes of a line are kept.
const LINE: usize = 4096;

/// A line that was added or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedLine {
    /// The file, relative to the top.
    pub file: PathBuf,
    /// The line's number in the newer version, from 1.
    pub line: usize,
    /// What it says, without its end.
    pub text: String,
}

impl Repository {
    /// The lines that `to` (without it, the tracked files of the working tree) has and
    /// `from` has not: at most 20,000, in the order of git's diff, of each its first
    /// 4096 bytes. Both are full names of commits.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn added_lines(
        &self,
        from: &str,
        to: Option<&str>,
        interrupt: &Interrupt,
    ) -> Result<Vec<AddedLine>, NixError> {
        // Everything that a configuration could change in the form of the answer.
        let arguments = [
            "-c",
            "core.quotePath=false",
            "diff",
            "--patch",
            "--unified=0",
            "--inter-hunk-context=0",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-relative",
            "--find-renames",
            "--submodule=short",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--end-of-options",
            from,
        ];
        let arguments = arguments.into_iter().chain(to).chain(["--"]);
        let settings = self.without_filters(interrupt).await?;
        let command = self.git_with(&settings, arguments);
        // Only the working tree can have changes that are hidden.
        let index = match to {
            Some(_) => None,
            None => self.whole_index(interrupt).await?,
        };
        let command = match &index {
            Some(index) => command.with("GIT_INDEX_FILE", index.file()),
            None => command,
        };
        Ok(parse(&command.run(interrupt).await?.stdout, MOST))
    }
}

/// Reads a diff without context (git-diff(1), "Generating patch text with -p"), up to
/// `most` lines.
fn parse(diff: &[u8], most: usize) -> Vec<AddedLine> {
    let mut added = Vec::new();
    let mut file: Option<PathBuf> = None;
    // What of the hunk is still to come. Only its counts tell its lines from headers:
    // an added line `++ b/x` looks like one.
    let (mut old, mut new, mut next) = (0_usize, 0_usize, 0_usize);
    for line in diff.split(|&byte| byte == b'\n') {
        if added.len() >= most {
            break;
        }
        if old > 0 || new > 0 {
            match line.first() {
                Some(b'-') => old = old.saturating_sub(1),
                Some(b'+') => {
                    if let Some(file) = &file {
                        added.push(AddedLine {
                            file: file.clone(),
                            line: next,
                            text: text(&line[1..]),
                        });
                    }
                    next += 1;
                    new = new.saturating_sub(1);
                }
                // `\ No newline at end of file` between the two halves.
                Some(b'\\') => {}
                // No hunk without context has anything else: it is not understood.
                _ => (old, new, file) = (0, 0, None),
            }
        } else if line.starts_with(b"diff ") {
            file = None;
        } else if let Some(name) = line.strip_prefix(b"+++ ") {
            file = new_name(name);
        } else if let Some(hunk) = line.strip_prefix(b"@@ ") {
            (old, new, next) = counts(hunk).unwrap_or_default();
        }
    }
    added
}

/// A line as text, without the carriage return that belongs to its end.
fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(&line[..line.len().min(LINE)]).into_owned()
}

/// How many lines are removed and added, and where the added ones start, from
/// `-12,0 +13,2 @@ …`.
fn counts(hunk: &[u8]) -> Option<(usize, usize, usize)> {
    let mut words = str::from_utf8(hunk.split(|&byte| byte == b'@').next()?)
        .ok()?
        .split(' ');
    let range = |word: &str, sign: char| -> Option<(usize, usize)> {
        let word = word.strip_prefix(sign)?;
        let (start, count) = word.split_once(',').unwrap_or((word, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let (_, old) = range(words.next()?, '-')?;
    let (start, new) = range(words.next()?, '+')?;
    Some((old, new, start))
}

/// The file behind `+++ `; `None` where it was deleted.
fn new_name(name: &[u8]) -> Option<PathBuf> {
    let name = if name.starts_with(b"\"") {
        unquote(name)?
    } else {
        // A name with a space in it is followed by a tab, for other programs' sake.
        name.strip_suffix(b"\t").unwrap_or(name).to_owned()
    };
    let inside = name.strip_prefix(b"b/")?;
    Some(PathBuf::from(OsStr::from_bytes(inside)))
}

/// A name that git has put into quotes, as C writes it.
fn unquote(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut bytes = quoted.strip_prefix(b"\"")?.iter().copied();
    loop {
        match bytes.next()? {
            b'"' => return Some(name),
            b'\\' => name.push(match bytes.next()? {
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                first @ b'0'..=b'3' => {
                    let mut digit = || match bytes.next() {
                        Some(digit @ b'0'..=b'7') => Some(digit - b'0'),
                        _ => None,
                    };
                    (first - b'0') * 64 + digit()? * 8 + digit()?
                }
                other @ (b'"' | b'\\') => other,
                _ => return None,
            }),
            byte => name.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(diff: &[u8]) -> Vec<(String, usize, String)> {
        let told = |line: AddedLine| (format!("{}", line.file.display()), line.line, line.text);
        parse(diff, MOST).into_iter().map(told).collect()
    }

    fn lines(expected: &[(&str, usize, &str)]) -> Vec<(String, usize, String)> {
        let owned = |&(file, line, text): &(&str, usize, &str)| (file.into(), line, text.into());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn added_lines_are_read() {
        let diff = b"diff --git a/a.nix b/a.nix\nindex 1..2 100644\n--- a/a.nix\n+++ b/a.nix\n\
            @@ -3 +3,2 @@ some { context @@\n-old\n+new\n+++ b/trap\n@@ -9,0 +11 @@\n+last\r\n\
            \\ No newline at end of file\n\
            diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n\
            @@ -1,2 +0,0 @@\n-one\n--- a/trap\n\
            diff --git a/x y b/x y\nnew file mode 100644\n--- /dev/null\n+++ b/x y\t\n\
            @@ -0,0 +1 @@\n+\xff\n";
        assert_eq!(
            found(diff),
            lines(&[
                ("a.nix", 3, "new"),
                ("a.nix", 4, "++ b/trap"),
                ("a.nix", 11, "last"),
                ("x y", 1, "\u{fffd}"),
            ])
        );
    }

    #[test]
    fn no_newline_can_stand_between_the_halves() {
        let diff = b"diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1,2 @@\n-x\n\
            \\ No newline at end of file\n+x\n+y\n\\ No newline at end of file\n";
        assert_eq!(found(diff), lines(&[("a", 1, "x"), ("a", 2, "y")]));
    }

    #[test]
    fn what_has_no_lines_gives_none() {
        let diff = b"diff --git a/b.iso b/b.iso\nindex 1..2 100644\nBinary files a/b.iso and b/b.iso differ\n\
            diff --git a/from b/to\nsimilarity index 100%\nrename from from\nrename to to\n\
            diff --git a/s b/s\nold mode 100644\nnew mode 100755\n* Unmerged path z\n\
            diff --git a/old b/new\nsimilarity index 90%\nrename from old\nrename to new\n\
            --- a/old\n+++ b/new\n@@ -2 +2 @@\n-a\n+b\n";
        assert_eq!(found(diff), lines(&[("new", 2, "b")]));
        assert_eq!(found(b""), []);
        assert_eq!(found(b"@@ -1 +1 @@\n-a\n+b\n"), [], "of no file");
        assert_eq!(found(b"+++ b/x\n@@ -1 +1 @@\n context\n+b\n"), []);
        assert_eq!(found(b"+++ b/x\n@@ what @@\n+b\n"), []);
    }

    #[test]
    fn quoted_names_are_read() {
        let name =
            |quoted: &[u8]| new_name(quoted).map(|name| name.as_os_str().as_bytes().to_vec());
        assert_eq!(
            name(br#""b/a\tb\n\"\\\303\274\a""#),
            Some(b"a\tb\n\"\\\xc3\xbc\x07".to_vec())
        );
        assert_eq!(name("b/ü x\t".as_bytes()), Some("ü x".into()));
        for bad in [&br#""b/a"#[..], br#""b/\q""#, br#""b/\39""#, b"/dev/null"] {
            assert_eq!(name(bad), None);
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut diff = b"diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -0,0 +1,9 @@\n".to_vec();
        diff.extend(b"+x\n".repeat(9));
        assert_eq!(parse(&diff, 4).len(), 4);
        let mut long = b"+++ b/a\n@@ -0,0 +1 @@\n+".to_vec();
        long.extend([b'x'; 2 * LINE]);
        assert_eq!(parse(&long, 4)[0].text.len(), LINE);
    }
}
