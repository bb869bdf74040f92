//! From evaluated targets to links: build, check, hash, link, record.
//!
//! [`cached`] tells beforehand what need not be built, [`preflight`] what would make a build fail;
//! [`silence`] looks after builds that say nothing, [`push`] takes what was built to another store.
//!
//! The order is what keeps the last good image: the new output is built and held by a
//! temporary root, checked and hashed there, and only then does the link change, in one
//! step, together with its checksum and its manifest. Whatever fails before leaves
//! everything as it was.

pub mod cached;
pub mod preflight;
pub mod push;
pub mod silence;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::pending,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use camino::Utf8PathBuf;
use cbox_nix::{
    NixError,
    build::BuildFailure,
    derivations,
    events::Event as NixEvent,
    expression::{DerivationInfo, Evaluated},
    store::Store,
};
use nix_formats::store_path::OutPath;
use tokio::sync::Notify;

use self::push::Pusher;
use crate::{
    error::{Error, Kind},
    eval::{diagnose::of_build, evaluator::Evaluator},
    flake::{snapshot::Snapshot, version::Version},
    links::{
        artifact::{self, Which},
        manifest::{self, Artifact, Artifacts, Forced, Input, Manifest},
        out_dir::OutDir,
    },
    process::blocking::blocking,
    progress::{
        Event,
        builds::Wanted,
        follow::{Called, follow},
        run_log::RunLog,
    },
    subject::target::Target,
};

/// A target that has been evaluated.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// What was asked for.
    pub target: &'a Target,
    /// The tree that it was evaluated from.
    pub snapshot: &'a Snapshot,
    /// What the evaluation gave.
    pub evaluated: Evaluated,
    /// What is to be built.
    pub derivation: DerivationInfo,
    /// Which files of the output are the image; a host's system has none.
    pub artifacts: Option<Which>,
}

/// What a built target left behind.
#[derive(Debug)]
pub struct Built {
    /// The record beside the link.
    pub manifest: Manifest,
    /// The link, unless none was wanted, or the store is on another machine.
    pub link: Option<Utf8PathBuf>,
    /// Where the output is on this machine.
    pub place: Option<PathBuf>,
    /// The command that brings the output here, where it is on another machine.
    pub fetch: Option<String>,
    /// Whether the store that it was to be pushed to has it; `None` where there is none.
    pub pushed: Option<Result<(), Error>>,
}

/// Builds all jobs in one go. The answers are in the order of the jobs; those that
/// succeed are linked even when others fail. What is built in a store on another machine is
/// neither linked nor recorded: then only the logs go to `out_dir`.
pub async fn build_and_link(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    out_dir: Option<&OutDir>,
    jobs: &[Job<'_>],
) -> Vec<Result<Built, Error>> {
    build_and_push(evaluator, sources, (out_dir, None), jobs).await
}

/// The same, and where there is a store to `push` to, each output is copied there as soon as it is
/// built.
pub async fn build_and_push(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    (out_dir, push): (Option<&OutDir>, Option<&str>),
    jobs: &[Job<'_>],
) -> Vec<Result<Built, Error>> {
    let pusher = push.map(|store| Pusher::new(evaluator, store));
    let work = build_and_link_all(evaluator, sources, (out_dir, pusher.as_ref()), jobs);
    let pushes = async {
        match &pusher {
            Some(pusher) => pusher.run(jobs).await,
            None => vec![],
        }
    };
    let (mut answers, pushed) = tokio::join!(work, pushes);
    for (answer, pushed) in answers.iter_mut().zip(pushed) {
        if let Ok(built) = answer {
            built.pushed = pushed;
        }
    }
    answers
}

async fn build_and_link_all(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    (out_dir, pusher): (Option<&OutDir>, Option<&Pusher<'_>>),
    jobs: &[Job<'_>],
) -> Vec<Result<Built, Error>> {
    let outcome = build_all(evaluator, (out_dir, pusher), jobs).await;
    let mut outs = Vec::new();
    for job in jobs {
        let out = match &outcome {
            Ok(outputs) => {
                let built = || outputs.get(&job.derivation.installable()).cloned();
                let out = job.derivation.out.clone().or_else(built);
                out.ok_or_else(|| not_told(job))
            }
            Err(Failure::Builds(error)) => held(evaluator, out_dir, job, error).await,
            Err(Failure::Stop(error)) => Err(error.clone()),
        };
        outs.push(out);
    }
    if let Some(pusher) = pusher {
        let outputs = outs.iter().map(|out| out.as_ref().ok().cloned());
        pusher.over(outputs.collect());
    }
    let mut answers = Vec::new();
    for (job, out) in jobs.iter().zip(outs) {
        answers.push(match out {
            Ok(out) => finish(evaluator, sources, out_dir, job, out).await,
            Err(error) => Err(error),
        });
    }
    answers
}

/// What Nix does without, for which it goes on otherwise.
fn warning(event: &NixEvent) -> Option<String> {
    match event {
        NixEvent::Unreachable { machine, reason } => {
            Some(format!("{machine} cannot be built on: {reason}"))
        }
        NixEvent::Passed {
            cache,
            unsigned: true,
        } => Some(format!(
            "what {cache} has is not taken: no key in `trusted-public-keys` signed it"
        )),
        NixEvent::Passed { cache, .. } => Some(format!(
            "the binary cache {cache} does not answer, and is done without"
        )),
        _ => None,
    }
}

/// The folder in which links are made, if any are.
fn links<'a>(evaluator: &Evaluator<'_>, out_dir: Option<&'a OutDir>) -> Option<&'a OutDir> {
    out_dir.filter(|_| evaluator.nix.outputs.is_here())
}

/// Why a build of several targets did not succeed as a whole.
enum Failure {
    /// Some derivations failed; the others were built.
    Builds(Error),
    /// Nothing more is to be done.
    Stop(Error),
}

async fn build_all(
    evaluator: &Evaluator<'_>,
    (out_dir, pusher): (Option<&OutDir>, Option<&Pusher<'_>>),
    jobs: &[Job<'_>],
) -> Result<BTreeMap<String, OutPath>, Failure> {
    let reporter = evaluator.session.reporter;
    let installables: Vec<String> = jobs
        .iter()
        .map(|job| job.derivation.installable())
        .collect();
    // What is linked already needs no other root, and each root stays registered for a while.
    let is_held = |out_dir: &OutDir| jobs.iter().all(|job| is_linked(evaluator, out_dir, job));
    let root = links(evaluator, out_dir).filter(|out_dir| !is_held(out_dir));
    let root = root.map(|out_dir| out_dir.root("root"));
    let targets: Vec<(String, String)> = jobs
        .iter()
        .map(|job| (job.target.name.to_string(), job.target.name.slug()))
        .collect();
    let log = out_dir.map(|out_dir| RunLog::new(out_dir.folder(), &targets));
    let wanted = jobs.iter().map(|job| Wanted {
        name: job.target.name.to_string(),
        needs: BTreeSet::from([job.derivation.drv.to_string()]),
    });
    let wanted: Vec<Wanted> = wanted.collect();
    reporter.report(Event::BuildsBegan {
        wanted: wanted.clone(),
        log,
    });
    let begun = Notify::new();
    let mut said = BTreeSet::new();
    let built = cbox_nix::build::build(&evaluator.nix, &installables, root.as_deref(), |event| {
        if matches!(event, NixEvent::BuildStarted { .. }) {
            begun.notify_one();
        }
        if let (NixEvent::Progress { .. } | NixEvent::BuildEnded { .. }, Some(pusher)) =
            (&event, pusher)
        {
            pusher.stir();
        }
        if let Some(warning) = warning(&event)
            && said.insert(warning.clone())
        {
            reporter.warn(&warning);
        }
        reporter.report(Event::Nix(&event));
    });
    let built = tokio::select! {
        built = built => built,
        never = silence::watch(evaluator) => match never {},
        never = tell_needs(evaluator, &wanted, &begun) => match never {},
    };
    reporter.report(Event::BuildsEnded);
    match built {
        Ok(outputs) => Ok(outputs),
        Err(NixError::Build(mut failure)) => {
            name_dependents(evaluator, wanted, &mut failure);
            Err(Failure::Builds(of_build(
                evaluator,
                jobs.iter().map(|job| job.snapshot),
                failure.into(),
            )))
        }
        Err(error) => Err(Failure::Stop(error.into())),
    }
}

/// Whether the link of a job points to its output and keeps it.
fn is_linked(evaluator: &Evaluator<'_>, out_dir: &OutDir, job: &Job<'_>) -> bool {
    let (session, nix) = (evaluator.session, &evaluator.nix);
    let out = job.derivation.out.as_ref();
    out.is_some_and(|out| out_dir.holds(session, nix, &job.target.name, out))
}

/// Reports what each of several targets needs, once something is built: that is read beside
/// the builds, and a build that is needed by one target only is shown with its name.
async fn tell_needs(evaluator: &Evaluator<'_>, wanted: &[Wanted], begun: &Notify) -> Infallible {
    begun.notified().await;
    if wanted.len() > 1 {
        let (store, wanted) = (evaluator.nix.store.clone(), wanted.to_vec());
        let needs = blocking(move || Ok::<_, Infallible>(needs(&store, wanted))).await;
        let Ok(needs) = needs;
        evaluator.session.reporter.report(Event::Needs(needs));
    }
    pending().await
}

/// The targets with all that they need, as far as the store can be read from here.
fn needs(store: &Store, mut wanted: Vec<Wanted>) -> Vec<Wanted> {
    for one in &mut wanted {
        let closures = one.needs.iter().map(|drv| derivations::closure(store, drv));
        one.needs = closures.filter_map(Result::ok).flatten().collect();
    }
    wanted
}

/// Adds to each failed build the targets that it keeps from being built.
fn name_dependents(evaluator: &Evaluator<'_>, wanted: Vec<Wanted>, failure: &mut BuildFailure) {
    let is_only = wanted.len() == 1;
    let wanted = match is_only {
        true => wanted,
        false => needs(&evaluator.nix.store, wanted),
    };
    for build in &mut failure.failed {
        let needing = wanted
            .iter()
            .filter(|one| is_only || one.needs.contains(&build.drv));
        build.needed_by = needing.map(|one| one.name.clone()).collect();
    }
}

/// The output of a job, held by a root of its own, although other builds failed with `error`:
/// then Nix makes no root at all. Between the build and this a garbage collection could take
/// it; then the link cannot be made, and the next run builds it again.
async fn held(
    evaluator: &Evaluator<'_>,
    out_dir: Option<&OutDir>,
    job: &Job<'_>,
    error: &Error,
) -> Result<OutPath, Error> {
    let nix = &evaluator.nix;
    let Some(out) = nix.output_path(&job.derivation).await? else {
        return Err(error.clone());
    };
    if let Some(out_dir) = links(evaluator, out_dir)
        && !is_linked(evaluator, out_dir, job)
    {
        let root = out_dir.root(&job.target.name.slug());
        if cbox_nix::build::link(nix, &out, &root).await.is_err() {
            return Err(error.clone());
        }
    }
    Ok(out)
}

fn not_told(job: &Job<'_>) -> Error {
    let installable = job.derivation.installable();
    let message = format!(
        "Nix built {} and does not say where {installable} is",
        job.target.name
    );
    Error::new(Kind::Environment, message)
}

/// Checks, hashes, links and records one output.
async fn finish(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    out_dir: Option<&OutDir>,
    job: &Job<'_>,
    out: OutPath,
) -> Result<Built, Error> {
    let nix = &evaluator.nix;
    let out_dir = links(evaluator, out_dir);
    let place = nix.outputs.physical(&out);
    let fetch = match &place {
        Some(_) => None,
        None => Some(cbox_nix::build::fetch_command(nix, &out).await?),
    };
    let artifacts = match (&job.artifacts, place.clone()) {
        (Some(which), Some(output)) => check(evaluator, out_dir, job, which, &out, output).await?,
        // The store is on another machine: its files cannot be looked at from here.
        _ => vec![],
    };
    let manifest = manifest(evaluator, sources, job, out, artifacts)?;
    let link = match out_dir {
        Some(out_dir) => {
            let published = out_dir.publish(evaluator.session, nix, &job.target.name, &manifest);
            Some(published.await?)
        }
        None => None,
    };
    Ok(Built {
        manifest,
        link,
        place,
        fetch,
        pushed: None,
    })
}

/// Finds and hashes the artifacts, or takes the hashes from the manifest of the same output.
async fn check(
    evaluator: &Evaluator<'_>,
    out_dir: Option<&OutDir>,
    job: &Job<'_>,
    which: &Which,
    out: &OutPath,
    output: PathBuf,
) -> Result<Vec<Artifact>, Error> {
    let name = job.evaluated.text.as_deref();
    let found = artifact::find(&output, which, name)?;
    let known = out_dir
        .and_then(|out_dir| out_dir.manifest(&job.target.name)?.ok())
        .filter(|manifest| manifest.out == *out);
    let known = known.map(|manifest| manifest.artifacts).unwrap_or_default();
    let mut artifacts = Vec::new();
    for (path, bytes) in found {
        let mut known = known.iter();
        artifacts.push(
            match known.find(|known| known.path == path && known.size == bytes) {
                Some(known) => known.clone(),
                None => hash(evaluator, job, output.clone(), path, bytes).await?,
            },
        );
    }
    Ok(artifacts)
}

/// Hashes one artifact.
async fn hash(
    evaluator: &Evaluator<'_>,
    job: &Job<'_>,
    output: PathBuf,
    path: Utf8PathBuf,
    bytes: u64,
) -> Result<Artifact, Error> {
    let session = evaluator.session;
    let file = match path.as_str() {
        "" => String::new(),
        path => format!("{path} of "),
    };
    let called = Called {
        what: &format!("hashing {file}{}", job.target.name),
        title: None,
        done: None,
    };
    let (reporter, interrupt) = (session.reporter, session.interrupt);
    let hashed = follow(reporter, interrupt, called, bytes, move |watch| {
        artifact::hash(&output, path, bytes, watch)
    });
    match (hashed.await?, session.interrupt.signal()) {
        (Some(artifact), _) => Ok(artifact),
        (None, Some(signal)) => Err(NixError::Interrupted(signal).into()),
        (None, None) => Err(Error::new(Kind::Artifact, "hashing stopped")),
    }
}

fn manifest(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    job: &Job<'_>,
    out: OutPath,
    artifacts: Vec<Artifact>,
) -> Result<Manifest, Error> {
    let request = &job.target.request;
    let replaced = &evaluator.nix.options.override_inputs;
    let inputs = Input::all(job.snapshot.read_lock()?.as_deref(), replaced);
    let inputs = inputs.map_err(|error| Error::new(Kind::Lock, error.to_string()))?;
    let fetched = evaluator.session.project.fetched.as_ref();
    Ok(Manifest {
        schema: manifest::SCHEMA,
        target: job.target.name.to_string(),
        host: request.host.clone(),
        host_name: job.evaluated.host_name.clone(),
        system: job.evaluated.system.clone(),
        drv: job.derivation.drv.clone(),
        out,
        output: job.derivation.output.clone(),
        artifacts: Artifacts(artifacts),
        overrides: Forced::all(&request.overrides),
        source: manifest::Source {
            path: job.snapshot.staged.path.to_string(),
            nar_hash: job.snapshot.staged.nar_hash.to_string(),
            flake: fetched.map(|fetched| fetched.reference.clone()),
            revision: sources.head.revision.clone(),
            branch: sources.head.branch.clone(),
            dirty: sources.is_dirty(),
            local: job
                .snapshot
                .local
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            overridden_inputs: replaced.clone(),
            inputs: Some(inputs),
        },
        tools: manifest::Tools {
            cbox: env!("CARGO_PKG_VERSION").to_owned(),
            nix: evaluator.nix.version.clone(),
        },
        linked_at: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    })
}
