//! Why a file that Nix did not find is not in the staged source, with the way out of each.

/// Why a file that is named in the flake is not in the staged source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unstaged {
    /// `cbox.toml` excludes it.
    Excluded {
        /// The pattern.
        pattern: String,
        /// The line of `cbox.toml` on which it stands, as far as that is known.
        line: Option<usize>,
    },
    /// It is the baseline.
    Baseline,
    /// cbox itself made it.
    Made,
    /// It is in a cache of cbox's or Nix's.
    Cache,
    /// The output of this run goes to it.
    Output,
    /// An editor made it.
    Editor {
        /// The pattern that its name matches.
        pattern: &'static str,
    },
    /// It belongs to a version control system other than git.
    VersionControl {
        /// What the folder of that is called.
        folder: &'static str,
    },
    /// It holds local settings.
    Local {
        /// The pattern that says so.
        pattern: String,
    },
    /// Git ignores it.
    Ignored {
        /// The rule and where it stands: `*.nix in .gitignore:3`.
        rule: String,
    },
    /// Git does not track it, and only tracked files count.
    Untracked,
    /// It is not in the commit that is looked at.
    NotInCommit {
        /// What the commit is called.
        commit: String,
    },
    /// It lies in a submodule that is staged, and is not tracked there.
    UntrackedInSubmodule {
        /// The folder of the submodule.
        submodule: String,
    },
    /// It lies in another repository.
    OtherRepository {
        /// The top of that.
        folder: String,
    },
    /// The way to it leads through a symlink.
    BehindSymlink {
        /// The symlink.
        link: String,
    },
    /// It is a folder with no file in it.
    Empty,
    /// It is git's own.
    OfGit,
    /// Git tracks it, and it was deleted.
    Deleted,
    /// It is not there at all.
    Nowhere {
        /// Files that are, with names like it.
        near: Vec<String>,
    },
}

impl Unstaged {
    /// The reason in one word, as JSON has it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Excluded { .. } => "excluded",
            Self::Baseline => "baseline",
            Self::Made => "made",
            Self::Cache => "cache",
            Self::Output => "output",
            Self::Editor { .. } => "editor",
            Self::VersionControl { .. } => "version-control",
            Self::Local { .. } => "local",
            Self::Ignored { .. } => "ignored",
            Self::Untracked => "untracked",
            Self::NotInCommit { .. } => "not-in-commit",
            Self::UntrackedInSubmodule { .. } => "untracked-in-submodule",
            Self::OtherRepository { .. } => "other-repository",
            Self::BehindSymlink { .. } => "behind-symlink",
            Self::Empty => "empty",
            Self::OfGit => "of-git",
            Self::Deleted => "deleted",
            Self::Nowhere { .. } => "nowhere",
        }
    }

    /// Why `file` is not in the staged source, and what to do about it.
    #[must_use]
    pub fn hint(&self, file: &str) -> String {
        match self {
            Self::Excluded { pattern, line } => {
                let line = line.map_or_else(String::new, |line| format!(":{line}"));
                format!(
                    "{file} is there, but `{pattern}` under `exclude` in cbox.toml{line} keeps it from being \
                     staged: change that, or do without the file"
                )
            }
            Self::Baseline => {
                format!("{file} is never staged: what a host builds must not depend on it")
            }
            Self::Made => {
                format!("{file} is there, but cbox made it, and what cbox makes is no source")
            }
            Self::Cache => {
                format!(
                    "{file} is there, but it is in a cache of cbox's or Nix's, which is no source"
                )
            }
            Self::Output => format!(
                "{file} is there, but the output of this run goes to it, so it is never the same twice: \
                 send the output elsewhere"
            ),
            Self::Editor { pattern } => format!(
                "{file} is there, but editors name their own files so (`{pattern}`): rename it, or have git track \
                 it, `git add --force {file}`"
            ),
            Self::VersionControl { folder } => format!(
                "{file} is there, but {folder} belongs to a version control system, and is no source"
            ),
            Self::Local { pattern } => format!(
                "{file} is there, but it holds local settings (`{pattern}` under `local` in cbox.toml), which only \
                 their own host gets (an image host with `--with-local`): read it only where it is there, `lib.optional (builtins.pathExists ./x) ./x`"
            ),
            Self::Ignored { rule } => format!(
                "{file} is there, but git ignores it ({rule}), so it is not staged: change that rule, or \
                 `git add --force {file}`"
            ),
            Self::Untracked => format!(
                "{file} is there, but git does not track it, and this looks at tracked files only: `git add {file}`"
            ),
            Self::NotInCommit { commit } => {
                format!("{file} is in the working tree, but not in {commit}: commit it")
            }
            Self::UntrackedInSubmodule { submodule } => format!(
                "{file} is there, but the submodule {submodule} does not track it, and of a submodule only \
                 tracked files are staged: `git -C {submodule} add` that file"
            ),
            Self::OtherRepository { folder } => format!(
                "{file} is there, but {folder} is a repository of its own (a submodule), of which nothing is staged: \
                 `inputs.self.submodules = true;` in flake.nix brings it (Nix 2.27 or newer), or make it an \
                 input of the flake"
            ),
            Self::BehindSymlink { link } => format!(
                "{file} is there, but {link} is a symlink, and nothing behind one is staged: name the file by its real path"
            ),
            Self::Empty => {
                format!("{file} is an empty folder, which git does not keep: put a file into it")
            }
            Self::OfGit => format!("{file} belongs to git, and is no source"),
            Self::Deleted => format!(
                "{file} was deleted, though git still tracks it: `git restore {file}` brings it back"
            ),
            Self::Nowhere { near } => match near.as_slice() {
                [] => format!(
                    "there is no {file} in the tree: create it, or remove the reference to it"
                ),
                near => format!(
                    "there is no {file} in the tree: did you mean {}?",
                    near.join(" or ")
                ),
            },
        }
    }
}
