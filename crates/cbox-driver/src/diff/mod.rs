//! `cbox diff`: two of whatever names a derivation or what one built, and why they differ.
//!
//! [`side`] finds what is compared. [`explain`] says why one derivation is not the other,
//! [`packages`] which packages differ, and [`place`] points at the line that did it.

pub mod explain;
pub mod packages;
pub mod place;
mod side;

use cbox_nix::{Interrupt, argv, derivations, nix::Nix, store::Store};
use drv_causes::Explanation;
use nix_formats::store_path::{DrvPath, OutPath};
use serde_json::{Value, json};

use self::{
    explain::{explain, with_places},
    packages::PackageDifference,
    side::{Finder, Side},
};
use crate::{
    error::{Error, Kind, Place},
    eval::evaluator::Evaluator,
    flake::session::Hears,
    process::{
        environment::Environment,
        options::{Limits, Options},
    },
    progress::{Event, Reporter},
    subject::{Subject, find::derivation_file},
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

    /// Whether it is something of a flake, and not a thing in a store.
    pub fn is_target(&self) -> bool {
        matches!(self.subject, Subject::Target { .. })
    }
}

/// One of the two that were compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As it was typed.
    pub name: String,
    /// Its derivation, as far as that is known and at hand.
    pub drv: Option<DrvPath>,
    /// What it builds or was built, as far as that is known.
    pub out: Option<OutPath>,
}

/// What differs between two.
#[derive(Debug)]
pub struct Comparison {
    /// The old one.
    pub old: Found,
    /// The new one.
    pub new: Found,
    /// Why the one is not the other; `None` where their derivations are not at hand.
    pub explanation: Option<Explanation>,
    /// Where in the repository each cause comes from, as far as that shows.
    pub places: Vec<Option<Place>>,
    /// Why there is no explanation.
    pub unexplained: Option<String>,
    /// The packages that differ.
    pub packages: PackageDifference,
    /// The systems that the two are built on, where these differ.
    pub systems: Option<[String; 2]>,
}

impl Comparison {
    /// What is the same, in words; `None` where something differs.
    pub fn sameness(&self) -> Option<&'static str> {
        let is_same = |old: Option<&str>, new: Option<&str>| old.is_some() && old == new;
        let (old, new) = (&self.old, &self.new);
        if is_same(old.drv.as_deref(), new.drv.as_deref()) {
            return Some("the same derivation");
        }
        match &self.explanation {
            Some(explanation) => explanation
                .same_output
                .then_some("another derivation with the same output"),
            None => is_same(old.out.as_deref(), new.out.as_deref()).then_some("the same output"),
        }
    }

    /// Whether both are one thing, so that there is nothing to show.
    pub fn is_same(&self) -> bool {
        let is_equivalent = self.explanation.as_ref().is_some_and(|it| it.same_output);
        self.sameness().is_some() && !(is_equivalent && self.old.drv != self.new.drv)
    }

    /// The document.
    pub fn to_json(&self) -> Value {
        let side = |found: &Found| json!({ "name": found.name, "drvPath": found.drv, "outPath": found.out });
        json!({
            "old": side(&self.old),
            "new": side(&self.new),
            "explanation": with_places(self.explanation.as_ref(), &self.places),
            "unexplained": self.unexplained,
            "packageChanges": self.packages,
        })
    }
}

/// Compares two `.drv` files, for which neither a flake nor Nix is needed; `None` where one of
/// the two is something else.
///
/// # Errors
/// When one is not in a store, or they are in different ones, or cannot be read.
pub async fn files(
    environment: &Environment,
    options: &Options,
    reporter: &dyn Reporter,
    (old, new): (&Named, &Named),
) -> Result<Option<Comparison>, Error> {
    let (Subject::Derivation(old_file), Subject::Derivation(new_file)) =
        (&old.subject, &new.subject)
    else {
        return Ok(None);
    };
    let (store, one) = derivation_file(environment, options, old_file)?;
    let (other_store, other) = derivation_file(environment, options, new_file)?;
    if store != other_store {
        return Err(different_stores(&old.word, &new.word));
    }
    reporter.report(Event::Briefly("comparing"));
    let explanation = explain(&store, &one, &other).await?;
    let systems = different_systems(&store, &one, &other);
    let found = |named: &Named, drv: DrvPath| Found {
        name: named.word.clone(),
        out: side::output_of(&store, &drv),
        drv: Some(drv),
    };
    Ok(Some(Comparison {
        old: found(old, one),
        new: found(new, other),
        packages: PackageDifference::of_derivations(&explanation),
        explanation: Some(explanation),
        places: vec![],
        unexplained: None,
        systems,
    }))
}

/// Compares two things that are in stores, for which no flake is needed.
///
/// # Errors
/// When one is not there, or nothing of both can be compared.
pub async fn stored(
    environment: &Environment,
    options: &Options,
    (reporter, interrupt): Hears<'_>,
    names: (&Named, &Named),
) -> Result<Comparison, Error> {
    let nix = nix(environment, options, interrupt).await?;
    let finder = Finder {
        nix: &nix,
        environment,
        options,
        hears: (reporter, interrupt),
    };
    let (old, new) = tokio::try_join!(finder.stored(names.0), finder.stored(names.1))?;
    match (old, new) {
        (Some(old), Some(new)) => compare(&finder, [old, new]).await,
        _ => Err(Error::new(Kind::Evaluation, "no answer came")),
    }
}

/// Compares two things, at least one of which is to be evaluated; what has to be is evaluated at
/// once. `tracked_only` leaves local settings out.
///
/// # Errors
/// When a word names nothing, does not evaluate, or nothing of both can be compared.
pub async fn evaluated(
    evaluator: &Evaluator<'_>,
    names: (&Named, &Named),
    tracked_only: bool,
    limits: &Limits,
) -> Result<Comparison, Error> {
    let session = evaluator.session;
    let finder = Finder {
        nix: &evaluator.nix,
        environment: session.environment,
        options: &session.options,
        hears: session.hears(),
    };
    let sides = finder.sides(evaluator, names, tracked_only, limits).await?;
    let change = side::change(&sides);
    let added = async {
        match &change {
            Some((commit, version)) => place::added_since(session, version, commit).await,
            None => vec![],
        }
    };
    let mut comparison = compare(&finder, sides).await?;
    if let Some(explanation) = comparison
        .explanation
        .as_ref()
        .filter(|it| !it.causes.is_empty())
    {
        comparison.places = place::of_causes(explanation, &added.await);
    }
    Ok(comparison)
}

async fn nix(
    environment: &Environment,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Nix, Error> {
    let words = argv::Options {
        store: options.store_uri(environment),
        offline: options.offline,
        ..argv::Options::default()
    };
    let store_dir = environment.nix_store_dir.as_deref();
    Ok(Nix::find(words, store_dir, interrupt).await?)
}

async fn compare(finder: &Finder<'_>, [old, new]: [Side<'_>; 2]) -> Result<Comparison, Error> {
    finder.hears.0.report(Event::Briefly("comparing"));
    let explanation = match (&old.drv, &new.drv) {
        (Ok(one), Ok(other)) => Ok(explain(&finder.nix.store, one, other).await?),
        (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
    };
    let packages = match &explanation {
        // Of one and the same there is nothing to ask.
        Ok(explanation) if explanation.same_output => None,
        _ => finder.closures([&old, &new]).await?,
    };
    let packages = match (packages, &explanation) {
        (Some(packages), _) => packages,
        (None, Ok(explanation)) => PackageDifference::of_derivations(explanation),
        (None, Err(reason)) => match finder.mixed([&old, &new]).await? {
            Some(packages) => packages,
            None => {
                let message = format!("there is nothing to compare: {reason}");
                return Err(Error::new(Kind::Usage, message)
                    .hint("name a .drv file, a target or a link that cbox made"));
            }
        },
    };
    let systems = match (&old.drv, &new.drv) {
        (Ok(one), Ok(other)) => different_systems(&finder.nix.store, one, other),
        _ => None,
    };
    let (explanation, unexplained) = match explanation {
        Ok(explanation) => (Some(explanation), None),
        Err(reason) => (None, Some(reason)),
    };
    Ok(Comparison {
        old: old.found(),
        new: new.found(),
        explanation,
        places: vec![],
        unexplained,
        packages,
        systems,
    })
}

/// The systems of two derivations, where they are not the same.
fn different_systems(store: &Store, one: &DrvPath, other: &DrvPath) -> Option<[String; 2]> {
    let both = derivations::read(store, &[one, other]).ok()?;
    let systems: Vec<String> = both
        .iter()
        .map(|derivation| String::from_utf8_lossy(derivation.system()).into_owned())
        .collect();
    let systems: [String; 2] = systems.try_into().ok()?;
    (systems[0] != systems[1]).then_some(systems)
}

fn different_stores(old: &str, new: &str) -> Error {
    Error::new(
        Kind::Usage,
        format!("{old} and {new} are in different stores"),
    )
    .hint("`nix copy --derivation` copies one to the store of the other")
}

/// Whether two stores have their files in one place.
fn is_one(one: &Store, other: &Store) -> bool {
    (one.root(), &one.dir) == (other.root(), &other.dir)
}
