//! From evaluated targets to links: build, check, hash, link, record.
//!
//! The order is what keeps the last good image: the new output is built and held by a
//! temporary root, checked and hashed there, and only then does the link change, in one
//! step, together with its checksum and its manifest. Whatever fails before leaves
//! everything as it was.

use std::{
    fs::{File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{
    NixError,
    build::{self, BuildFailure},
    derivations,
    expression::{DerivationInfo, Evaluated},
};
use tempfile::{NamedTempFile, TempDir};

use crate::{
    blocking::blocking,
    build::silence,
    diagnose::of_build,
    error::{Error, Kind},
    flake::{project::TEMPORARY, snapshot::Snapshot, version::Version},
    links::{
        Runs, artifact, lock,
        manifest::{self, Artifact, Forced, Manifest, ManifestError},
        run_log::RunLog,
    },
    session::Evaluator,
    subject::target::Target,
    text::size,
};

/// A target that has been evaluated.
#[derive(Debug)]
pub struct Job<'a> {
    /// What was asked for.
    pub target: &'a Target,
    /// The tree that it was evaluated from.
    pub snapshot: &'a Snapshot,
    /// What the evaluation gave.
    pub evaluated: Evaluated,
    /// What is to be built.
    pub derivation: DerivationInfo,
    /// The pattern of its file; a host's system has none.
    pub artifact: Option<String>,
}

/// What a built target left behind.
#[derive(Debug)]
pub struct Built {
    /// The record beside the link.
    pub manifest: Manifest,
    /// The link, unless none was wanted.
    pub link: Option<Utf8PathBuf>,
}

/// The folder of the links, known to be writable.
#[derive(Debug)]
pub struct OutDir {
    folder: Utf8PathBuf,
    /// Holds the temporary roots, and goes with this value.
    roots: TempDir,
    /// The lock that tells other runs that `roots` is in use.
    _alive: File,
}

impl OutDir {
    /// Makes the folder if need be, and checks what would keep a link from being made
    /// before time is spent on a build.
    pub fn open(folder: &Utf8Path, jobs: &[Job<'_>]) -> Result<Self, Error> {
        let unwritable = |error: &std::io::Error| {
            Error::file(Kind::Output, "write to", folder, error)
                .hint("`--out-dir DIR` puts the links elsewhere, `--no-link` makes none")
        };
        if folder.symlink_metadata().is_ok() && !folder.is_dir() {
            return Err(Error::new(
                Kind::Output,
                format!("{folder} is no folder, and the links go there"),
            )
            .hint("move it away, or name another folder with `--out-dir DIR`"));
        }
        std::fs::create_dir_all(folder).map_err(|error| unwritable(&error))?;
        // With the lock, so that nobody takes the new folder for one of a killed run.
        let turn = lock(folder.as_std_path()).map_err(|error| unwritable(&error))?;
        for killed in Runs::of(folder).killed {
            // What stays is tried again next time.
            let _gone = std::fs::remove_dir_all(killed);
        }
        let roots = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempdir_in(folder)
            .map_err(|error| unwritable(&error))?;
        let alive = lock(roots.path()).map_err(|error| unwritable(&error))?;
        drop(turn);
        let out_dir = Self {
            folder: folder.to_owned(),
            roots,
            _alive: alive,
        };
        for job in jobs {
            let link = out_dir.link(job);
            if link
                .symlink_metadata()
                .is_ok_and(|there| !there.is_symlink())
            {
                return Err(Error::new(
                    Kind::Output,
                    format!("{link} is in the way: it is no link, so cbox did not make it"),
                )
                .hint("move it away, or name another folder with `--out-dir DIR`"));
            }
            if let Some(Err(error @ ManifestError::Newer(_))) = out_dir.manifest(job) {
                return Err(
                    Error::new(Kind::Output, format!("{link} is not replaced: {error}")).hint(
                        "build with the newer cbox, or name another folder with `--out-dir DIR`",
                    ),
                );
            }
        }
        Ok(out_dir)
    }

    fn link(&self, job: &Job<'_>) -> Utf8PathBuf {
        self.folder.join(job.target.name.slug())
    }

    fn record(&self, job: &Job<'_>, extension: &str) -> Utf8PathBuf {
        self.folder
            .join(format!("{}.{extension}", job.target.name.slug()))
    }

    /// The manifest, if one is there.
    fn manifest(&self, job: &Job<'_>) -> Option<Result<Manifest, ManifestError>> {
        let text = std::fs::read(self.record(job, "json")).ok()?;
        Some(Manifest::parse(&text))
    }
}

/// Builds all jobs in one go. The answers are in the order of the jobs; those that
/// succeed are linked even when others fail.
pub async fn realise(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    out_dir: Option<&OutDir>,
    jobs: &[Job<'_>],
) -> Vec<Result<Built, Error>> {
    let failure = build_all(evaluator, out_dir, jobs).await.err();
    let mut answers = Vec::new();
    for job in jobs {
        answers.push(match &failure {
            Some(Failure::Stop(error)) => Err(error.clone()),
            failure => finish(evaluator, sources, out_dir, job, failure.as_ref()).await,
        });
    }
    answers
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
    out_dir: Option<&OutDir>,
    jobs: &[Job<'_>],
) -> Result<(), Failure> {
    let reporter = evaluator.session.reporter;
    let installables: Vec<String> = jobs
        .iter()
        .map(|job| job.derivation.installable())
        .collect();
    let root = out_dir.map(|out_dir| out_dir.roots.path().join("root"));
    let targets: Vec<(String, String)> = jobs
        .iter()
        .map(|job| (job.target.name.to_string(), job.target.name.slug()))
        .collect();
    let names: Vec<&str> = targets.iter().map(|(name, _)| name.as_str()).collect();
    let log = out_dir.map(|out_dir| RunLog::new(&out_dir.folder, &targets));
    reporter.building(&names.join(", "), log);
    let built = build::build(&evaluator.nix, &installables, root.as_deref(), |event| {
        reporter.build_event(&event);
    });
    let built = tokio::select! {
        built = built => built,
        never = silence::watch(evaluator) => match never {},
    };
    reporter.built();
    match built {
        Ok(()) => Ok(()),
        Err(NixError::Build(mut failure)) => {
            name_dependents(evaluator, jobs, &mut failure);
            Err(Failure::Builds(of_build(
                evaluator,
                jobs.iter().map(|job| job.snapshot),
                failure.into(),
            )))
        }
        Err(error) => Err(Failure::Stop(error.into())),
    }
}

/// Adds to each failed build the targets that it keeps from being built, as far as the
/// store can be read from here.
fn name_dependents(evaluator: &Evaluator<'_>, jobs: &[Job<'_>], failure: &mut BuildFailure) {
    if let [only] = jobs {
        for build in &mut failure.failed {
            build.needed_by = vec![only.target.name.to_string()];
        }
        return;
    }
    for job in jobs {
        let Ok(needed) = derivations::closure(&evaluator.nix.store, &job.derivation.drv) else {
            continue;
        };
        for build in &mut failure.failed {
            if needed.contains(&build.drv) {
                build.needed_by.push(job.target.name.to_string());
            }
        }
    }
}

/// Checks, hashes, links and records one output.
async fn finish(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    out_dir: Option<&OutDir>,
    job: &Job<'_>,
    failure: Option<&Failure>,
) -> Result<Built, Error> {
    let nix = &evaluator.nix;
    let out = job.derivation.out.as_str();
    // With a failure among several builds Nix makes no root at all, so each output that
    // is there gets one of its own. Between the build and this a garbage collection could
    // take it; then the link cannot be made, and the next run builds it again.
    if let Some(Failure::Builds(error)) = failure {
        let root = out_dir.map(|out_dir| out_dir.roots.path().join(job.target.name.slug()));
        let there = match &root {
            _ if nix.store.holds(out) == Some(false) => false,
            Some(root) => build::link(nix, out, root).await.is_ok(),
            None => nix.is_valid(&[out]).await?,
        };
        if !there {
            return Err(error.clone());
        }
    }
    let output = nix.store.physical(out);
    let artifact = match (&job.artifact, output) {
        (Some(pattern), Some(output)) => {
            Some(check(evaluator, out_dir, job, pattern, output).await?)
        }
        // The store is on another machine: its files cannot be looked at from here.
        _ => None,
    };
    let manifest = manifest(evaluator, sources, job, artifact);
    let link = match out_dir {
        Some(out_dir) => Some(link(evaluator, out_dir, job, &manifest).await?),
        None => None,
    };
    Ok(Built { manifest, link })
}

/// Finds and hashes the artifact, or takes the hash from the manifest of the same output.
async fn check(
    evaluator: &Evaluator<'_>,
    out_dir: Option<&OutDir>,
    job: &Job<'_>,
    pattern: &str,
    output: PathBuf,
) -> Result<Artifact, Error> {
    let name = job.evaluated.text.as_deref();
    let (path, bytes) = artifact::find(&output, pattern, name)?;
    let known = out_dir
        .and_then(|out_dir| out_dir.manifest(job)?.ok())
        .filter(|manifest| manifest.out == job.derivation.out)
        .and_then(|manifest| manifest.artifact)
        .filter(|artifact| artifact.path == path && artifact.size == bytes);
    if let Some(known) = known {
        return Ok(known);
    }
    let session = evaluator.session;
    session
        .reporter
        .doing(&format!("hashing {path} ({})", size(bytes)));
    let interrupt = session.interrupt.clone();
    let hashed =
        blocking(move || artifact::hash(&output, path, bytes, &|| interrupt.signal().is_some()));
    match (hashed.await?, session.interrupt.signal()) {
        (Some(artifact), _) => Ok(artifact),
        (None, Some(signal)) => Err(NixError::Interrupted(signal).into()),
        (None, None) => Err(Error::new(Kind::Artifact, "hashing stopped")),
    }
}

/// Makes the link and writes its records.
///
/// The records are written beforehand under other names, so that nothing but two renames
/// comes behind the link; and one run at a time does it, so that the three belong together.
async fn link(
    evaluator: &Evaluator<'_>,
    out_dir: &OutDir,
    job: &Job<'_>,
    manifest: &Manifest,
) -> Result<Utf8PathBuf, Error> {
    let link = out_dir.link(job);
    let unlinked = |error| Error::file(Kind::Output, "write", &out_dir.folder, &error);
    let _turn = lock(out_dir.folder.as_std_path()).map_err(unlinked)?;
    let mut records = Vec::new();
    if let Some(line) = manifest.checksum(&job.target.name.slug()) {
        records.push(Record::prepare(
            out_dir,
            out_dir.record(job, "sha256"),
            &line,
        )?);
    }
    let text = serde_json::to_string_pretty(manifest)
        .map_err(|error| Error::new(Kind::Output, format!("cannot write the manifest: {error}")))?;
    records.push(Record::prepare(
        out_dir,
        out_dir.record(job, "json"),
        &format!("{text}\n"),
    )?);
    let made = build::link(&evaluator.nix, &manifest.out, link.as_std_path()).await;
    // A signal can come when the link is made already; then its records have to follow.
    let is_made = link
        .read_link_utf8()
        .is_ok_and(|target| target == manifest.out);
    if made.is_ok() || is_made {
        records.into_iter().try_for_each(Record::put)?;
    }
    match made {
        Ok(()) => Ok(link),
        Err(NixError::Failed { stderr, .. }) => Err(Error::new(
            Kind::Output,
            format!("cannot make the link {link}:\n{stderr}"),
        )),
        Err(other) => Err(other.into()),
    }
}

/// A file that is written and has yet to get its name.
struct Record {
    file: Utf8PathBuf,
    content: NamedTempFile,
}

impl Record {
    fn prepare(out_dir: &OutDir, file: Utf8PathBuf, text: &str) -> Result<Self, Error> {
        let write = || -> io::Result<NamedTempFile> {
            let mut content = NamedTempFile::new_in(out_dir.roots.path())?;
            content.write_all(text.as_bytes())?;
            // Readable as any file of the user's; temporary files are private.
            content
                .as_file()
                .set_permissions(Permissions::from_mode(0o644))?;
            Ok(content)
        };
        match write() {
            Ok(content) => Ok(Self { file, content }),
            Err(error) => Err(Error::file(Kind::Output, "write", &file, &error)),
        }
    }

    fn put(self) -> Result<(), Error> {
        let put = self.content.persist(&self.file).map(drop);
        put.map_err(|error| Error::file(Kind::Output, "write", &self.file, &error.error))
    }
}

fn manifest(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    job: &Job<'_>,
    artifact: Option<Artifact>,
) -> Manifest {
    let request = &job.target.request;
    let overrides = request.overrides.iter();
    Manifest {
        schema: manifest::SCHEMA,
        target: job.target.name.to_string(),
        host: request.host.clone(),
        host_name: job.evaluated.host_name.clone(),
        system: job.evaluated.system.clone(),
        drv: job.derivation.drv.clone(),
        out: job.derivation.out.clone(),
        output: job.derivation.output.clone(),
        artifact,
        overrides: overrides
            .map(|(option, value)| Forced {
                option: option.clone(),
                value: value.clone(),
            })
            .collect(),
        source: manifest::Source {
            path: job.snapshot.staged.path.to_string(),
            nar_hash: job.snapshot.staged.nar_hash.to_string(),
            revision: sources.head.revision.clone(),
            branch: sources.head.branch.clone(),
            dirty: sources.is_dirty(),
            local: job
                .snapshot
                .local
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            overridden_inputs: evaluator.nix.options.override_inputs.clone(),
        },
        tools: manifest::Tools {
            cbox: env!("CARGO_PKG_VERSION").to_owned(),
            nix: evaluator.nix.version.clone(),
        },
        linked_at: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    }
}
