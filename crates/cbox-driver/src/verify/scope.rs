//! Which hosts a verdict on all of a version is about: its install hosts, and those that are
//! measured by something and gone.

use super::judge::{self, no_hosts};
use crate::{
    baseline::Baseline,
    error::Error,
    eval::hosts,
    flake::{session::Session, version::Version},
    process::options::NixArguments,
};

/// The hosts of a verdict, each by name and sorted.
#[derive(Debug)]
pub struct Scope {
    /// Those that are there.
    pub hosts: Vec<String>,
    /// Those that are gone.
    pub gone: Vec<String>,
}

/// The hosts of the verdict on what is tracked in the working tree. `base` is the commit to
/// compare with; without it, where a pull request began.
///
/// # Errors
/// When there is none, or when they cannot be told.
pub async fn of_tracked(session: &Session<'_>, base: Option<&str>) -> Result<Scope, Error> {
    let state = Version::tracked(session).await?;
    let arguments = NixArguments::default();
    // Folders and cbox.toml name them without Nix.
    if !session.project.is_configured() {
        let evaluator = session.evaluator(&arguments).await?;
        hosts::find(&evaluator, &state).await?;
    }
    let accepted = state.baseline()?;
    // The base counts only where nothing was accepted.
    let base = match &accepted {
        Some(_) => None,
        None => judge::base(session, base).await?,
    };
    if let Some(base) = &base
        && !base.checkout.project.is_configured()
    {
        let evaluator = session.evaluator(&arguments).await?;
        hosts::find(&evaluator.under(&base.checkout.project), base).await?;
    }
    let mut hosts = state.install_hosts();
    hosts.sort();
    let mut gone = gone(&hosts, accepted.as_ref(), base.as_ref());
    gone.sort();
    if hosts.is_empty() && gone.is_empty() {
        return Err(no_hosts(&state, ""));
    }
    Ok(Scope { hosts, gone })
}

/// The hosts that are measured by something, what was `accepted` or else a `base`, and are not
/// among `hosts`.
pub(super) fn gone(
    hosts: &[String],
    accepted: Option<&Baseline>,
    base: Option<&Version<'_>>,
) -> Vec<String> {
    let before: Vec<String> = match (accepted, base) {
        (Some(accepted), _) => accepted.hosts.keys().cloned().collect(),
        (None, Some(base)) => base.install_hosts(),
        (None, None) => vec![],
    };
    before
        .into_iter()
        .filter(|host| !hosts.contains(host))
        .collect()
}
