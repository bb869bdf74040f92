//! What is not committed.
//!
//! A change counts however it is hidden: by the marks of `git update-index` that have git
//! pass a file by (assume-unchanged, skip-worktree, a sparse checkout), by settings for file
//! modes, symlinks or submodules. What is staged is what is on disk. No filter of the
//! repository runs: a file behind one is compared as it is on disk.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::{
    Head, Repository,
    layout::{ELSEWHERE, failed},
};
use crate::{Interrupt, NixError, process::Command, temporary::TemporaryFolder};

/// A tracked path that differs from the commit, in the index or in the working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path, relative to the top.
    pub path: PathBuf,
    /// Whether it is a submodule: another commit of it, or changes inside.
    pub submodule: bool,
    /// Whether `git add --intent-to-add` is all that git knows of it: the index has the name
    /// and not the content.
    pub intended: bool,
    /// Whether no `git add` takes the change up: git does not look at it, or it is inside of a
    /// submodule.
    pub hidden: bool,
}

/// What git says of the working tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) head: Head,
    changes: Vec<Change>,
}

/// The tracked files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cached {
    /// Their paths, each ended by a NUL.
    pub(super) paths: Vec<u8>,
    /// Those of them that git does not look at.
    pub(super) hidden: Vec<PathBuf>,
}

/// Copies the index with the time at which it was written: a file that was changed within the
/// same tick of the clock looks like the index has it, and git looks into each that is not older.
fn copy_with_time(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to)?;
    let written = std::fs::metadata(from)?.modified()?;
    let copy = std::fs::File::options().write(true).open(to)?;
    copy.set_modified(written)
}

/// A copy of the index in which nothing is hidden.
#[derive(Debug)]
pub(super) struct Index {
    folder: TemporaryFolder,
}

/// How many paths one run is told of.
const PATHS_AT_ONCE: usize = 500;

/// The variable that is empty, for settings without a value.
const EMPTY: &str = "CBOX_EMPTY";

impl Index {
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("index")
    }
}

impl Repository {
    /// The tracked paths with changes that are not committed. Of a file that was renamed
    /// both names are given.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn changes(&self, interrupt: &Interrupt) -> Result<Vec<Change>, NixError> {
        Ok(self.whole_status(interrupt).await?.changes)
    }

    /// What git says of the working tree, changes included that it does not look at.
    pub(super) async fn whole_status(&self, interrupt: &Interrupt) -> Result<Status, NixError> {
        let (cached, status) = tokio::try_join!(self.cached(interrupt), self.status(interrupt))?;
        self.with_hidden(status, cached.hidden, interrupt).await
    }

    /// What git says of the working tree by itself.
    pub(super) async fn status(&self, interrupt: &Interrupt) -> Result<Status, NixError> {
        self.status_by(None, interrupt).await
    }

    async fn status_by(
        &self,
        index: Option<&Index>,
        interrupt: &Interrupt,
    ) -> Result<Status, NixError> {
        let settings = self.without_filters(interrupt).await?;
        let words = [
            "-c",
            "core.fileMode=true",
            "-c",
            "core.symlinks=true",
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--no-renames",
            "--untracked-files=no",
            "--ignore-submodules=none",
        ];
        let command = self.git_with(&settings, words);
        let command = match index {
            Some(index) => command.with("GIT_INDEX_FILE", index.file()),
            None => command,
        };
        Ok(parse(&command.run(interrupt).await?.stdout))
    }

    /// `status`, with the changes of the `hidden` paths.
    pub(super) async fn with_hidden(
        &self,
        mut status: Status,
        hidden: Vec<PathBuf>,
        interrupt: &Interrupt,
    ) -> Result<Status, NixError> {
        if hidden.is_empty() {
            return Ok(status);
        }
        // In a sparse checkout nearly all are not there; for those nobody has to be asked.
        let is_there = |path: &PathBuf| self.top.join(path).symlink_metadata().is_ok();
        let (there, gone): (Vec<PathBuf>, _) = hidden.into_iter().partition(is_there);
        if !there.is_empty() {
            let index = self.unhide(&there, interrupt).await?;
            status = self.status_by(Some(&index), interrupt).await?;
            for change in &mut status.changes {
                change.hidden |= there.contains(&change.path);
            }
        }
        let gone = gone.into_iter().map(|path| Change {
            path,
            submodule: false,
            intended: false,
            hidden: true,
        });
        status.changes.extend(gone);
        status.head.dirty = !status.changes.is_empty();
        Ok(status)
    }

    /// An index in which nothing that is there is hidden; `None` where the repository's own
    /// is one.
    pub(super) async fn whole_index(
        &self,
        interrupt: &Interrupt,
    ) -> Result<Option<Index>, NixError> {
        let hidden = self.cached(interrupt).await?.hidden;
        let is_there = |path: &PathBuf| self.top.join(path).symlink_metadata().is_ok();
        let there: Vec<PathBuf> = hidden.into_iter().filter(is_there).collect();
        match there.is_empty() {
            true => Ok(None),
            false => self.unhide(&there, interrupt).await.map(Some),
        }
    }

    /// A copy of the index in which `paths` are not hidden.
    async fn unhide(&self, paths: &[PathBuf], interrupt: &Interrupt) -> Result<Index, NixError> {
        let folder = super::layout::temporary_folder()?;
        let index = Index { folder };
        let asked = self.git(["rev-parse", "--git-path", "index"]);
        let own = asked.run(interrupt).await?.stdout;
        let own = own.strip_suffix(b"\n").unwrap_or(&own);
        let own = self.top.join(OsStr::from_bytes(own));
        copy_with_time(&own, &index.file()).map_err(|source| failed("copy", &own, source))?;
        for mark in ["--no-assume-unchanged", "--no-skip-worktree"] {
            for paths in paths.chunks(PATHS_AT_ONCE) {
                let settings = ELSEWHERE.iter().flat_map(|setting| ["-c", setting]);
                let words = settings.chain(["update-index", mark, "--"]);
                let words = words.map(OsString::from);
                let words = words.chain(paths.iter().map(|path| path.as_os_str().to_owned()));
                let command = self.git(words).with("GIT_INDEX_FILE", index.file());
                command.run(interrupt).await?;
            }
        }
        Ok(index)
    }

    /// The tracked files, and which of them git does not look at.
    pub(super) async fn cached(&self, interrupt: &Interrupt) -> Result<Cached, NixError> {
        let command = self.git(["ls-files", "-z", "--cached", "-v"]);
        Ok(parse_cached(&command.run(interrupt).await?.stdout))
    }

    /// Options for git by which no filter runs that is configured, whatever it is called.
    pub(super) async fn without_filters(
        &self,
        interrupt: &Interrupt,
    ) -> Result<Vec<OsString>, NixError> {
        let words = ["config", "-z", "--name-only", "--get-regexp", r"^filter\."];
        let answer = self.git(words).ask(interrupt).await?;
        let answer = answer.map(|answer| answer.stdout).unwrap_or_default();
        Ok(without(&answer))
    }

    /// Git with `settings` that may have no value.
    pub(super) fn git_with<'w>(
        &self,
        settings: &[OsString],
        words: impl IntoIterator<Item = &'w str>,
    ) -> Command {
        let words = words.into_iter().map(OsString::from);
        self.git(settings.iter().cloned().chain(words))
            .with(EMPTY, "")
    }
}

/// The options that take their programs from the filters whose settings are in `names`, each
/// ended by a NUL. The name of a filter can hold anything; the variable follows the last `=`.
fn without(names: &[u8]) -> Vec<OsString> {
    let mut filters: Vec<&[u8]> = names
        .split(|&byte| byte == 0)
        .filter_map(|name| Some(&name[..memchr::memrchr(b'.', name)?]))
        .collect();
    filters.sort_unstable();
    filters.dedup();
    let option = |filter: &[u8], setting: &str| {
        let mut option = OsString::from("--config-env=");
        option.push(OsStr::from_bytes(filter));
        option.push(format!(".{setting}={EMPTY}"));
        option
    };
    let settings = ["clean", "smudge", "process", "required"];
    let options = |filter| settings.map(|setting| option(filter, setting));
    filters.into_iter().flat_map(options).collect()
}

/// Reads `git ls-files -z -v`: a letter, a blank and a path (git-ls-files(1), `-v`).
fn parse_cached(answer: &[u8]) -> Cached {
    let mut cached = Cached::default();
    for entry in answer.split(|&byte| byte == 0) {
        let [mark, b' ', path @ ..] = entry else {
            continue;
        };
        cached.paths.extend_from_slice(path);
        cached.paths.push(0);
        if mark.is_ascii_lowercase() || *mark == b'S' {
            cached.hidden.push(OsStr::from_bytes(path).into());
        }
    }
    cached
}

/// Reads `git status --porcelain=v2 --branch -z` without renames (git-status(1), "Porcelain
/// Format Version 2" and "Pathname Format Notes and -z"). Entries of kinds to come are
/// passed by.
fn parse(answer: &[u8]) -> Status {
    let mut status = Status::default();
    let Status { head, changes } = &mut status;
    for entry in answer.split(|&byte| byte == 0) {
        let header = |name: &str| {
            let value = entry.strip_prefix(b"# branch.")?;
            let value = value.strip_prefix(name.as_bytes())?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        if let Some(revision) = header("oid ") {
            head.revision = (revision != "(initial)").then_some(revision);
        } else if let Some(branch) = header("head ") {
            head.branch = (branch != "(detached)").then_some(branch);
        }
        changes.extend(parse_change(entry));
    }
    head.dirty = !changes.is_empty();
    status
}

fn parse_change(entry: &[u8]) -> Option<Change> {
    // How many fields stand before the path, in which spaces mean nothing.
    let before = match entry.first()? {
        b'1' => 8,
        b'u' => 10,
        _ => return None,
    };
    let fields: Vec<&[u8]> = entry.splitn(before + 1, |&byte| byte == b' ').collect();
    Some(Change {
        path: Path::new(OsStr::from_bytes(fields.get(before)?)).to_owned(),
        submodule: fields[2].starts_with(b"S"),
        intended: fields[1] == b".A",
        hidden: fields[2].get(2) == Some(&b'M'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_status_is_read() {
        let answer = b"# branch.oid abc\0# branch.head main\0# branch.ab +0 -0\0\
            1 .M N... 100644 100644 100644 aaa bbb a file\0\
            1 A. N... 000000 100644 100644 000 bbb new\nline\0\
            1 .A N... 000000 000000 100644 000 000 intended\0\
            u UU N... 100644 100644 100644 100644 aaa bbb ccc both\xff\0\
            1 .M S.M. 160000 160000 160000 aaa bbb sub\0\
            ? untracked\0! ignored\x001 short\0";
        let expected: [(&[u8], bool, bool); 5] = [
            (b"a file", false, false),
            (b"new\nline", false, false),
            (b"intended", false, true),
            (b"both\xff", false, false),
            (b"sub", true, false),
        ];
        let Status { head, changes } = parse(answer);
        let found: Vec<(&[u8], bool, bool)> = changes
            .iter()
            .map(|change| {
                let path = change.path.as_os_str().as_bytes();
                (path, change.submodule, change.intended)
            })
            .collect();
        assert_eq!(found, expected);
        let expected = Head {
            revision: Some("abc".into()),
            branch: Some("main".into()),
            dirty: true,
        };
        assert_eq!(head, expected);
        assert_eq!(parse(b""), Status::default());
        let unborn = parse(b"# branch.oid (initial)\0# branch.head (detached)\0");
        assert_eq!(unborn, Status::default());
    }

    #[test]
    fn what_git_does_not_look_at_is_told_by_its_letter() {
        let cached = parse_cached(b"H a\0h b c\0S d\ne\0s f\0M g\0");
        assert_eq!(cached.paths, b"a\0b c\0d\ne\0f\0g\0");
        assert_eq!(cached.hidden, ["b c", "d\ne", "f"].map(PathBuf::from));
        assert_eq!(parse_cached(b""), Cached::default());
    }

    #[test]
    fn a_filter_may_be_called_anything() {
        let options = without(b"filter.lfs.clean\0filter.lfs.required\0filter.a.b=c.smudge\0");
        let expected = ["filter.a.b=c", "filter.lfs"]
            .into_iter()
            .flat_map(|filter| {
                ["clean", "smudge", "process", "required"]
                    .map(|setting| format!("--config-env={filter}.{setting}=CBOX_EMPTY"))
            });
        let expected: Vec<OsString> = expected.map(OsString::from).collect();
        assert_eq!(options, expected);
        assert!(without(b"").is_empty());
    }
}
