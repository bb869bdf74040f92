//! What of the staged tree an image carries as its own source.
//!
//! The flake decides that, with a filter that only Nix understands. So nothing is guessed
//! here: the option that holds the baked source is evaluated, and the store path that it
//! names is compared with the staged copy, file by file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use cbox_nix::{
    NixError,
    expression::{Request, Want},
    overrides::{OptionPath, OverrideError},
};
use cbox_source::compare::differing;
use serde::Serialize;

use crate::{
    error::{Error, Kind},
    eval::{
        self,
        evaluator::Evaluator,
        schedule::{self, Item},
    },
    flake::{session::Session, snapshot::Snapshot, version::Version},
    process::{blocking::blocking, options::Limits},
    text::path_line,
};

/// The option that holds the baked source, unless cbox.toml names another.
const OPTION: &str = "environment.etc.nixos-repo.source";

/// The way out where that option is not the one.
const NAME_IT: &str = "name the option that holds it: `baked = \"…\"` under [source] in cbox.toml";

/// How a file is in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it is staged.
    Baked,
    /// Not at all.
    LeftOut,
    /// With another content.
    Changed,
    /// It is in the image and not staged.
    Added,
}

impl State {
    /// Its name in documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Baked => "baked",
            Self::LeftOut => "left out",
            Self::Changed => "changed",
            Self::Added => "added",
        }
    }
}

/// A source that is baked.
#[derive(Debug)]
pub struct Baked {
    /// The hosts whose images carry it.
    pub hosts: Vec<String>,
    /// Where it is in the store.
    pub path: String,
    /// All files of it and of the staged tree, by their paths from the top of that.
    pub files: BTreeMap<PathBuf, State>,
}

/// The option that holds the baked source.
pub fn option(session: &Session<'_>) -> Result<OptionPath, Error> {
    match session.project.config().source.baked {
        Some(option) => Ok(option),
        None => OPTION
            .parse()
            .map_err(|error: OverrideError| NixError::from(error).into()),
    }
}

/// What is baked for `host`, or for every image host. Hosts that bake the same are together.
///
/// # Errors
/// When a host does not evaluate, has no baked source, or one that cannot be read here.
pub async fn find(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    host: Option<&str>,
    limits: &Limits,
) -> Result<Vec<Baked>, Error> {
    let session = evaluator.session;
    evaluator.will_evaluate(sources);
    let option = option(session)?;
    eval::hosts::find(evaluator, sources).await?;
    let mut items = Vec::new();
    for host in hosts(session, host)? {
        let (snapshot, _) = sources.snapshot_for(Some(&host), false).await?;
        items.push(Item {
            snapshot,
            request: Request {
                host: host.clone(),
                wants: vec![Want::Text(option.clone())],
                ..Request::default()
            },
            name: host,
        });
    }
    let answers = schedule::evaluate(evaluator, limits, &items).await?;
    let mut all: Vec<Baked> = Vec::new();
    for (item, answer) in items.iter().zip(answers) {
        let evaluated = answer.map_err(|error| without_source(error, &item.name, &option))?;
        let path = evaluated.text;
        let path = path.filter(|path| path.starts_with(&evaluator.nix.store.dir));
        let path = path.ok_or_else(|| {
            let message = format!("`{option}` of host `{}` is not a store path", item.name);
            Error::new(Kind::Config, message).hint(NAME_IT)
        })?;
        if let Some(known) = all.iter_mut().find(|known| known.path == path) {
            known.hosts.push(item.name.clone());
            continue;
        }
        let (staged, baked) = folders(evaluator, item, limits, &path).await?;
        let files = compare(&item.snapshot, staged, baked).await?;
        all.push(Baked {
            hosts: vec![item.name.clone()],
            path,
            files,
        });
    }
    Ok(all)
}

/// The hosts that are meant.
fn hosts(session: &Session<'_>, host: Option<&str>) -> Result<Vec<String>, Error> {
    let project = &session.project;
    if let Some(host) = host {
        project.check_host(host)?;
        return Ok(vec![host.to_owned()]);
    }
    let hosts = project.hosts().into_iter();
    let hosts: Vec<String> = hosts.filter(|host| project.is_image_host(host)).collect();
    if hosts.is_empty() {
        let message = "no host exists only to be built into images";
        return Err(Error::new(Kind::Usage, message).hint("name a host"));
    }
    Ok(hosts)
}

/// `error`, with the way to name another option where this one is not there.
fn without_source(error: Error, host: &str, option: &OptionPath) -> Error {
    match error.nix() {
        Some(NixError::NoAttribute { .. }) => Error::new(
            Kind::Config,
            format!("host `{host}` has no `{option}`, so it bakes no source that cbox knows of"),
        )
        .hint(NAME_IT),
        _ => error,
    }
}

/// Where the staged flake and the baked source can be read.
async fn folders(
    evaluator: &Evaluator<'_>,
    item: &Item,
    limits: &Limits,
    path: &str,
) -> Result<(PathBuf, PathBuf), Error> {
    let store = &evaluator.nix.store;
    evaluator.put(&item.snapshot).await?;
    if store.holds(path) == Some(false) {
        // It is remembered, and was collected since.
        let again = evaluator.clone().without_cache();
        let items = std::slice::from_ref(item);
        for answer in schedule::evaluate(&again, limits, items).await? {
            answer?;
        }
    }
    let staged = &item.snapshot.staged;
    match (store.physical(staged.path.as_str()), store.physical(path)) {
        (Some(staged_copy), Some(baked)) if baked.exists() => {
            Ok((staged_copy.join(&staged.dir), baked))
        }
        (Some(_), Some(_)) => Err(Error::new(
            Kind::Unsupported,
            format!("what host `{}` bakes is not a part of the tree, but has to be built: {path}", item.name),
        )
        .hint("cbox can only show what exists before a build: name the option that holds the source as `baked` under [source] in cbox.toml")),
        _ => Err(Error::new(
            Kind::Unsupported,
            "the store is on another machine, so what is baked cannot be read",
        )),
    }
}

/// Compares the staged flake in `staged` with the source in `baked`.
async fn compare(
    snapshot: &Snapshot,
    staged: PathBuf,
    baked: PathBuf,
) -> Result<BTreeMap<PathBuf, State>, Error> {
    let dir = PathBuf::from(&snapshot.staged.dir);
    let differing = blocking(move || differing(&staged, &baked)).await?;
    let entries = snapshot.tree.entries.iter().map(|entry| &entry.path);
    let mut files: BTreeMap<PathBuf, State> = entries
        .map(|path| match path.starts_with(&dir) {
            true => (path.clone(), State::Baked),
            // Beside the flake, which can only bake itself.
            false => (path.clone(), State::LeftOut),
        })
        .collect();
    for file in differing {
        let state = match (file.old, file.new) {
            (Some(_), None) => State::LeftOut,
            (None, _) => State::Added,
            (Some(_), Some(_)) => State::Changed,
        };
        files.insert(dir.join(file.name), state);
    }
    Ok(files)
}

/// A file, or a folder all of whose files are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// How its files stand.
    pub state: State,
    /// With a slash at its end for a folder.
    pub name: String,
    /// How many files it stands for.
    pub files: usize,
}

/// The files, with folders in one row whose files are alike.
pub fn folded(files: &BTreeMap<PathBuf, State>) -> Vec<Row> {
    let files: Vec<(&Path, State)> = files
        .iter()
        .map(|(path, state)| (path.as_path(), *state))
        .collect();
    let mut rows = Vec::new();
    fold(&files, 1, &mut rows);
    rows
}

/// Adds rows for `files`, which have all but their last `depth` parts in common.
fn fold(files: &[(&Path, State)], depth: usize, rows: &mut Vec<Row>) {
    let beginning = |path: &Path| path.iter().take(depth).collect::<PathBuf>();
    for group in files.chunk_by(|(one, _), (other, _)| beginning(one) == beginning(other)) {
        let (first, state) = group[0];
        let folder = beginning(first);
        let (name, is_folder) = match folder == first {
            true => (path_line(&folder), false),
            false => (format!("{}/", path_line(&folder)), true),
        };
        if is_folder && group.iter().any(|(_, other)| *other != state) {
            fold(group, depth + 1, rows);
        } else {
            rows.push(Row {
                state,
                name,
                files: group.len(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_whose_files_are_alike_are_one_row() {
        use State::{Baked, LeftOut};
        let files = [
            ("README.md", LeftOut),
            ("docs/a/x", LeftOut),
            ("docs/b", LeftOut),
            ("hosts/a/default.nix", Baked),
            ("hosts/a/notes", LeftOut),
            ("hosts/b/default.nix", Baked),
        ];
        let files = files.map(|(path, state)| (PathBuf::from(path), state));
        let rows = folded(&BTreeMap::from(files));
        let rows: Vec<(State, &str, usize)> = rows
            .iter()
            .map(|row| (row.state, row.name.as_str(), row.files))
            .collect();
        assert_eq!(
            rows,
            [
                (LeftOut, "README.md", 1),
                (LeftOut, "docs/", 2),
                (Baked, "hosts/a/default.nix", 1),
                (LeftOut, "hosts/a/notes", 1),
                (Baked, "hosts/b/", 1),
            ]
        );
    }
}
