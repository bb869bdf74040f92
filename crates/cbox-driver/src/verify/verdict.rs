//! What a host's derivation of today is, measured by the one that was accepted.

use serde::{Deserialize, Serialize};

/// A verdict on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The same derivation.
    Unchanged,
    /// Another derivation that builds the very same output.
    Equivalent,
    /// Something else would be built.
    Changed,
    /// The host is new: nothing was accepted for it.
    Added,
    /// The host is gone.
    Removed,
    /// The host does not evaluate, so nothing is known of it.
    Failed,
}

/// A derivation and its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built<'a> {
    /// The path of the `.drv` file.
    pub drv: &'a str,
    /// The path of the output, where it is known before the build.
    pub out: Option<&'a str>,
}

impl Status {
    /// The verdict on a host; `before` is what was accepted, `now` what it evaluates to.
    #[must_use]
    pub fn of(before: Option<Built<'_>>, now: Option<Built<'_>>) -> Self {
        match (before, now) {
            (Some(before), Some(now)) if before.drv == now.drv => Self::Unchanged,
            (Some(before), Some(now)) if before.out.is_some() && before.out == now.out => {
                Self::Equivalent
            }
            (Some(_), Some(_)) => Self::Changed,
            (None, _) => Self::Added,
            (Some(_), None) => Self::Removed,
        }
    }

    /// Whether a pull request may pass with it. With `strict` only the same derivation
    /// does.
    #[must_use]
    pub fn passes(self, strict: bool) -> bool {
        match self {
            Self::Unchanged => true,
            Self::Equivalent => !strict,
            Self::Changed | Self::Added | Self::Removed | Self::Failed => false,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Equivalent => "equivalent",
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_measured_by_derivation_and_then_by_output() {
        let built = |drv, out| {
            let out = Some(out).filter(|out: &&str| !out.is_empty());
            Some(Built { drv, out })
        };
        for (before, now, status, passes, passes_strictly) in [
            (
                built("a.drv", "a"),
                built("a.drv", "a"),
                Status::Unchanged,
                true,
                true,
            ),
            (
                built("a.drv", "a"),
                built("b.drv", "a"),
                Status::Equivalent,
                true,
                false,
            ),
            (
                built("a.drv", "a"),
                built("b.drv", "b"),
                Status::Changed,
                false,
                false,
            ),
            (
                built("a.drv", ""),
                built("b.drv", ""),
                Status::Changed,
                false,
                false,
            ),
            (None, built("a.drv", "a"), Status::Added, false, false),
            (built("a.drv", "a"), None, Status::Removed, false, false),
        ] {
            let found = Status::of(before, now);
            assert_eq!(found, status);
            assert_eq!(
                (found.passes(false), found.passes(true)),
                (passes, passes_strictly)
            );
        }
        assert!(!Status::Failed.passes(false));
    }
}
