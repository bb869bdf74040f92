//! Looks for what words name: in the store where that will do, otherwise as a target that has
//! yet to be evaluated. A version of the flake that several words name is looked at once.

use std::{cell::RefCell, collections::HashMap, io::ErrorKind, rc::Rc, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{machine::Machine, store::Store};
use nix_formats::store_path::{DrvPath, WrongPath};
use tokio::sync::OnceCell;

use super::{
    Origin, Subject,
    target::{self, Target},
};
use crate::{
    error::{Error, Kind},
    eval::{evaluator::Evaluator, hosts, schedule::Item},
    flake::{session::Session, snapshot::Snapshot, version::Version},
    process::{
        environment::Environment,
        options::{Forced, Options},
    },
};

/// How targets are meant.
#[derive(Debug, Clone, Copy)]
pub struct Conditions<'m> {
    /// What is forced on them.
    pub forced: &'m Forced,
    /// Whether the local settings of image hosts count; those of install hosts do.
    pub with_local: bool,
    /// Whether only what git tracks counts, so that no local settings do.
    pub tracked_only: bool,
}

/// What a word names.
#[derive(Debug)]
pub enum Resolved<'a> {
    /// A `.drv` file.
    Derivation(Utf8PathBuf),
    /// A link into the store, or a path in it.
    Output(Utf8PathBuf),
    /// A machine behind ssh.
    Machine(Machine),
    /// A target, which is not evaluated yet.
    Target(Box<UnevaluatedTarget<'a>>),
}

/// A target that is to be evaluated.
#[derive(Debug)]
pub struct UnevaluatedTarget<'a> {
    /// Its name for people.
    pub label: String,
    /// The target.
    pub target: Target,
    /// The tree that it is evaluated from.
    pub snapshot: Arc<Snapshot>,
    /// The version of the flake that it is of.
    pub version: Rc<Version<'a>>,
}

impl UnevaluatedTarget<'_> {
    /// What is to be evaluated.
    pub fn item(&self) -> Item {
        Item {
            snapshot: Arc::clone(&self.snapshot),
            request: self.target.request.clone(),
            name: self.label.clone(),
        }
    }
}

/// A version, once it was looked at.
type Known<'a> = Rc<OnceCell<Rc<Version<'a>>>>;

/// The versions of the flake that were asked for, each looked at once.
#[derive(Debug)]
pub struct Versions<'a> {
    session: &'a Session<'a>,
    tracked_only: bool,
    /// By commit or flake; `None` is the working tree.
    known: RefCell<HashMap<Option<Origin>, Known<'a>>>,
}

impl<'a> Versions<'a> {
    /// None yet.
    pub fn of(session: &'a Session<'a>, tracked_only: bool) -> Self {
        Self {
            session,
            tracked_only,
            known: RefCell::default(),
        }
    }

    /// The commit or the flake that `revision` names; the working tree without one.
    ///
    /// # Errors
    /// When there is no such, or its files cannot be looked at.
    pub async fn get(&self, revision: Option<&Origin>) -> Result<Rc<Version<'a>>, Error> {
        let key = revision.cloned();
        let cell = Rc::clone(self.known.borrow_mut().entry(key).or_default());
        let look = || async {
            let version = match revision {
                None => Version::working_tree(self.session, self.tracked_only).await,
                Some(Origin::Commit(revision)) => Version::commit(self.session, revision).await,
                Some(Origin::Flake(reference)) => {
                    Version::of_flake(self.session, reference, self.tracked_only).await
                }
            };
            version.map(Rc::new)
        };
        cell.get_or_try_init(look).await.cloned()
    }

    /// Finds `subject`, which the user called `word`.
    ///
    /// # Errors
    /// When it is a target that there is not, or one of a version that cannot be had.
    pub async fn find(
        &self,
        evaluator: &Evaluator<'_>,
        subject: &Subject,
        word: &str,
        conditions: Conditions<'_>,
    ) -> Result<Resolved<'a>, Error> {
        let (revision, name) = match subject {
            Subject::Derivation(path) => return Ok(Resolved::Derivation(path.clone())),
            Subject::Output(path) => return Ok(Resolved::Output(path.clone())),
            Subject::Machine(machine) => return Ok(Resolved::Machine(machine.clone())),
            Subject::Target { revision, name } => (revision.as_ref(), name),
        };
        let version = self.get(revision).await?;
        evaluator.will_evaluate(&version);
        let project = &version.checkout.project;
        hosts::for_targets(&evaluator.under(project), &version).await?;
        let native = &evaluator.nix.settings.system;
        let target = target::resolve(project, name, conditions.forced, native, &version)?;
        // Local settings are of this machine, and so of no commit.
        let host = target.request.settings_of();
        let host = host.filter(|_| !conditions.tracked_only && !version.is_commit());
        let (snapshot, _) = version.snapshot_for(host, conditions.with_local).await?;
        Ok(Resolved::Target(Box::new(UnevaluatedTarget {
            label: word.to_owned(),
            target,
            snapshot,
            version,
        })))
    }
}

/// The store that a `.drv` file is in, and its path there. Nix is not asked.
///
/// # Errors
/// When it is not in a store, or there is no such file.
pub fn derivation_file(
    environment: &Environment,
    options: &Options,
    path: &Utf8Path,
) -> Result<(Store, DrvPath), Error> {
    let store_dir = environment.nix_store_dir.as_deref();
    let uri = options.store.as_deref().unwrap_or("auto");
    let store = Store::to_evaluate_in(uri, store_dir);
    // A store elsewhere keeps its files below another folder.
    if let Some(position) = path.as_str().find(&format!("{}/", store.dir)) {
        let (root, inside) = path.as_str().split_at(position);
        let store = match root {
            "" => store,
            root => Store::from_uri(root, store_dir),
        };
        let drv = inside
            .parse()
            .map_err(|error: WrongPath| Error::new(Kind::Usage, error.to_string()))?;
        return Ok((store, drv));
    }
    // A link to one, or a word that only looks like one.
    match path.canonicalize_utf8() {
        Ok(real) if real != path => derivation_file(environment, options, &real),
        Ok(_) => Err(Error::new(
            Kind::Usage,
            format!(
                "{} is not in a store, so its dependencies cannot be found",
                environment.display_path(path)
            ),
        )
        .hint("name the file in the store")),
        Err(error) => Err(Error::file(
            Kind::Usage,
            "open",
            environment.display_path(path),
            &error,
        )),
    }
}

/// Where the links at `path` end.
///
/// # Errors
/// When there is no such path.
pub fn target_of(environment: &Environment, path: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    path.canonicalize_utf8().map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => "`cbox status` shows the links, `cbox list` the targets",
            _ => "",
        };
        Error::file(Kind::Usage, "open", environment.display_path(path), &error).hint(hint)
    })
}

/// Where the file is that `path` leads to: a path in the store, a link into it, or anything else.
///
/// # Errors
/// When there is no such file.
pub fn place_of(
    environment: &Environment,
    store: &Store,
    path: &Utf8Path,
) -> Result<Utf8PathBuf, Error> {
    // A store may keep the files of its paths elsewhere, where a link does not lead, or on
    // another machine.
    let elsewhere = |path: &Utf8Path| match store.physical(path.as_str()) {
        Some(place) if place == path => None,
        Some(place) => Some(Utf8PathBuf::from_path_buf(place).unwrap_or_else(|_| path.to_owned())),
        None => Some(path.to_owned()),
    };
    let link = path.read_link_utf8().ok();
    let in_store = [Some(path), link.as_deref()].into_iter().flatten();
    let place = in_store
        .filter(|path| path.starts_with(&store.dir))
        .find_map(elsewhere);
    match place {
        Some(place) if store.is_here() => target_of(environment, &place),
        Some(place) => Ok(place),
        None => target_of(environment, path),
    }
}

/// The store's own name for a place in it; `None` for a place elsewhere.
pub fn inside(store: &Store, place: &Utf8Path) -> Option<String> {
    store.logical(place.as_str())
}
