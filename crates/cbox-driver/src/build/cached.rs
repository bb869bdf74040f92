//! What need not be built, because a store has it.

use std::collections::HashSet;

use cbox_nix::{build, expression::DerivationInfo};

use crate::{error::Error, eval::evaluator::Evaluator};

/// Which of `derivations` are in the store, or in a binary cache that Nix uses, by Nix's own plan:
/// who signed what is in a cache is judged when it is fetched.
///
/// # Errors
/// When Nix cannot tell.
pub async fn cached(
    evaluator: &Evaluator<'_>,
    derivations: &[&DerivationInfo],
) -> Result<Vec<bool>, Error> {
    if derivations.is_empty() {
        return Ok(vec![]);
    }
    let installables = derivations
        .iter()
        .map(|derivation| derivation.installable());
    let installables: Vec<String> = installables.collect();
    let plan = build::plan(&evaluator.nix, &installables).await?;
    let missing = plan.build.iter().chain(&plan.unknown).map(String::as_str);
    let missing: HashSet<&str> = missing.collect();
    let is_cached = |derivation: &&DerivationInfo| {
        let out = derivation.out.iter().map(|out| out.as_str());
        let mut paths = out.chain([derivation.drv.as_str()]);
        !paths.any(|path| missing.contains(path))
    };
    Ok(derivations.iter().map(is_cached).collect())
}
