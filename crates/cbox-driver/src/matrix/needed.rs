//! Which jobs of a matrix are needed: those whose target differs from a commit, and those that no
//! binary cache has. This is what evaluation and Nix's plan tell; nothing is built.

use std::sync::Arc;

use cbox_nix::expression::DerivationInfo;
use nix_formats::system::System;

use crate::{
    build::cached::cached,
    ci::MatrixJob,
    error::{Error, Kind},
    eval::{
        evaluator::Evaluator,
        hosts,
        schedule::{self, Item},
    },
    flake::{base::default_base, session::Session, version::Version},
    process::options::{Forced, Limits, NixArguments},
    subject::target,
    target_name::TargetName,
    text::count,
    verify::verdict::{Built, Status},
};

/// What a job has to be needed for.
#[derive(Debug, Clone, Copy)]
pub struct Needed<'a> {
    /// Only what differs from a commit.
    pub changed: bool,
    /// That commit; without it, where a pull request began.
    pub base: Option<&'a str>,
    /// Only what is in no binary cache that Nix uses, and not in its store. Who signed what is in
    /// a cache is judged when it is fetched.
    pub not_cached: bool,
    /// How much is evaluated at once.
    pub limits: Limits,
    /// What Nix is told.
    pub arguments: &'a NixArguments,
}

/// What a target evaluates to in one version.
type Answer = Result<DerivationInfo, Error>;

/// Those of `jobs` that are needed. A target that does not evaluate is: its job says why.
///
/// # Errors
/// When there is no commit to compare with, or a version cannot be looked at.
pub async fn only(
    session: &Session<'_>,
    jobs: Vec<MatrixJob>,
    needed: &Needed<'_>,
) -> Result<Vec<MatrixJob>, Error> {
    let (evaluator, sources) = session.to_evaluate(needed.arguments).await?;
    let base = match needed.changed {
        true => Some(base(session, needed.base).await?),
        false => None,
    };
    let names: Vec<TargetName> = jobs
        .iter()
        .filter_map(|job| job.target.parse().ok())
        .collect();
    let now = answers(&evaluator, &sources, &names, &needed.limits).await?;
    let mut wanted = vec![true; jobs.len()];
    if let Some(base) = &base {
        let there = evaluator.under(&base.checkout.project);
        hosts::find(&there, base).await?;
        let before = answers(&there, base, &names, &needed.limits).await?;
        for (wanted, (now, before)) in wanted.iter_mut().zip(now.iter().zip(&before)) {
            *wanted = differs(now, before);
        }
    }
    if needed.not_cached {
        let mut left: Vec<(&mut bool, &DerivationInfo)> = Vec::new();
        for (wanted, answer) in wanted.iter_mut().zip(&now) {
            if let (true, Ok(derivation)) = (*wanted, answer) {
                left.push((wanted, derivation));
            }
        }
        let derivations: Vec<&DerivationInfo> = left.iter().map(|(_, it)| *it).collect();
        let cached = cached(&evaluator, &derivations).await?;
        for ((wanted, _), cached) in left.into_iter().zip(cached) {
            *wanted = !cached;
        }
    }
    let all = jobs.len();
    let jobs = jobs.into_iter().zip(wanted);
    let jobs: Vec<MatrixJob> = jobs
        .filter_map(|(job, wanted)| wanted.then_some(job))
        .collect();
    let others = match (&base, needed.not_cached) {
        _ if jobs.len() == all => String::new(),
        (Some(base), false) => format!("; the others are as at {}", base.checkout.label()),
        (Some(base), true) => format!(
            "; the others are as at {}, or cached",
            base.checkout.label()
        ),
        (None, _) => "; the others are cached".to_owned(),
    };
    let note = format!(
        "jobs for {} of {}{others}",
        jobs.len(),
        count(all, "target")
    );
    session.reporter.note(&note);
    Ok(jobs)
}

/// The commit that is compared with.
async fn base<'s>(session: &'s Session<'s>, revision: Option<&str>) -> Result<Version<'s>, Error> {
    if let Some(revision) = revision {
        return Version::commit(session, revision).await;
    }
    match default_base(session).await? {
        Some(base) => Version::commit(session, &base.commit).await,
        None => Err(Error::new(
            Kind::Usage,
            "there is no commit to compare with for `--changed`",
        )
        .hint("name it: `--base REV`; in a pull request it is where that began")),
    }
}

/// What each of `names` evaluates to in `version`.
async fn answers(
    evaluator: &Evaluator<'_>,
    version: &Version<'_>,
    names: &[TargetName],
    limits: &Limits,
) -> Result<Vec<Answer>, Error> {
    let native: &System = &evaluator.nix.settings.system;
    let forced = Forced::default();
    let project = &version.checkout.project;
    let mut items = Vec::new();
    let mut answers: Vec<Option<Answer>> = Vec::new();
    for name in names {
        let target = target::resolve(project, name, &forced, native, version);
        answers.push(match target {
            Ok(target) => {
                let host = target.request.settings_of();
                let (snapshot, _) = version.snapshot_for(host, false).await?;
                items.push(Item {
                    snapshot: Arc::clone(&snapshot),
                    request: target.request,
                    name: name.to_string(),
                });
                None
            }
            Err(error) => Some(Err(error)),
        });
    }
    let mut found = schedule::derivations(evaluator, limits, &items)
        .await?
        .into_iter()
        .map(|answer| answer.map(|(_, derivation)| derivation));
    let mut all = Vec::new();
    for answer in answers {
        all.extend(answer.or_else(|| found.next()));
    }
    Ok(all)
}

/// Whether a target builds something else `now` than it did `before`.
fn differs(now: &Answer, before: &Answer) -> bool {
    fn built(answer: &Answer) -> Option<Built<'_>> {
        let derivation = answer.as_ref().ok()?;
        Some(Built {
            drv: derivation.drv.as_str(),
            out: derivation.out.as_ref().map(|out| out.as_str()),
        })
    }
    now.is_err() || !Status::of(built(before), built(now)).passes(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(drv: &str, out: &str) -> Answer {
        let path = |name: &str| format!("/nix/store/{}-{name}", "0".repeat(32));
        Ok(DerivationInfo {
            drv: path(&format!("{drv}.drv")).parse().unwrap(),
            out: Some(path(out).parse().unwrap()),
            output: "out".to_owned(),
            builder: "x86_64-linux".parse().unwrap(),
        })
    }

    #[test]
    fn what_does_not_evaluate_has_its_job() {
        let failed = || Err(Error::new(Kind::Evaluation, "no"));
        assert!(!differs(&answer("a", "a"), &answer("a", "a")));
        assert!(
            !differs(&answer("a", "x"), &answer("b", "x")),
            "the same output"
        );
        assert!(differs(&answer("a", "a"), &answer("b", "b")));
        assert!(
            differs(&answer("a", "a"), &failed()),
            "it is mended, or new"
        );
        assert!(differs(&failed(), &answer("a", "a")));
        assert!(differs(&failed(), &failed()));
    }
}
