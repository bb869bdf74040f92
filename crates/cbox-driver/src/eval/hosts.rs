//! The hosts of a flake by their names in `nixosConfigurations`, which alone Nix knows: asked
//! once, and remembered for each tree. No host is evaluated for that.

use cbox_nix::eval::host_names;

use crate::{
    error::{Error, Kind},
    eval::{diagnose::of_evaluation, evaluator::Evaluator},
    flake::{session::Session, version::Version},
    process::options::NixArguments,
    progress::Event,
    text::nearest::suggestion,
};

/// The names in `nixosConfigurations` of `version`, sorted.
///
/// # Errors
/// When the flake does not evaluate.
pub async fn names(evaluator: &Evaluator<'_>, version: &Version<'_>) -> Result<Vec<String>, Error> {
    let project = &version.checkout.project;
    if let Some(known) = project.flake_hosts() {
        return Ok(known.to_vec());
    }
    let snapshot = version.plain().await?;
    let reporter = evaluator.session.reporter;
    let key = evaluator.key_of_hosts(&snapshot);
    let known = evaluator.cache.as_ref().map(|cache| cache.hosts(&key));
    let known = known.transpose().unwrap_or_else(|damage| {
        reporter.aside(&format!(
            "what is remembered of the hosts is not used, and Nix is asked anew: {damage}"
        ));
        None
    });
    let names = match known.flatten() {
        Some(names) => names,
        None => {
            snapshot.ready(evaluator).await?;
            reporter.report(Event::Doing("looking for hosts"));
            let names = match host_names(&evaluator.nix, &snapshot.staged).await {
                Ok(names) => names.unwrap_or_default(),
                Err(error) => return Err(of_evaluation(evaluator, error, &snapshot).await),
            };
            if let Some(cache) = &evaluator.cache {
                cache.put_hosts(&key, &names);
            }
            names
        }
    };
    project.learn_hosts(names.clone());
    if !version.is_commit() {
        project.remember(|known| known.learn_hosts(&names));
    }
    Ok(names)
}

/// Finds the hosts of a version that has no cbox.toml to name them.
///
/// # Errors
/// As [`names`].
pub async fn find(evaluator: &Evaluator<'_>, version: &Version<'_>) -> Result<(), Error> {
    if !version.checkout.project.is_configured() {
        names(evaluator, version).await?;
    }
    Ok(())
}

/// The same for targets that are named, which Nix looks for by itself: only folders that are
/// called as hosts are could be taken for all there are.
///
/// # Errors
/// As [`names`].
pub async fn for_targets(evaluator: &Evaluator<'_>, version: &Version<'_>) -> Result<(), Error> {
    match version.checkout.project.host_folders().is_empty() {
        true => Ok(()),
        false => find(evaluator, version).await,
    }
}

/// Whether `words` can mean several things: a host and a variant of it, or two hosts.
#[must_use]
pub fn are_ambiguous(words: &[String]) -> bool {
    let is_plain = |word: &String| !word.contains(['/', ':', '.']);
    words.windows(2).any(|pair| pair.iter().all(is_plain))
}

/// Finds the hosts of a flake without cbox.toml before `words` are read that can mean several
/// things: a host and a variant of it, or two hosts.
///
/// # Errors
/// As [`names`].
pub async fn for_words(session: &Session<'_>, words: &[String]) -> Result<(), Error> {
    if session.project.is_configured() || !are_ambiguous(words) {
        return Ok(());
    }
    let (evaluator, version) = session.to_evaluate(&NixArguments::default()).await?;
    find(&evaluator, &version).await
}

/// The error for a host that is not among the `names` in nixosConfigurations.
pub fn no_host(host: &str, names: &[String]) -> Error {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = format!("the flake has no host `{host}`");
    Error::new(Kind::Usage, message).hint(suggestion(host, &names))
}

/// The error for a flake without hosts.
pub fn none(evaluator: &Evaluator<'_>) -> Error {
    let session = evaluator.session;
    let project = &session.project;
    let flake = match &project.fetched {
        Some(_) => project.shown(),
        None => {
            let flake = project.folder.join("flake.nix");
            session.environment.display_path(&flake).into_string()
        }
    };
    Error::new(
        Kind::Config,
        format!("{flake} has no hosts in nixosConfigurations"),
    )
    .hint(
        "cbox builds the NixOS hosts in that output of a flake; images among its packages become \
         targets of the cbox.toml that `cbox init` writes",
    )
}
