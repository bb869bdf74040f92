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

/// A budget, and what there is of it.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What may be so large: `image` or `closure`.
    pub what: &'static str,
    /// How large it is, in bytes; `None` where it is not here.
    pub found: Option<u64>,
    /// How large it may be.
    pub allowed: ByteSize,
}

impl Verdict {
    /// How much more there is than allowed, in a clause; `None` where it is not too much.
    #[must_use]
    pub fn over(&self) -> Option<String> {
        let Self {
            what,
            found,
            allowed,
        } = self;
        let found = (*found)?;
        let more = found
            .checked_sub(allowed.bytes())
            .filter(|more| *more > 0)?;
        Some(format!(
            "its {what} is {}, {} more than {allowed}",
            size(found),
            size(more)
        ))
    }
}

/// The verdicts on the budgets that there are.
#[must_use]
pub fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let subject = &measured.subject;
    let Budget { image, closure } = &subject.budget;
    let both = [
        ("image", subject.image_size(), image),
        ("closure", Some(measured.closure.size()), closure),
    ];
    let both = both.into_iter().filter_map(|(what, found, allowed)| {
        Some(Verdict {
            what,
            found,
            allowed: allowed.clone()?,
        })
    });
    both.collect()
}

/// Checks both budgets.
pub fn check(measured: &Measured, comparison: Option<&Comparison>) -> Result<(), Error> {
    let subject = &measured.subject;
    let passed: Vec<String> = verdicts(measured)
        .iter()
        .filter_map(Verdict::over)
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

/// The verdict on an image that was just built, if it has a budget.
#[must_use]
pub fn of_image(project: &Project, manifest: &Manifest) -> Option<Verdict> {
    let Ok(TargetName::Image { kind, format, .. }) = manifest.target.parse() else {
        return None;
    };
    let config = target::find(project, &kind, &format).ok()?.target()?;
    Some(Verdict {
        what: "image",
        found: manifest.artifacts_size(),
        allowed: config.budget.image.clone()?,
    })
}

/// What to say of an image that was just built, if it is larger than it may be.
pub fn image_warning(project: &Project, manifest: &Manifest) -> Option<String> {
    let passed = of_image(project, manifest)?.over()?;
    let target = &manifest.target;
    Some(format!(
        "{target} is larger than cbox.toml allows: {passed} (`cbox size {target}` shows why)"
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
        let over = |found| {
            let allowed = "1 MiB".parse().unwrap();
            let verdict = Verdict {
                what: "image",
                found,
                allowed,
            };
            verdict.over()
        };
        assert_eq!(over(None), None);
        assert_eq!(over(Some(1 << 20)), None);
        assert_eq!(
            over(Some(3 << 20)).unwrap(),
            "its image is 3.1 MB, 2.1 MB more than 1 MiB"
        );
    }
}
