//! `cbox build TARGET…`: evaluates the targets side by side and builds them in one go.

use std::sync::Arc;

use cbox_core::{expression::Evaluated, plan::Plan, target::TargetName};
use cbox_nix::build;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::document;
use crate::{
    cli::{BuildFlags, Common},
    error::Error,
    exit::Kind,
    realise::{Built, Job, OutDir, realise},
    session::{Evaluator, Session},
    staging::{Snapshot, Sources},
    targets::{self, Target},
    view::{View, columns, count, size},
};

/// Runs the command for `names`.
pub(crate) async fn run(
    session: &Session<'_>,
    common: &Common,
    flags: &BuildFlags,
    names: &[TargetName],
) -> Result<(), Error> {
    // What can be known to be wrong without asking anybody is said first.
    for name in names {
        if let TargetName::Image { kind, format, .. } = name {
            targets::find(&session.project, kind, format)?;
        }
    }
    let (evaluator, sources) = tokio::try_join!(
        session.evaluator(common, flags),
        Sources::look(session, false)
    )?;
    let native = &evaluator.nix.settings.system;
    let targets = names
        .iter()
        .map(|name| targets::resolve(&session.project, name, flags, native, &sources.head))
        .collect::<Result<Vec<Target>, Error>>()?;
    let mut snapshots = Vec::new();
    for target in &targets {
        snapshots.push(
            sources
                .snapshot(Some(&target.request.host), flags.with_local)
                .await?,
        );
    }
    let (jobs, mut failures) = evaluate(&evaluator, &targets, &snapshots).await?;
    if flags.drv {
        show_derivations(session.view, &jobs);
    } else if flags.dry_run {
        show_plan(&evaluator, &jobs).await?;
    } else if !jobs.is_empty() {
        for job in &jobs {
            check_builder(&evaluator, job).await?;
        }
        let out_dir = match flags.no_link {
            true => None,
            false => Some(OutDir::open(&session.project.out_dir, &jobs)?),
        };
        let answers = realise(&evaluator, &sources, out_dir.as_ref(), &jobs).await;
        let mut built = Vec::new();
        for answer in answers {
            match answer {
                Ok(done) => built.push(done),
                Err(error) if failures.contains(&error) => {}
                Err(error) => failures.push(error),
            }
        }
        show_built(session, &built);
        show_missing(session.view, names, &built);
    }
    first_of(session.view, failures)
}

/// Says which of several targets are not there, since their errors may be about
/// derivations that many share.
fn show_missing(view: &View, names: &[TargetName], built: &[Built]) {
    let is_built = |name: &String| built.iter().any(|done| done.manifest.target == *name);
    let missing: Vec<String> = names
        .iter()
        .map(TargetName::to_string)
        .filter(|name| !is_built(name))
        .collect();
    if names.len() > 1 && !missing.is_empty() {
        view.warn(&format!(
            "{} of {} not built: {}",
            missing.len(),
            count(names.len(), "target"),
            missing.join(", ")
        ));
    }
}

/// Evaluates all targets, as many at once as there are cores. Those that do not evaluate
/// do not keep the others from being built.
async fn evaluate<'a>(
    evaluator: &Evaluator<'_>,
    targets: &'a [Target],
    snapshots: &'a [Arc<Snapshot>],
) -> Result<(Vec<Job<'a>>, Vec<Error>), Error> {
    let all = targets
        .iter()
        .zip(snapshots)
        .map(|(target, snapshot)| async move {
            let what = target.name.to_string();
            let (evaluated, derivation) = evaluator
                .derivation(snapshot, &target.request, &what)
                .await?;
            Ok(Job {
                target,
                snapshot,
                evaluated,
                derivation,
            })
        });
    let answers: Vec<Result<Job<'_>, Error>> = stream::iter(all)
        .buffered(evaluator.session.environment.cores)
        .collect()
        .await;
    let (mut jobs, mut failures) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(job) => jobs.push(job),
            // Several targets of one host fail alike, and once is enough.
            Err(error) if failures.contains(&error) => {}
            Err(error) if matches!(error.kind, Kind::Interrupted(_)) => return Err(error),
            Err(error) => failures.push(error),
        }
    }
    Ok((jobs, failures))
}

/// Shows all failures but the first, which becomes the run's own.
pub(super) fn first_of(view: &View, failures: Vec<Error>) -> Result<(), Error> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Ok(());
    };
    failures.for_each(|error| view.error(&error));
    Err(first)
}

/// Refuses a build that no builder here can do, unless there is nothing to build.
async fn check_builder(evaluator: &Evaluator<'_>, job: &Job<'_>) -> Result<(), Error> {
    let nix = &evaluator.nix;
    let system = &job.derivation.builder;
    if nix.can_build(system) || nix.store.holds(&job.derivation.out) == Some(true) {
        return Ok(());
    }
    let plan = build::plan(nix, &[job.derivation.installable()]).await?;
    if plan.build.is_empty() && plan.unknown.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} has to be built on {system}, and this machine builds for {} only",
        job.target.name, nix.settings.system
    );
    Err(Error::new(Kind::Unsupported, message).hint(
        "name a remote builder with `--builders`, emulate the architecture (boot.binfmt.emulatedSystems and \
         extra-platforms), or set `cross = true` in cbox.toml if the flake can cross-compile",
    ))
}

fn show_derivations(view: &View, jobs: &[Job<'_>]) {
    view.json(&document("targets", jobs.iter().map(evaluated).collect()));
    for job in jobs {
        view.plain(&job.derivation.drv);
    }
}

async fn show_plan(evaluator: &Evaluator<'_>, jobs: &[Job<'_>]) -> Result<(), Error> {
    let view = evaluator.session.view;
    let installables: Vec<String> = jobs
        .iter()
        .map(|job| job.derivation.installable())
        .collect();
    let plan = if installables.is_empty() {
        Plan::default()
    } else {
        build::plan(&evaluator.nix, &installables).await?
    };
    view.json(&json!({
        "schema": super::SCHEMA,
        "targets": jobs.iter().map(evaluated).collect::<Value>(),
        "plan": plan,
    }));
    for job in jobs {
        let (info, name) = (&job.derivation, &job.target.name);
        view.plain(&format!("{name} ({})", job.evaluated.system));
        let mut rows = vec![
            [
                "  host".to_owned(),
                host_line(&job.target.request.host, job.evaluated.host_name.as_deref()),
            ],
            ["  derivation".to_owned(), info.drv.clone()],
            ["  output".to_owned(), info.out.clone()],
        ];
        if let Some(artifact) = job
            .evaluated
            .artifact_name
            .as_ref()
            .or(job.target.artifact.as_ref())
        {
            rows.push(["  artifact".to_owned(), artifact.clone()]);
        }
        for (option, value) in job.target.request.overrides.iter() {
            rows.push(["  forced".to_owned(), format!("{option} = {value}")]);
        }
        columns(&rows).iter().for_each(|row| view.plain(row));
    }
    let list = |title: String, paths: &[String]| {
        if !paths.is_empty() {
            view.plain(&title);
            paths
                .iter()
                .for_each(|path| view.plain(&format!("  {path}")));
        }
    };
    list(
        format!("{} to build:", count(plan.build.len(), "derivation")),
        &plan.build,
    );
    let sizes = format!(
        "{} to download, {} unpacked",
        size(plan.download_bytes),
        size(plan.unpacked_bytes)
    );
    list(
        format!("{} to fetch ({sizes}):", count(plan.fetch.len(), "path")),
        &plan.fetch,
    );
    list(
        format!("{} that cannot be had:", count(plan.unknown.len(), "path")),
        &plan.unknown,
    );
    if plan.is_empty() && !jobs.is_empty() {
        view.plain("nothing to build or fetch: everything is there");
    }
    Ok(())
}

fn show_built(session: &Session<'_>, built: &[Built]) {
    let view = session.view;
    let shown = |path: &camino::Utf8Path| session.environment.shown(path).into_string();
    let document = built
        .iter()
        .map(|done| json!({ "link": done.link, "manifest": done.manifest }));
    view.json(&super::document("targets", document.collect()));
    for done in built {
        let manifest = &done.manifest;
        let place = done
            .link
            .as_deref()
            .map_or_else(|| manifest.out.clone(), shown);
        match &manifest.artifact {
            Some(artifact) => {
                view.note(&format!(
                    "{}: {}, sha256 {}",
                    manifest.target,
                    size(artifact.size),
                    artifact.sha256
                ));
                view.plain(&format!("{place}/{}", artifact.path));
            }
            None => view.plain(&place),
        }
    }
}

fn host_line(host: &str, name: Option<&str>) -> String {
    match name {
        Some(name) if name != host => format!("{host}, named {name}"),
        _ => host.to_owned(),
    }
}

fn evaluated(job: &Job<'_>) -> Value {
    let Evaluated {
        system,
        host_name,
        artifact_name,
        ..
    } = &job.evaluated;
    json!({
        "target": job.target.name.to_string(),
        "host": job.target.request.host,
        "hostName": host_name,
        "system": system,
        "drv": job.derivation.drv,
        "out": job.derivation.out,
        "output": job.derivation.output,
        "builder": job.derivation.builder,
        "artifactName": artifact_name,
        "overrides": job.target.request.overrides,
        "source": job.snapshot.staged.reference(),
    })
}
