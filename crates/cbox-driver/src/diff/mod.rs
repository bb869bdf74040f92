//! The two derivations that `cbox diff` compares, whatever names them.

pub mod explain;

use camino::Utf8Path;
use cbox_nix::{regular_file, store::Store};
use nix_formats::store_path::DrvPath;

use crate::{
    error::{Error, Kind},
    eval::{
        evaluator::Evaluator,
        schedule::{self, Item},
    },
    links::manifest::Manifest,
    process::{
        environment::Environment,
        options::{Forced, Limits, Options},
    },
    subject::{
        Subject,
        find::{self, Conditions, Resolved, Versions, derivation_file},
    },
};

/// A word and what it names.
#[derive(Debug, Clone)]
pub struct Named {
    /// As it was typed.
    pub word: String,
    /// What it names.
    pub subject: Subject,
}

impl Named {
    /// Understands what was typed.
    ///
    /// # Errors
    /// When it names nothing that there can be.
    pub fn parse(environment: &Environment, word: &str) -> Result<Self, Error> {
        Ok(Self {
            word: word.to_owned(),
            subject: Subject::parse(environment, word)?,
        })
    }
}

/// The store and the derivations of two `.drv` files, for which neither a flake nor Nix is
/// needed; `None` where one of the two is something else.
///
/// # Errors
/// When one is not in a store, or they are in different ones.
pub fn of_files(
    environment: &Environment,
    options: &Options,
    old: &Named,
    new: &Named,
) -> Result<Option<(Store, [DrvPath; 2])>, Error> {
    let (Subject::Derivation(old_file), Subject::Derivation(new_file)) =
        (&old.subject, &new.subject)
    else {
        return Ok(None);
    };
    let (store, one) = derivation_file(environment, options, old_file)?;
    let (other_store, other) = derivation_file(environment, options, new_file)?;
    match store == other_store {
        true => Ok(Some((store, [one, other]))),
        false => Err(different_stores(old, new)),
    }
}

/// The derivations of both; what has to be evaluated is evaluated at once. `tracked_only`
/// leaves local settings out.
///
/// # Errors
/// When a word names nothing, or what it names has no derivation.
pub async fn derivations(
    evaluator: &Evaluator<'_>,
    (old, new): (&Named, &Named),
    tracked_only: bool,
    limits: &Limits,
) -> Result<[DrvPath; 2], Error> {
    let session = evaluator.session;
    let versions = Versions::of(session, tracked_only);
    let forced = Forced::default();
    let conditions = Conditions {
        forced: &forced,
        with_local: false,
        tracked_only,
    };
    let (one, other) = tokio::try_join!(
        versions.find(evaluator, &old.subject, &old.word, conditions),
        versions.find(evaluator, &new.subject, &new.word, conditions)
    )?;
    // A derivation, or what gives one.
    let mut known = Vec::new();
    for found in [one, other] {
        known.push(match found {
            Resolved::Derivation(path) => {
                let (store, inside) =
                    derivation_file(session.environment, &session.options, &path)?;
                let place = |store: &Store| (store.root().to_owned(), store.dir.clone());
                if place(&store) != place(&evaluator.nix.store) {
                    return Err(different_stores(old, new));
                }
                Ok(inside)
            }
            Resolved::Output(path) => Ok(of_output(evaluator, &path).await?),
            Resolved::Target(unevaluated) => {
                if !unevaluated.snapshot.local.is_empty() {
                    session.reporter.note(&format!(
                        "{}: with local settings (`--tracked` leaves them out)",
                        unevaluated.label
                    ));
                }
                Err(unevaluated.item())
            }
        });
    }
    let items: Vec<Item> = known
        .iter()
        .filter_map(|known| known.as_ref().err().cloned())
        .collect();
    let mut answers = schedule::derivations(evaluator, limits, &items)
        .await?
        .into_iter();
    let mut derivation = |known: Result<DrvPath, Item>| match known {
        Ok(drv) => Ok(drv),
        Err(_) => match answers.next() {
            Some(answer) => answer.map(|(_, derivation)| derivation.drv),
            None => Err(Error::new(Kind::Evaluation, "no answer came")),
        },
    };
    let mut known = known.into_iter();
    match (known.next(), known.next()) {
        (Some(one), Some(other)) => Ok([derivation(one)?, derivation(other)?]),
        _ => Err(Error::new(Kind::Evaluation, "no answer came")),
    }
}

fn different_stores(old: &Named, new: &Named) -> Error {
    Error::new(
        Kind::Usage,
        format!("{} and {} are in different stores", old.word, new.word),
    )
    .hint("`nix copy --derivation` copies one to the store of the other")
}

/// The derivation of what a link leads to: its manifest names it, or Nix remembers it.
async fn of_output(evaluator: &Evaluator<'_>, path: &Utf8Path) -> Result<DrvPath, Error> {
    let store = &evaluator.nix.store;
    let target = find::place_of(evaluator.session.environment, store, path)?;
    let inside = find::inside(store, &target);
    let manifest = regular_file::read(format!("{path}.json")).ok();
    if let Some(manifest) = manifest.and_then(|text| Manifest::parse(&text).ok())
        && inside
            .as_ref()
            .is_some_and(|inside| inside.starts_with(manifest.out.as_str()))
    {
        return Ok(manifest.drv);
    }
    let display_path = evaluator.session.environment.display_path(path);
    let other = "name a .drv file, a target or a link that cbox made";
    let inside = inside.ok_or_else(|| {
        Error::new(Kind::Usage, format!("{display_path} is not in a store")).hint(other)
    })?;
    let deriver = evaluator.nix.deriver(&inside).await?;
    deriver
        .and_then(|deriver| DrvPath::try_from(deriver).ok())
        .ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!("the derivation that built {display_path} is unknown"),
            )
            .hint(other)
        })
}
