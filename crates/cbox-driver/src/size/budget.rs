//! What is larger than `cbox.toml` allows.

use super::measured::{Comparison, Measured};
use crate::{
    error::{Error, Kind},
    flake::{config::Budget, project::Project},
    links::manifest::Manifest,
    size::change::{Change, Fate},
    subject::target,
    target_name::TargetName,
    text::{byte_size::ByteSize, size},
};

/// How many packages are named.
const NAMED: usize = 3;

/// Checks both budgets.
pub fn check(measured: &Measured, comparison: Option<&Comparison>) -> Result<(), Error> {
    let subject = &measured.subject;
    let Budget { image, closure } = &subject.budget;
    let file = subject.image_size();
    let passed: Vec<String> = [
        over("image", file, image.as_ref()),
        over("closure", Some(measured.closure.size()), closure.as_ref()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if passed.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Budget,
        format!(
            "{} is larger than cbox.toml allows: {}",
            subject.name,
            passed.join(", and ")
        ),
    )
    .hint(blame(measured, comparison)))
}

/// What to say of an image that was just built, if it is larger than it may be.
pub fn image_warning(project: &Project, manifest: &Manifest) -> Option<String> {
    let Ok(TargetName::Image { kind, format, .. }) = manifest.target.parse() else {
        return None;
    };
    let config = target::find(project, &kind, &format).ok()?.target()?;
    let file = manifest.artifacts_size();
    let passed = over("image", file, config.budget.image.as_ref())?;
    let target = &manifest.target;
    Some(format!(
        "{target} is larger than cbox.toml allows: {passed} (`cbox size {target}` shows why)"
    ))
}

fn over(what: &str, found: Option<u64>, allowed: Option<&ByteSize>) -> Option<String> {
    let (found, allowed) = (found?, allowed?);
    let more = found
        .checked_sub(allowed.bytes())
        .filter(|more| *more > 0)?;
    Some(format!(
        "its {what} is {}, {} more than {allowed}",
        size(found),
        size(more)
    ))
}

/// The packages to look at first: those that grew, or else the largest.
fn blame(measured: &Measured, comparison: Option<&Comparison>) -> String {
    let grown = comparison.into_iter().flat_map(|one| &one.changes);
    let grown: Vec<String> = grown
        .filter(|change| matches!(change.fate, Fate::Came | Fate::Grew))
        .take(NAMED)
        .map(|change: &Change| format!("{} +{}", change.name, size(change.amount())))
        .collect();
    if !grown.is_empty() {
        return format!("what came or grew most: {}", grown.join(", "));
    }
    let largest = measured.packages.iter().take(NAMED);
    let largest: Vec<String> = largest
        .map(|package| format!("{} {}", package.name, size(package.size)))
        .collect();
    format!("the largest packages: {}", largest.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_may_be_used_up() {
        let budget: ByteSize = "1 MiB".parse().unwrap();
        let over = |found| over("image", found, Some(&budget));
        assert_eq!(over(None), None);
        assert_eq!(over(Some(1 << 20)), None);
        assert_eq!(
            over(Some(3 << 20)).unwrap(),
            "its image is 3.1 MB, 2.1 MB more than 1 MiB"
        );
    }
}
