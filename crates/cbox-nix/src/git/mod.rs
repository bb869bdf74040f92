//! What git is asked: the files of a working tree, the commit it stands at, and (in the
//! modules below) other commits, what is not committed, and what was added since.

mod changes;
mod diff;
mod history;
mod layout;
pub(crate) mod pipes;
#[cfg(test)]
mod real_repositories;
mod revision;
mod submodules;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

pub use changes::Change;
pub use diff::AddedLine;
pub use history::FileChange;

use crate::{Interrupt, NixError, nix::version_line, process::Command};

/// What git sets for its hooks, which would make it look at another repository, and what
/// changes the form of its answers behind the back of the options.
const FOREIGN: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_DIFF_OPTS",
];

/// What keeps git from running a program that the repository names: its hooks (one runs
/// whenever an index is written), and the one that watches its files.
const NOTHING_RUNS: &[&str] = &["core.hooksPath=/dev/null", "core.fsmonitor=false"];

/// A repository with a working tree.
#[derive(Debug, Clone)]
pub struct Repository {
    top: PathBuf,
}

/// The commit that a working tree stands at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The commit; `None` before the first one.
    pub revision: Option<String>,
    /// The branch; `None` where the head is detached.
    pub branch: Option<String>,
    /// Whether tracked files differ from the commit.
    pub dirty: bool,
}

impl Repository {
    /// The repository that `folder` lies in: the nearest folder with a `.git`. Found by
    /// looking, so that a tree without one needs no git.
    #[must_use]
    pub fn around(folder: &Path) -> Option<Self> {
        folder
            .ancestors()
            .find(|folder| folder.join(".git").symlink_metadata().is_ok())
            .map(|top| Self {
                top: top.to_owned(),
            })
    }

    /// Makes a repository of `folder`, with all files in it tracked and nothing committed.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn create(folder: &Path, interrupt: &Interrupt) -> Result<Self, NixError> {
        let made = Self {
            top: folder.to_owned(),
        };
        made.git(["init", "--quiet", "--template="])
            .run(interrupt)
            .await?;
        made.git(["add", "--all", "--force"]).run(interrupt).await?;
        Ok(made)
    }

    /// The top of its working tree.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The tracked files, and the files that are neither tracked nor ignored: the answers
    /// of two `git ls-files -z`, as [`std::path::Path`]s relative to the top, each ended
    /// by a NUL.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn files(&self, interrupt: &Interrupt) -> Result<(Vec<u8>, Vec<u8>), NixError> {
        let (cached, others) = tokio::try_join!(self.cached(interrupt), self.others(interrupt))?;
        Ok((cached.paths, others))
    }

    /// As [`Repository::files`], and where the working tree stands.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn files_and_head(
        &self,
        interrupt: &Interrupt,
    ) -> Result<((Vec<u8>, Vec<u8>), Head), NixError> {
        let (cached, others, status) = tokio::try_join!(
            self.cached(interrupt),
            self.others(interrupt),
            self.status(interrupt)
        )?;
        let status = self.with_hidden(status, cached.hidden, interrupt).await?;
        Ok(((cached.paths, others), status.head))
    }

    async fn others(&self, interrupt: &Interrupt) -> Result<Vec<u8>, NixError> {
        let command = self.git(["ls-files", "-z", "--others", "--exclude-standard"]);
        Ok(command.run(interrupt).await?.stdout)
    }

    /// Whether git ignores `folder`, a path relative to the top, be it there or not.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn ignores(&self, folder: &Path, interrupt: &Interrupt) -> Result<bool, NixError> {
        // With a slash it counts as a folder, also where there is none yet.
        let mut folder = folder.as_os_str().to_owned();
        folder.push("/");
        let arguments: [OsString; 4] =
            ["check-ignore".into(), "--quiet".into(), "--".into(), folder];
        Ok(self.git(arguments).ask(interrupt).await?.is_some())
    }

    /// Where the working tree stands.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn head(&self, interrupt: &Interrupt) -> Result<Head, NixError> {
        Ok(self.whole_status(interrupt).await?.head)
    }

    /// The rule by which git ignores `path`, which is relative to the top, and where it
    /// stands: `*.nix in .gitignore:3`. `None` where git tracks it or does not ignore it.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn ignored_by(
        &self,
        path: &Path,
        interrupt: &Interrupt,
    ) -> Result<Option<String>, NixError> {
        let mut arguments: Vec<OsString> = ["check-ignore", "-v", "--"].map(Into::into).to_vec();
        arguments.push(path.into());
        let answer = self.git(arguments).ask(interrupt).await?;
        Ok(answer.and_then(|answer| parse_rule(&answer.stdout)))
    }

    /// Whether git tracks `path`, which is relative to the top, or something below it; there
    /// or deleted.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn tracks(&self, path: &Path, interrupt: &Interrupt) -> Result<bool, NixError> {
        let words = ["--literal-pathspecs", "ls-files", "-z", "--cached", "--"];
        let mut arguments: Vec<OsString> = words.map(Into::into).to_vec();
        arguments.push(path.into());
        let answer = self.git(arguments).run(interrupt).await?;
        Ok(!answer.stdout.is_empty())
    }

    fn git<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let settings = NOTHING_RUNS.iter().flat_map(|setting| ["-c", setting]);
        let arguments = arguments.into_iter().map(Into::into);
        Command::new("git", settings.map(OsString::from).chain(arguments))
            .ends_orderly()
            .reading_rules_in(&self.top)
            .in_folder(&self.top)
            .without(FOREIGN)
            // Only looking: no lock is taken that a commit at the same time would meet.
            .with("GIT_OPTIONAL_LOCKS", "0")
            // A partial clone fetches what it lacks. Nobody could answer a question.
            .with("GIT_TERMINAL_PROMPT", "0")
    }
}

/// What `git --version` says.
///
/// # Errors
/// When git is missing.
pub async fn version(interrupt: &Interrupt) -> Result<String, NixError> {
    let output = Command::new("git", ["--version"]).run(interrupt).await?;
    Ok(version_line(&output.stdout))
}

/// Reads `git check-ignore -v`: `<source>:<line>:<pattern>`, a tab, and the path.
fn parse_rule(answer: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let (rule, _) = text.trim_end().rsplit_once('\t')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (source, line, pattern) = rule.match_indices(':').find_map(|(colon, _)| {
        let (line, pattern) = rule[colon + 1..].split_once(':')?;
        number(line).then_some((&rule[..colon], line, pattern))
    })?;
    // A rule behind a `!` is the one by which it is not ignored.
    (!pattern.starts_with('!')).then(|| format!("`{pattern}` in {source}:{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        assert_eq!(
            parse_rule(b".gitignore:3:*.nix\ta.nix\n").unwrap(),
            "`*.nix` in .gitignore:3"
        );
        assert_eq!(
            parse_rule(b"C:/x y/.gitignore:12:a:4:b\ta:4:b\n").unwrap(),
            "`a:4:b` in C:/x y/.gitignore:12"
        );
        assert_eq!(parse_rule(b".gitignore:3:!a.nix\ta.nix\n"), None);
        assert_eq!(parse_rule(b""), None);
    }

    #[test]
    fn a_repository_is_found_above() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        assert_eq!(Repository::around(&inner).unwrap().top(), folder.path());
        std::fs::write(folder.path().join("a/.git"), "gitdir: elsewhere").unwrap();
        assert_eq!(
            Repository::around(&inner).unwrap().top(),
            folder.path().join("a")
        );
    }
}
