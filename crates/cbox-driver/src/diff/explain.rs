//! Why one derivation is not another, with the files of the store at hand.

use cbox_nix::{
    NixError,
    derivations::{self, DerivationFault},
    store::Store,
};
use cbox_source::compare::compare;
use drv_causes::{Cause, Change, Difference, ExplainError, Explanation, Needed};
use nix_formats::store_path::DrvPath;
use serde_json::{Value, json};

use crate::{
    error::{Error, Kind, Place},
    process::blocking::blocking,
};

/// So many sources are compared file by file; of those behind them the paths have to do.
const MOST_SOURCES: usize = 20;

/// Explains why the derivation at `new` is not the one at `old`.
///
/// # Errors
/// When a derivation cannot be read.
pub async fn explain(store: &Store, old: &DrvPath, new: &DrvPath) -> Result<Explanation, Error> {
    let (store, old, new) = (store.clone(), old.clone(), new.clone());
    blocking(move || explain_now(&store, &old, &new)).await
}

fn explain_now(store: &Store, old: &str, new: &str) -> Result<Explanation, Error> {
    let read = |paths: &[&str]| derivations::read(store, paths);
    let mut explanation = drv_causes::explain(old, new, &read).map_err(|error| match error {
        ExplainError::Read(error) => Error::from(error),
        error @ ExplainError::Cycle(_) => Error::new(Kind::Environment, error.to_string()),
    })?;
    let sources = explanation
        .causes
        .iter_mut()
        .filter(|cause| cause.is_source);
    for cause in sources.take(MOST_SOURCES) {
        cause.differences = files(store, cause);
    }
    Ok(explanation)
}

/// The files of a source that differ.
fn files(store: &Store, cause: &Cause) -> Vec<Difference> {
    let (old, new) = (store.physical(&cause.before), store.physical(&cause.after));
    let (Some(old), Some(new)) = (old, new) else {
        return vec![];
    };
    compare(&old, &new).unwrap_or_else(|error| {
        // A source of long ago can be gone, and so can one that was never fetched here.
        vec![Difference {
            field: "content".to_owned(),
            change: Change::Changed {
                before: cause.before.clone(),
                after: format!("{} ({})", cause.after, Error::from(error).message),
            },
        }]
    })
}

/// All that the derivation at `drv` needs, to build and to run.
///
/// # Errors
/// When a derivation cannot be read.
pub async fn all_needed(store: &Store, drv: &DrvPath) -> Result<Vec<Needed>, Error> {
    let (store, drv) = (store.clone(), drv.clone());
    let needed = blocking(move || {
        let read = |paths: &[&str]| derivations::read(&store, paths);
        drv_causes::needed(&drv, &read)
    });
    Ok(needed.await?)
}

/// An explanation as JSON, each cause with the place that it comes from.
pub fn with_places(explanation: Option<&Explanation>, places: &[Option<Place>]) -> Value {
    let mut explanation = json!(explanation);
    for (number, place) in places.iter().enumerate() {
        explanation["causes"][number]["place"] = json!(place);
    }
    explanation
}

/// Whether there is a derivation at `drv`, be it damaged or out of reach: to evaluate it again
/// helps only where there is none.
pub fn is_there(store: &Store, drv: &DrvPath) -> bool {
    !matches!(
        derivations::read(store, &[drv]),
        Err(NixError::Derivation {
            fault: DerivationFault::Missing,
            ..
        })
    )
}
