//! What went wrong, in the user's terms: one sentence, its place in the user's tree, and what
//! to do. What Nix itself said is read by `cbox_nix::nix_error`; here it meets the tree.
//!
//! [`kind`] has the kind and the hint of each error, [`place`] finds a place for one that names
//! none, [`unstaged`] says why a file is not in the staged source.

mod kind;
mod place;
#[cfg(test)]
mod recorded;
pub mod unstaged;

use camino::Utf8Path;
use cbox_nix::{
    NixError,
    eval::host_names,
    lock_file::LockFault,
    nix::Staged,
    nix_error::{Cause, Fault, Unstaged},
    regular_file,
};
use nix_formats::nix_text::{to_user_positions, without_escapes};

use crate::{
    error::{Error, Kind, Place},
    eval::evaluator::Evaluator,
    flake::{checkout::Checkout, snapshot::Snapshot},
    process::environment::Environment,
    target_name::HOSTS,
    text::nearest::suggestion,
};

/// The error of an evaluation of `snapshot`. Of a file that is not there it says why it is not.
pub async fn of_evaluation(
    evaluator: &Evaluator<'_>,
    mut error: NixError,
    snapshot: &Snapshot,
) -> Error {
    let session = evaluator.session;
    if let NixError::Flake { fault } | NixError::Evaluation { fault, .. } = &mut error {
        place::complete(fault, &snapshot.tree, snapshot.staged.path.as_str());
        if let Some(Cause::MissingFile { file, why }) = &mut fault.cause {
            *why = unstaged::why(session, &snapshot.checkout, &snapshot.tree, file).await;
        }
    }
    let project = &snapshot.checkout.project;
    if let NixError::NoHost { host, near: None } = &error
        && project.named_hosts().is_none()
        && project.folder.join(HOSTS).join(host).exists()
    {
        let hint = format!(
            "the folder {HOSTS}/{host}/ counts as a machine: add it to nixosConfigurations, begin its \
             name with `_`, or name the machines with `hosts = […]` in cbox.toml"
        );
        return Error::from(error).hint(hint);
    }
    if let NixError::NoHost { host, near: None } = &error {
        let names = match project.flake_hosts() {
            Some(names) => names.to_vec(),
            // That there is no such host is known, whatever comes of this.
            None => {
                let names = host_names(&evaluator.nix, &snapshot.staged).await;
                names.ok().flatten().unwrap_or_default()
            }
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let hint = suggestion(host, &names);
        let error = Error::from(error);
        return match hint.is_empty() {
            true => error,
            false => error.hint(hint),
        };
    }
    let mut unstaged_lock = None;
    if let NixError::Lock(LockFault::Missing { elsewhere, .. }) = &mut error {
        let file = snapshot.checkout.project.dir().join("flake.lock");
        let mut file = file.into_string();
        let why = unstaged::why(session, &snapshot.checkout, &snapshot.tree, &mut file).await;
        let why = why.filter(|why| !matches!(why, Unstaged::Nowhere { .. }));
        *elsewhere = why.is_some();
        unstaged_lock = why.map(|why| why.hint(&file));
    }
    let root = evaluator.store_root();
    let staged = &snapshot.staged;
    let mut error = in_users_terms(&snapshot.checkout, session.environment, error, staged, root);
    match unstaged_lock {
        Some(hint) => error.hint(hint),
        None if snapshot.checkout.is_commit() && error.kind == Kind::Lock => {
            let commit = snapshot.checkout.label();
            error.message = format!("at {commit}: {}", error.message);
            error.hint(
                "a commit stays as it is: mend flake.lock in the working tree, and commit that",
            )
        }
        None => match &snapshot.checkout.project.fetched {
            Some(_) if error.kind == Kind::Lock => {
                error.message = format!("of {}: {}", snapshot.checkout.label(), error.message);
                error.hint("a clone can be locked: `nix flake lock` in it, and `--flake DIR`")
            }
            _ => error,
        },
    }
}

/// The error of a build; with the place of the hash that it is about, if there is one in the
/// tree of one of the `snapshots` that were built from.
pub fn of_build<'s>(
    evaluator: &Evaluator<'_>,
    mut snapshots: impl Iterator<Item = &'s Snapshot>,
    error: NixError,
) -> Error {
    let cause = error.cause();
    let word = cause.as_ref().and_then(|cause| cause.word());
    let found = snapshots.find_map(|snapshot| {
        let (tree, staged) = (&snapshot.tree, snapshot.staged.path.as_str());
        Some((place::only(tree, staged, word?)?, snapshot))
    });
    let Some((found, snapshot)) = found else {
        return error.into();
    };
    let checkout = &snapshot.checkout;
    let file = checkout.project.top.join(&found.file);
    let file = checkout.display_path(evaluator.session.environment, &file);
    let mut error = Error::from(error).at(Some(Place::of(&found)));
    let text = found.with_excerpt();
    let (_, place) = text.split_at(found.source.len() + 1 + found.file.len());
    let text = format!("named at {file}{place}").replace('\n', "\n  ");
    error.message.push_str(&format!("\n  {text}"));
    error
}

/// What it means that an input's replacement cannot be fetched.
pub fn of_fetch(name: &str, error: NixError) -> Error {
    match error {
        NixError::Failed { stderr, .. } => {
            let fault = Fault::of(&without_escapes(&stderr), "", "/no/source");
            let what = format!("the replacement of input `{name}` cannot be fetched:{fault}");
            Error::new(Kind::Lock, what).hint(fault.hint().unwrap_or_default())
        }
        other => other.into(),
    }
}

/// `error`, with places in the staged copy told as places in the user's tree.
pub(crate) fn in_users_terms(
    checkout: &Checkout,
    environment: &Environment,
    error: NixError,
    staged: &Staged,
    store_root: &Utf8Path,
) -> Error {
    let mut error = error;
    let place = match &mut error {
        NixError::Flake { fault } | NixError::Evaluation { fault, .. } => {
            fault.find_lines(|file| {
                regular_file::read_to_string(checkout.project.top.join(file)).ok()
            });
            fault.places.first().map(Place::of)
        }
        _ => None,
    };
    let mut error = Error::from(error).at(place);
    let display_path = |path: &Utf8Path| {
        let display_path = checkout.display_path(environment, path);
        display_path.trim_end_matches('/').to_owned()
    };
    let (store, root) = (staged.path.as_str(), store_root.as_str());
    // What is below the user's own folder is named from there.
    if let Ok(below) = environment.folder.strip_prefix(&checkout.project.top)
        && !checkout.is_commit()
        && below != ""
    {
        error.message = to_user_positions(&error.message, root, &format!("{store}/{below}"), "");
    }
    if !staged.dir.is_empty() {
        let flake = format!("{store}/{}", staged.dir);
        error.message = to_user_positions(
            &error.message,
            root,
            &flake,
            &display_path(&checkout.project.folder),
        );
    }
    error.message = to_user_positions(
        &error.message,
        root,
        store,
        &display_path(&checkout.project.top),
    );
    error
}
