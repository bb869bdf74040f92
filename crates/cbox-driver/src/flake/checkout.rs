//! The folder that has the files of a version of the flake, and what they are called to the
//! user.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::temporary::TemporaryFolder;
use nix_formats::nix_text::to_user_positions;

use crate::{
    error::{Error, Kind},
    flake::project::Project,
    process::environment::Environment,
};

/// The working tree, or a commit that is laid out in a folder for as long as this lives.
#[derive(Debug)]
pub struct Checkout {
    /// The flake in it.
    pub project: Project,
    /// What the user calls it; `None` for the working tree.
    name: Option<Name>,
    folder: Option<TemporaryFolder>,
}

/// What the user calls a commit, or a flake that Nix fetched.
#[derive(Debug)]
struct Name {
    /// What stands before the path of a file, as git does it: `main:`.
    prefix: String,
    label: String,
}

impl Checkout {
    /// The working tree of `project`, or what Nix fetched of it.
    pub fn working_tree(project: Project) -> Arc<Self> {
        let name = project.fetched.as_ref().map(|fetched| Name {
            prefix: format!("{}:", fetched.reference),
            label: fetched.label(),
        });
        Arc::new(Self {
            project,
            name,
            folder: None,
        })
    }

    /// The commit that the user called `revision`, laid out in `folder`.
    pub fn commit(
        project: &Project,
        revision: &str,
        commit: &str,
        folder: TemporaryFolder,
    ) -> Result<Arc<Self>, Error> {
        let top = Utf8PathBuf::try_from(folder.path().to_owned())
            .map_err(|error| Error::new(Kind::Environment, error.to_string()))?;
        let name = Name::called(revision, commit);
        let project = project
            .laid_out(&top)
            .map_err(|error| name.named(error, &top))?;
        Ok(Arc::new(Self {
            project,
            name: Some(name),
            folder: Some(folder),
        }))
    }

    /// What it is called in a sentence: `the working tree`, `main (0123456789)`.
    pub fn label(&self) -> &str {
        let name = self.name.as_ref();
        name.map_or("the working tree", |name| &name.label)
    }

    /// Whether it is a commit that is laid out here.
    pub fn is_commit(&self) -> bool {
        self.folder.is_some()
    }

    /// `path` of this version as the user would name it.
    pub fn display_path(&self, environment: &Environment, path: &Utf8Path) -> String {
        match &self.name {
            None => environment.display_path(path).into_string(),
            Some(name) => {
                let inside = path.strip_prefix(&self.project.top).unwrap_or(path);
                format!("{}{inside}", name.prefix)
            }
        }
    }

    /// `error`, with places in the folder of a commit told as places in the commit.
    pub fn named(&self, error: Error) -> Error {
        match &self.name {
            None => error,
            Some(name) => name.named(error, &self.project.top),
        }
    }
}

/// A commit as people write it.
pub fn short_revision(commit: &str) -> String {
    const SHORT: usize = 10;
    commit[..commit.len().min(SHORT)].to_owned()
}

/// What `commit` is called to a user who wrote `revision`: that, unless it is a hash, of
/// which the beginning will do.
pub fn called(revision: &str, commit: &str) -> String {
    match commit.starts_with(revision) {
        true => short_revision(commit),
        false => revision.to_owned(),
    }
}

impl Name {
    fn called(revision: &str, commit: &str) -> Self {
        let name = called(revision, commit);
        let short = short_revision(commit);
        Self {
            prefix: format!("{name}:"),
            label: match name == short {
                true => short,
                false => format!("{name} ({short})"),
            },
        }
    }

    fn named(&self, mut error: Error, top: &Utf8Path) -> Error {
        error.message = to_user_positions(&error.message, "", top.as_str(), &self.prefix);
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_commit_is_called_what_the_user_called_it() {
        let called = |revision: &str| {
            let commit = Name::called(revision, COMMIT);
            (commit.prefix, commit.label)
        };
        let expected = |prefix: &str, label: &str| (prefix.to_owned(), label.to_owned());
        assert_eq!(
            called("origin/main"),
            expected("origin/main:", "origin/main (0123456789)")
        );
        for revision in [COMMIT, "0123456"] {
            assert_eq!(called(revision), expected("0123456789:", "0123456789"));
        }
    }

    #[test]
    fn errors_name_the_commit_and_not_its_folder() {
        let commit = Name::called("v1", COMMIT);
        let error = Error::new(Kind::Config, "/tmp/cbox-x/sub/cbox.toml:3:1: unknown field");
        assert_eq!(
            commit.named(error, "/tmp/cbox-x".into()).message,
            "v1:sub/cbox.toml:3:1: unknown field"
        );
    }
}
