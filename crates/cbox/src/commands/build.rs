//! `cbox build TARGET…`: evaluates the targets side by side and builds them in one go.

use std::{path::PathBuf, sync::Arc};

use cbox_driver::{
    build::{Built, Job, build_and_push, cached::cached, preflight, push},
    error::{Error, Kind},
    eval::{
        evaluator::Evaluator,
        hosts,
        schedule::{self, Item},
    },
    flake::{audit, session::Session, snapshot::Snapshot, version::Version},
    links::{
        out_dir::{self, OutDir},
        out_link,
    },
    process::options::Limits,
    sbom,
    subject::{
        target::{self, Target},
        words,
    },
    target_name::TargetName,
};
use cbox_nix::NixError;

use super::{companions, report};
use crate::{
    commands::context::Context,
    options::{BuildOptions, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox build appliance iso appliance raw aarch64 box
  cbox build .#box -L -o result                    as `nix build` is called
  cbox build github:owner/repo#box --dry-run       a flake that Nix fetches
  cbox build box appliance iso --push ssh-ng://cache   each to that store, once it is built";

/// Build several targets in one run
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BuildArgs {
    /// What to build: images, `<kind> <format> [system]` or with slashes, and hosts; behind a flake
    /// too: `.#box`
    #[arg(required = true, value_name = "TARGET", add = complete::targets())]
    targets: Vec<String>,
    #[command(flatten)]
    pub(super) options: BuildOptions,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &BuildArgs) -> Result<(), Error> {
    let session = &context.open(args.options.out_dir.as_deref())?;
    if session.project.is_configured() {
        let names = words::targets(&session.project, &args.targets)?;
        return build(context, session, &args.options, &names).await;
    }
    let nix = args.options.nix_arguments();
    let (evaluator, sources) = session.to_evaluate(&nix).await?;
    // Which words are hosts, Nix alone can tell.
    match hosts::are_ambiguous(&args.targets) {
        true => hosts::find(&evaluator, &sources).await?,
        false => hosts::for_targets(&evaluator, &sources).await?,
    }
    let names = words::targets(&session.project, &args.targets)?;
    build_from(context, &evaluator, &sources, &args.options, &names).await
}

/// Builds `names`.
pub(super) async fn build(
    context: &Context<'_>,
    session: &Session<'_>,
    flags: &BuildOptions,
    names: &[TargetName],
) -> Result<(), Error> {
    // What can be known to be wrong without asking anybody is said first.
    for name in names {
        if let TargetName::Image { kind, format, .. } = name {
            target::find(&session.project, kind, format)?;
        }
    }
    let nix = flags.nix_arguments();
    let (evaluator, sources) = session.to_evaluate(&nix).await?;
    build_from(context, &evaluator, &sources, flags, names).await
}

/// Builds `names` of the working tree as `sources` has it.
pub(super) async fn build_from(
    context: &Context<'_>,
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    flags: &BuildOptions,
    names: &[TargetName],
) -> Result<(), Error> {
    let (session, forced) = (evaluator.session, flags.forced());
    let store = &evaluator.nix.outputs;
    let no_link = flags.no_link || flags.out_link.is_some() && is_among_others(session, flags);
    if !flags.drv && !flags.dry_run && !no_link && store.is_here() {
        check_out_dir(session, flags)?;
        out_dir::check(&session.project.out_dir, names, &store.dir)?;
    }
    let out_link = flags.out_link.as_deref();
    let out_link = out_link.map(|link| session.environment.absolute(link));
    if let Some(link) = out_link.as_ref().filter(|_| !flags.drv && !flags.dry_run) {
        out_link::check(link, names.len(), &store.dir)?;
    }
    let native = &evaluator.nix.settings.system;
    let mut targets = names
        .iter()
        .map(|name| target::resolve(&session.project, name, &forced, native, sources))
        .collect::<Result<Vec<Target>, Error>>()?;
    if flags.sbom {
        targets.iter_mut().for_each(sbom::want_system);
    }
    if !flags.drv && !flags.dry_run && targets.iter().any(Target::is_image) {
        audit::check(session, sources).await?;
    }
    // The password is asked for before, and not after, what takes long.
    let companions = companions::Wanted::of(context, evaluator, flags).await?;
    let snapshots = snapshots(context, sources, &targets, flags.with_local).await?;
    let ask_store = async {
        match &flags.push {
            Some(store) => push::check(evaluator, store).await,
            None => Ok(()),
        }
    };
    let limits = flags.limits.into();
    let evaluated = evaluate(evaluator, &limits, &targets, &snapshots);
    let ((jobs, mut failures), ()) = tokio::try_join!(evaluated, ask_store)?;
    if flags.drv {
        report::derivations(context, &jobs, &failures);
    } else if flags.dry_run {
        report::plan(context, evaluator, &jobs, &failures).await?;
    } else {
        let (jobs, skipped) = match (flags.fail_fast && !failures.is_empty(), flags.skip_cached) {
            (true, _) => (vec![], vec![]),
            (false, true) => skip_cached(context, evaluator, jobs).await?,
            (false, false) => (jobs, vec![]),
        };
        let described = jobs.clone();
        let built = build_jobs(evaluator, sources, (flags, no_link), jobs, &mut failures).await?;
        let pushed = built.iter().filter_map(|done| done.pushed.clone());
        failures.extend(pushed.filter_map(Result::err));
        let mut links = Vec::new();
        if let Some(link) = out_link.filter(|_| store.is_here()) {
            for done in &built {
                let is_it = |name: &TargetName| name.to_string() == done.manifest.target;
                let position = names.iter().position(is_it).unwrap_or_default();
                let link = out_link::nth(&link, position);
                out_link::make(&evaluator.nix, &link, &done.manifest.out).await?;
                links.push(link);
            }
        }
        for done in &built {
            companions
                .write(context, evaluator, &described, done)
                .await?;
        }
        let shown = report::Shown {
            out_links: &links,
            only_paths: flags.print_out_paths,
            skipped: &skipped,
        };
        report::built(context, evaluator, names, (&built, &failures), &shown);
        failures.extend(report::summarize(context, names, &skipped, &built).err());
    }
    report::first_of(context.view, failures)
}

/// Whether the links of a flake that Nix fetched would go among those of the flake that is in the
/// working directory.
fn is_among_others(session: &Session<'_>, flags: &BuildOptions) -> bool {
    let folder = &session.environment.folder;
    let is_elsewhere = flags.out_dir.is_some() || !folder.join("flake.nix").is_file();
    session.project.fetched.is_some() && !is_elsewhere
}

/// Checks that they do not: a target of the same name would take the place of its own.
fn check_out_dir(session: &Session<'_>, flags: &BuildOptions) -> Result<(), Error> {
    let fetched = session.project.fetched.as_ref();
    let Some(fetched) = fetched.filter(|_| is_among_others(session, flags)) else {
        return Ok(());
    };
    let message = format!(
        "the links of {} would go to {}, among those of the flake that is here",
        fetched.reference,
        session.environment.display_path(&session.project.out_dir)
    );
    Err(Error::new(Kind::Usage, message).hint(
        "`--out-dir DIR` puts them elsewhere, `--out-link PATH` makes the one that you name, and \
         `--no-link` none",
    ))
}

/// The tree of each target, and a word on the local settings in it.
pub(super) async fn snapshots(
    context: &Context<'_>,
    sources: &Version<'_>,
    targets: &[Target],
    with_local: bool,
) -> Result<Vec<Arc<Snapshot>>, Error> {
    let mut snapshots: Vec<Arc<Snapshot>> = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for target in targets {
        let host = target.request.settings_of();
        let (snapshot, set_aside) = sources.snapshot_for(host, with_local).await?;
        let host = host.unwrap_or_default();
        if !named.contains(&host) {
            named.push(host);
            if !snapshot.local.is_empty() {
                context
                    .view
                    .note(&format!("with local settings: {}", listed(&snapshot.local)));
            }
            if !set_aside.is_empty() {
                context.view.note(&format!(
                    "set aside: {} (`--with-local` puts its values into the image)",
                    listed(&set_aside)
                ));
            }
        }
        snapshots.push(snapshot);
    }
    Ok(snapshots)
}

fn listed(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Builds what can be built here, and adds what cannot to `failures`.
async fn build_jobs(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    (flags, no_link): (&BuildOptions, bool),
    jobs: Vec<Job<'_>>,
    failures: &mut Vec<Error>,
) -> Result<Vec<Built>, Error> {
    let mut possible = Vec::new();
    for job in jobs {
        match preflight::check(evaluator, &job).await {
            Ok(()) => possible.push(job),
            Err(error) => failures.push(error),
        }
    }
    if possible.is_empty() {
        return Ok(vec![]);
    }
    let session = evaluator.session;
    let out_dir = match no_link {
        true => None,
        false => Some(OutDir::open(session, &session.project.out_dir).await?),
    };
    let places = (out_dir.as_ref(), flags.push.as_deref());
    let mut answers = build_and_push(evaluator, sources, places, &possible).await;
    for attempt in 1..=flags.retries {
        let (mut numbers, mut failed) = (Vec::new(), Vec::new());
        for (place, job) in possible.iter().enumerate() {
            let answer = answers[place].as_ref();
            if answer.is_err_and(|error| error.kind == Kind::Build) {
                numbers.push(place);
                failed.push(job.clone());
            }
        }
        if session.interrupt.signal().is_some() || failed.is_empty() {
            break;
        }
        session.reporter.note(&format!(
            "building again what failed ({attempt} of {})",
            flags.retries
        ));
        let again = build_and_push(evaluator, sources, places, &failed).await;
        for (place, answer) in numbers.into_iter().zip(again) {
            answers[place] = answer;
        }
    }
    if let Some(signal) = session.interrupt.signal() {
        return Err(NixError::Interrupted(signal).into());
    }
    let mut built = Vec::new();
    for answer in answers {
        match answer {
            Ok(done) => built.push(done),
            // Several targets can fail of one derivation, and once is enough.
            Err(error) if failures.contains(&error) => {}
            Err(error) => failures.push(error),
        }
    }
    Ok(built)
}

/// Takes away what a store has already; gives the others, and the names of those.
async fn skip_cached<'a>(
    context: &Context<'_>,
    evaluator: &Evaluator<'_>,
    jobs: Vec<Job<'a>>,
) -> Result<(Vec<Job<'a>>, Vec<String>), Error> {
    let derivations: Vec<_> = jobs.iter().map(|job| &job.derivation).collect();
    let cached = cached(evaluator, &derivations).await?;
    let (mut left, mut skipped) = (Vec::new(), Vec::new());
    for (job, cached) in jobs.into_iter().zip(cached) {
        match cached {
            true => {
                let name = job.target.name.to_string();
                context
                    .view
                    .note(&format!("{name} is cached, and left out"));
                skipped.push(name);
            }
            false => left.push(job),
        }
    }
    Ok((left, skipped))
}

/// Evaluates all targets, side by side. Those that do not evaluate do not keep the others
/// from being built.
pub(super) async fn evaluate<'a>(
    evaluator: &Evaluator<'_>,
    limits: &Limits,
    targets: &'a [Target],
    snapshots: &'a [Arc<Snapshot>],
) -> Result<(Vec<Job<'a>>, Vec<Error>), Error> {
    let items = targets
        .iter()
        .zip(snapshots)
        .map(|(target, snapshot)| Item {
            snapshot: Arc::clone(snapshot),
            request: target.request.clone(),
            name: target.name.to_string(),
        });
    let items: Vec<Item> = items.collect();
    let answers = schedule::derivations(evaluator, limits, &items).await?;
    let (mut jobs, mut failures) = (Vec::new(), Vec::new());
    for ((target, snapshot), answer) in targets.iter().zip(snapshots).zip(answers) {
        let job = answer.and_then(|(evaluated, derivation)| {
            Ok(Job {
                target,
                snapshot,
                artifacts: target.artifacts(&evaluated)?,
                evaluated,
                derivation,
            })
        });
        match job {
            Ok(job) => jobs.push(job),
            // Several targets of one host fail alike, and once is enough.
            Err(error) if failures.contains(&error) => {}
            Err(error) => failures.push(error),
        }
    }
    Ok((jobs, failures))
}
