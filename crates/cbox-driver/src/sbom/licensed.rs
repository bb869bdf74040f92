//! What nixpkgs says of the parts of a bill and their derivations do not: licences, homepages,
//! CPE and package URL.

use std::collections::{BTreeMap, BTreeSet};

use cbox_nix::{
    NixError,
    expression::Request,
    metadata::{Metadata, metadata},
};

use super::parts::Part;
use crate::{
    error::Error, eval::evaluator::Evaluator, flake::snapshot::Snapshot, progress::Event,
    text::harmless,
};

/// How much of an error is shown: a bill does not fail of it.
const MOST: usize = 300;

/// Adds to each package among `parts` what the packages of the host that `request` names say of one
/// of the same name and version. What does not evaluate leaves it as it is, and is a warning.
///
/// # Errors
/// When a signal comes.
pub(super) async fn add(
    evaluator: &Evaluator<'_>,
    snapshot: &Snapshot,
    request: &Request,
    parts: &mut [Part],
) -> Result<(), Error> {
    let packages = parts.iter().filter(|part| part.is_package);
    let names: BTreeSet<&str> = packages.map(|part| part.name.as_str()).collect();
    if names.is_empty() || request.package.is_some() {
        return Ok(());
    }
    let reporter = evaluator.session.reporter;
    reporter.report(Event::Briefly("asking nixpkgs for licences"));
    let names: Vec<&str> = names.into_iter().collect();
    let asked = match snapshot.ready(evaluator).await {
        Ok(()) => metadata(&evaluator.nix, &snapshot.staged, request, &names).await,
        Err(error) => return warn(evaluator, &error.message),
    };
    let found = match asked {
        Ok(found) => found,
        Err(error @ NixError::Interrupted(_)) => return Err(error.into()),
        // The command of it has all names.
        Err(NixError::Answer { reason, .. }) => return warn(evaluator, &reason),
        Err(error) => return warn(evaluator, &Error::from(error).message),
    };
    let mut known: BTreeMap<(String, String), Metadata> = BTreeMap::new();
    for one in found {
        let key = (one.name.clone(), one.version.clone());
        let is_better = |other: &Metadata| other.licenses.is_empty() && !one.licenses.is_empty();
        if known.get(&key).is_none_or(is_better) {
            known.insert(key, one);
        }
    }
    for part in parts.iter_mut().filter(|part| part.is_package) {
        let key = (part.name.clone(), part.version.clone());
        part.metadata = known.get(&key).cloned();
    }
    Ok(())
}

/// Says that there are no licences, and why.
fn warn(evaluator: &Evaluator<'_>, why: &str) -> Result<(), Error> {
    let mut lines = why.lines().map(str::trim);
    let why = lines.find(|line| !line.is_empty()).unwrap_or_default();
    evaluator.session.reporter.warn(&format!(
        "the SBOM has no licences, homepages and CPE, since the packages of the host do not say: {}",
        harmless(why, MOST)
    ));
    Ok(())
}
