//! A commit laid out in a folder: one and the same content for everybody.
//!
//! What the user or the repository has configured (line ends, attributes of its own, filters,
//! replacements of objects) would make it depend on who looks. So it is done by a repository
//! that lives as long as that takes and has nothing but the objects: what decides is the
//! commit, the attributes in it included.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::Repository;
use crate::{Interrupt, NixError, process::Command, temporary::TemporaryFolder};

/// What a user may have configured that would reach into the repository, or leave files
/// out, where an index elsewhere is written.
pub(super) const ELSEWHERE: &[&str] = &[
    // An index of which a part would be written beside the repository's own.
    "core.splitIndex=false",
    "index.sparse=false",
    "core.sparseCheckout=false",
    // It knows the repository's own working tree.
    "core.untrackedCache=false",
    "submodule.recurse=false",
];

/// By what the settings of others come in.
const SETTINGS: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_SHALLOW_FILE",
];

impl Repository {
    /// Lays out `commit` (a full name, from [`Repository::resolve`]) in `folder`, which
    /// has to be there and empty: with the line ends that the attributes in the commit ask
    /// for, without filters, and without the rules of an export. The folders of submodules
    /// stay empty. Gives the tracked files as [`Repository::files`] does.
    ///
    /// The repository's index, head, working trees and stash stay as they are.
    ///
    /// # Errors
    /// When git is missing or refuses, or a file cannot be written.
    pub async fn materialise(
        &self,
        commit: &str,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> Result<Vec<u8>, NixError> {
        // Not `checkout-index`: it takes attributes from files that are laid out already,
        // where this one takes them from the commit.
        let lay_out = ["read-tree", "-m", "-u", "--end-of-options", commit];
        if self.lacks_objects(interrupt).await? {
            self.fetch(&lay_out, interrupt).await?;
        }
        let own = ObjectsAlone::of(self, interrupt).await?;
        own.git(folder, &lay_out).run(interrupt).await?;
        let list = own.git(folder, &["ls-files", "-z", "--cached"]);
        Ok(list.run(interrupt).await?.stdout)
    }

    /// Whether objects may still be where it was cloned from.
    async fn lacks_objects(&self, interrupt: &Interrupt) -> Result<bool, NixError> {
        let promises = r"^(extensions\.partialclone|remote\..*\.promisor)$";
        let command = self.git(["config", "--name-only", "--get-regexp", promises]);
        Ok(command.ask(interrupt).await?.is_some())
    }

    /// Fetches what `lay_out` needs, all at once, by doing it in a folder for nobody: only the
    /// repository itself knows where from.
    async fn fetch(&self, lay_out: &[&str], interrupt: &Interrupt) -> Result<(), NixError> {
        let folder = temporary_folder()?;
        let place = folder.path().join("tree");
        make_folder(&place)?;
        let mut settings = self.without_filters(interrupt).await?;
        settings.extend(["--work-tree".into(), place.into()]);
        let elsewhere = ELSEWHERE.iter().flat_map(|setting| ["-c", setting]);
        let command = self.git_with(&settings, elsewhere.chain(lay_out.iter().copied()));
        let command = command.with("GIT_INDEX_FILE", folder.path().join("index"));
        command.run(interrupt).await.map(drop)
    }
}

/// A repository with the objects of another and nothing else of it.
struct ObjectsAlone {
    folder: TemporaryFolder,
    objects: PathBuf,
}

impl ObjectsAlone {
    async fn of(repository: &Repository, interrupt: &Interrupt) -> Result<Self, NixError> {
        let words = [
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "objects",
            "--show-object-format",
        ];
        let answer = repository.git(words).run(interrupt).await?.stdout;
        let answer = answer.strip_suffix(b"\n").unwrap_or(&answer);
        let line = memchr::memrchr(b'\n', answer).unwrap_or(answer.len());
        let (objects, format) = answer.split_at(line);
        let format = String::from_utf8_lossy(format);
        let format = format.trim();
        let folder = temporary_folder()?;
        make_folder(&folder.path().join("objects"))?;
        make_folder(&folder.path().join("refs"))?;
        let config = format!(
            "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tobjectFormat = {format}\n"
        );
        write(&folder.path().join("HEAD"), "ref: refs/heads/none\n")?;
        write(&folder.path().join("config"), &config)?;
        Ok(Self {
            folder,
            objects: OsStr::from_bytes(objects).into(),
        })
    }

    /// Git in it, with the working tree in `folder`.
    fn git(&self, folder: &Path, words: &[&str]) -> Command {
        let mut arguments: Vec<OsString> = vec![
            "--git-dir".into(),
            self.folder.path().into(),
            "--work-tree".into(),
            folder.into(),
            // Its place is known without a configuration.
            "-c".into(),
            "core.attributesFile=/dev/null".into(),
        ];
        arguments.extend(words.iter().map(OsString::from));
        Command::new("git", arguments)
            .ends_orderly()
            .reading_rules_in(folder)
            .in_folder(folder)
            .without(SETTINGS)
            .with("GIT_OBJECT_DIRECTORY", &self.objects)
            .with("GIT_CONFIG_GLOBAL", "/dev/null")
            .with("GIT_CONFIG_SYSTEM", "/dev/null")
            .with("GIT_CONFIG_NOSYSTEM", "1")
            .with("GIT_ATTR_NOSYSTEM", "1")
    }
}

/// A folder for an index or a repository of ours.
pub(super) fn temporary_folder() -> Result<TemporaryFolder, NixError> {
    TemporaryFolder::new()
        .map_err(|source| failed("make", Path::new("a folder for git's files"), source))
}

fn make_folder(path: &Path) -> Result<(), NixError> {
    std::fs::create_dir(path).map_err(|source| failed("make", path, source))
}

fn write(path: &Path, text: &str) -> Result<(), NixError> {
    std::fs::write(path, text).map_err(|source| failed("write", path, source))
}

/// The error of what was tried with the file at `path`.
pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> NixError {
    NixError::File {
        action,
        path: path.to_string_lossy().into_owned().into(),
        source,
    }
}
