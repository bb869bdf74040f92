//! Submodules: repositories in a repository, of whose files git tells only when it is asked.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::Repository;
use crate::{Interrupt, NixError};

/// A submodule at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Submodule {
    /// The commit of its own that is recorded.
    commit: String,
    /// Where it lies, from the top.
    path: PathBuf,
}

impl Repository {
    /// The tracked files, those of submodules that are checked out among them: the answer of
    /// `git ls-files -z`, as [`Repository::files`] has it.
    ///
    /// # Errors
    /// When git is missing or refuses.
    pub async fn files_with_submodules(&self, interrupt: &Interrupt) -> Result<Vec<u8>, NixError> {
        let command = self.git(["ls-files", "-z", "--cached", "--recurse-submodules"]);
        Ok(command.run(interrupt).await?.stdout)
    }

    /// Lays out the submodules of `commit` below `folder`, which holds that commit, and theirs
    /// in turn. Gives their tracked files, as [`Repository::materialise`] does.
    ///
    /// # Errors
    /// [`NixError::Submodule`] where one is not checked out, or lacks the commit that is
    /// recorded for it.
    pub async fn materialise_submodules(
        &self,
        commit: &str,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> Result<Vec<u8>, NixError> {
        let command = self.git(["ls-tree", "-r", "-z", "--full-tree", commit]);
        let answer = command.run(interrupt).await?.stdout;
        let mut files = Vec::new();
        for submodule in parse(&answer) {
            let missing = || NixError::Submodule {
                path: submodule.path.display().to_string(),
                commit: Some(submodule.commit.clone()),
            };
            let place = folder.join(&submodule.path);
            let repository = Self {
                top: self.top.join(&submodule.path),
            };
            if repository.top.join(".git").symlink_metadata().is_err() {
                return Err(missing());
            }
            let laid_out = repository.materialise(&submodule.commit, &place, interrupt);
            let mut inside = match laid_out.await {
                Err(NixError::Failed { .. }) => return Err(missing()),
                other => other?,
            };
            let deeper = repository.materialise_submodules(&submodule.commit, &place, interrupt);
            inside.extend(Box::pin(deeper).await?);
            for path in inside
                .split(|&byte| byte == 0)
                .filter(|path| !path.is_empty())
            {
                files.extend_from_slice(submodule.path.as_os_str().as_bytes());
                files.push(b'/');
                files.extend_from_slice(path);
                files.push(0);
            }
        }
        Ok(files)
    }
}

/// The submodules in the answer of `git ls-tree -z`: `160000 commit <name>`, a tab, the path.
fn parse(answer: &[u8]) -> Vec<Submodule> {
    let of = |entry: &[u8]| {
        let entry = entry.strip_prefix(b"160000 commit ")?;
        let tab = entry.iter().position(|&byte| byte == b'\t')?;
        Some(Submodule {
            commit: String::from_utf8_lossy(&entry[..tab]).trim().to_owned(),
            path: PathBuf::from(OsStr::from_bytes(&entry[tab + 1..])),
        })
    };
    answer.split(|&byte| byte == 0).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_are_told_from_files() {
        let answer =
            b"100644 blob aaaa\ta.nix\x00160000 commit bbbb\tlib/my sub\x00120000 blob cccc\tlink\0";
        assert_eq!(
            parse(answer),
            [Submodule {
                commit: "bbbb".into(),
                path: "lib/my sub".into()
            }]
        );
    }
}
