//! Why a file that Nix did not find is not in the staged source: it looks at the tree that
//! was staged, at the rules, and asks git.

use std::path::{Component, Path, PathBuf};

use camino::Utf8Path;
use cbox_nix::{nix_error::Unstaged, regular_file};
use cbox_source::{never_source::version_control, rules::LeftOut, tree::Tree};

use crate::{
    baseline,
    flake::{checkout::Checkout, config, session::Session, submodules},
    text::{nearest::nearest, path_line},
};

/// Why `file`, which is relative to the top of `tree`, is not in it, as far as can be told.
/// It becomes what the user calls that file.
pub async fn why(
    session: &Session<'_>,
    origin: &Checkout,
    tree: &Tree,
    file: &mut String,
) -> Option<Unstaged> {
    let path = normal(Path::new(&*file));
    let (name, why) = why_path(session, origin, tree, &path).await;
    *file = name;
    why
}

/// The same for a path that is [`normal`] and need be no UTF-8: what the user calls it, and why.
pub async fn why_path(
    session: &Session<'_>,
    origin: &Checkout,
    tree: &Tree,
    path: &Path,
) -> (String, Option<Unstaged>) {
    let mut file = display_path(session, origin, path);
    let why = reason(session, origin, tree, path, &mut file).await;
    (file, why)
}

/// What the user calls the file at `path`.
fn display_path(session: &Session<'_>, origin: &Checkout, path: &Path) -> String {
    match Utf8Path::from_path(path) {
        Some(path) => {
            let whole = origin.project.top.join(path);
            origin.display_path(session.environment, &whole)
        }
        None => path_line(path),
    }
}

async fn reason(
    session: &Session<'_>,
    origin: &Checkout,
    tree: &Tree,
    path: &Path,
    file: &mut String,
) -> Option<Unstaged> {
    let top = tree.top.as_path();
    let display_path = |path: &Path| display_path(session, origin, path);
    if tree.contains(path) {
        // A symlink that leads to what is not there.
        return None;
    }
    if top.join(path).symlink_metadata().is_err() {
        if let Some(repository) = session.project.repository.as_ref()
            && !origin.is_commit()
            && repository.tracks(path, session.interrupt).await.ok()?
        {
            return Some(Unstaged::Deleted);
        }
        let commit = origin.is_commit() && session.project.top.as_std_path().join(path).exists();
        return Some(match commit {
            true => {
                *file = path_line(path);
                let commit = origin.label().to_owned();
                Unstaged::NotInCommit { commit }
            }
            false => Unstaged::Nowhere {
                near: near(tree, path)
                    .iter()
                    .map(|path| display_path(path))
                    .collect(),
            },
        });
    }
    if let Some(folder) = version_control(path) {
        return Some(match folder {
            ".git" => Unstaged::OfGit,
            folder => Unstaged::VersionControl { folder },
        });
    }
    let above = || {
        path.ancestors()
            .skip(1)
            .filter(|path| *path != Path::new(""))
    };
    if let Some(link) = above().find(|path| top.join(path).is_symlink()) {
        let link = display_path(link);
        return Some(Unstaged::BehindSymlink { link });
    }
    let has_repository = |path: &&Path| top.join(path).join(".git").symlink_metadata().is_ok();
    if let Some(folder) = std::iter::once(path).chain(above()).find(has_repository) {
        let flake = regular_file::read_to_string(origin.project.folder.join("flake.nix"));
        let names = regular_file::read_to_string(origin.project.top.join(".gitmodules"));
        let names = names.unwrap_or_default();
        let is_staged = submodules::wanted(&flake.unwrap_or_default())
            && submodules::folders(&names)
                .iter()
                .any(|name| folder == Path::new(name));
        let folder = display_path(folder);
        return Some(match is_staged {
            true => Unstaged::UntrackedInSubmodule { submodule: folder },
            false => Unstaged::OtherRepository { folder },
        });
    }
    // Of a folder nothing is staged; one file in it stands for all.
    let Some(path) = first_file(top, path) else {
        let ignored = match &origin.project.repository {
            Some(repository) => repository.ignored_by(path, session.interrupt).await,
            None => Ok(None),
        };
        return Some(match ignored.ok()? {
            Some(rule) => Unstaged::Ignored { rule },
            None => Unstaged::Empty,
        });
    };
    if path == origin.project.dir().join(baseline::FILE).as_std_path() {
        return Some(Unstaged::Baseline);
    }
    let tracked = match &origin.project.repository {
        Some(repository) => repository.tracks(&path, session.interrupt).await.ok()?,
        None => false,
    };
    let metadata = top.join(&path).symlink_metadata().ok();
    let rules = origin.project.rules().ok()?;
    match rules.why_left_out(&path, tracked, metadata.as_ref()) {
        Some(LeftOut::Excluded(pattern)) => {
            let project = &origin.project;
            let mut patterns = project.config().source.exclude.into_iter();
            let number = patterns.position(|other| other == pattern);
            let at =
                |number| config::position_of(&project.folder, &format!("source.exclude.{number}"));
            let line = number.and_then(at).map(|(line, _)| line);
            return Some(Unstaged::Excluded { pattern, line });
        }
        Some(LeftOut::Local(pattern)) => return Some(Unstaged::Local { pattern }),
        Some(LeftOut::Made) => return Some(Unstaged::Made),
        Some(LeftOut::Cache) => return Some(Unstaged::Cache),
        Some(LeftOut::Output) => return Some(Unstaged::Output),
        Some(LeftOut::Editor(pattern)) => return Some(Unstaged::Editor { pattern }),
        Some(LeftOut::VersionControl(folder)) => return Some(Unstaged::VersionControl { folder }),
        None => {}
    }
    let repository = origin.project.repository.as_ref()?;
    match repository.ignored_by(&path, session.interrupt).await.ok()? {
        Some(rule) => Some(Unstaged::Ignored { rule }),
        None => Some(Unstaged::Untracked),
    }
}

/// `file` without `.` and `..`, which Nix resolves itself; a slip may leave some.
pub fn normal(file: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for part in file.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::ParentDir => drop(path.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    path
}

/// The first file in the folder at `path`, or `path` itself if it is none.
fn first_file(top: &Path, path: &Path) -> Option<PathBuf> {
    if !top.join(path).is_dir() {
        return Some(path.to_owned());
    }
    let mut names: Vec<_> = std::fs::read_dir(top.join(path))
        .ok()?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    names
        .iter()
        .find_map(|name| first_file(top, &path.join(name)))
}

/// The staged files beside `path` that have a name like it, and those of its name elsewhere.
fn near(tree: &Tree, path: &Path) -> Vec<PathBuf> {
    let entries = || tree.entries.iter().map(|entry| entry.path.as_path());
    let beside = entries().filter(|entry| entry.parent() == path.parent());
    let names = beside.filter_map(|entry| entry.file_name()?.to_str());
    let name = path.file_name().and_then(|name| name.to_str());
    let near = nearest(name.unwrap_or_default(), names);
    if near.is_empty() {
        let elsewhere = entries().filter(|entry| entry.file_name() == path.file_name());
        return elsewhere
            .filter(|entry| !entry.ends_with("default.nix"))
            .take(2)
            .map(Path::to_owned)
            .collect();
    }
    near.into_iter()
        .take(2)
        .map(|name| path.with_file_name(name))
        .collect()
}
