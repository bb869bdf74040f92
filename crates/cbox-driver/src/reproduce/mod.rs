//! Whether a target builds the same twice. Nix builds its derivation again and keeps what came
//! out differently beside what the store has ([`cbox_nix::rebuild`]); [`compare`] says what that
//! is, file by file, and [`place`] where in an image. Neither the store's own nor any link changes.

pub mod compare;
pub mod place;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use camino::Utf8Path;
use cbox_nix::{
    NixError, derivations,
    nix_error::Cause,
    rebuild::{CHECK, Rebuilt, rebuild},
};
use nix_formats::store_path::OutPath;

use self::compare::Compared;
use crate::{
    build::{Job, build_and_link, preflight, silence},
    error::{Error, Kind},
    eval::{diagnose::of_build, evaluator::Evaluator},
    flake::{audit, version::Version},
    links::artifact,
    process::blocking::blocking,
    progress::{
        Event,
        builds::Wanted,
        follow::{Called, follow},
    },
    text::{count, duration},
};

/// What came of building a target twice.
#[derive(Debug)]
pub struct Reproduction {
    /// The name of the target.
    pub target: String,
    /// Its output, as the store has it.
    pub out: OutPath,
    /// Whether that had to be built first.
    pub is_built_first: bool,
    /// How long the second build took.
    pub lasted: Duration,
    /// The outputs that are not the same; none if it is.
    pub differing: Vec<DifferingOutput>,
    /// The folder in which the second build was made, where Nix kept that.
    pub folder: Option<String>,
}

/// An output that came out differently.
#[derive(Debug)]
pub struct DifferingOutput {
    /// What the store has.
    pub out: OutPath,
    /// What differs; `None` where the store is on another machine.
    pub compared: Option<Compared>,
}

impl DifferingOutput {
    /// Where Nix keeps what came out the second time.
    pub fn check(&self) -> String {
        format!("{}{CHECK}", self.out)
    }

    /// What it is called: what stands behind the hash in its path.
    pub fn name(&self) -> &str {
        artifact::called(Path::new(self.out.as_str()), Utf8Path::new(""))
    }

    /// How much of it differs: `2 of 5 files differ`.
    fn summary(&self) -> String {
        match &self.compared {
            None => format!("{} differs", self.out),
            Some(compared) => {
                let number = compared.path_count();
                let all = count(compared.file_count, "file");
                format!("{number} of {all} {}", differ(number))
            }
        }
    }
}

/// The verb for so many that differ.
pub fn differ(number: usize) -> &'static str {
    match number {
        1 => "differs",
        _ => "differ",
    }
}

impl Reproduction {
    /// Whether both builds are the same.
    pub fn is_same(&self) -> bool {
        self.differing.is_empty()
    }

    /// That it is the same, in a line.
    pub fn headline(&self) -> String {
        format!(
            "{} is the same twice: {} (built again in {})",
            self.target,
            self.out,
            duration(self.lasted)
        )
    }

    /// That it is not, as an error.
    pub fn error(&self) -> Option<Error> {
        let first = self.differing.first()?;
        let summaries: Vec<String> = self
            .differing
            .iter()
            .map(DifferingOutput::summary)
            .collect();
        let message = format!(
            "{} is not the same twice: {}",
            self.target,
            summaries.join(", ")
        );
        let hint = format!(
            "the second build is {} until it is built again or garbage is collected; \
             `diffoscope {} {}` shows what is in the files",
            first.check(),
            first.out,
            first.check()
        );
        Some(Error::new(Kind::Differs, message).hint(hint))
    }
}

/// Builds `job` again, and before that once if it is not built: then without a link.
///
/// # Errors
/// When one of the builds fails, the files cannot be compared, or a signal comes.
pub async fn reproduce(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    job: &Job<'_>,
) -> Result<Reproduction, Error> {
    let reporter = evaluator.session.reporter;
    let target = job.target.name.to_string();
    let known = evaluator.nix.output_path(&job.derivation).await?;
    let is_built_first = known.is_none();
    let out = match known {
        Some(out) => out,
        None => {
            reporter.note(&format!("{target} is not built yet, so it is built twice"));
            first_build(evaluator, sources, job).await?
        }
    };
    reporter.note(&format!("building {target} again"));
    let began = Instant::now();
    let rebuilt = second_build(evaluator, job, &out).await?;
    let lasted = began.elapsed();
    let (outputs, folder) = match rebuilt {
        Rebuilt::Same => (vec![], None),
        Rebuilt::Differs { outputs, folder } => (outputs, folder),
    };
    let mut differing = Vec::new();
    for out in outputs {
        differing.push(DifferingOutput {
            compared: compare_output(evaluator, &target, &out).await?,
            out,
        });
    }
    Ok(Reproduction {
        target,
        out,
        is_built_first,
        lasted,
        differing,
        folder,
    })
}

/// Builds what is not in the store, or fetches it.
async fn first_build(
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    job: &Job<'_>,
) -> Result<OutPath, Error> {
    if job.target.is_image() {
        audit::check(evaluator.session, sources).await?;
    }
    preflight::check(evaluator, job).await?;
    let built = build_and_link(evaluator, sources, None, std::slice::from_ref(job)).await;
    match built.into_iter().next() {
        Some(built) => Ok(built?.manifest.out),
        None => Err(Error::new(Kind::Build, "no answer came")),
    }
}

/// Builds what is in the store as `out`.
async fn second_build(
    evaluator: &Evaluator<'_>,
    job: &Job<'_>,
    out: &OutPath,
) -> Result<Rebuilt, Error> {
    let (reporter, name) = (evaluator.session.reporter, job.target.name.to_string());
    reporter.report(Event::BuildsBegan {
        wanted: vec![Wanted {
            name: name.clone(),
            needs: BTreeSet::from([job.derivation.drv.to_string()]),
        }],
        log: None,
    });
    let (installable, outputs) = (job.derivation.installable(), outputs(evaluator, job, out));
    let built = rebuild(&evaluator.nix, &installable, &outputs, |event| {
        reporter.report(Event::Nix(&event));
    });
    let built = tokio::select! {
        built = built => built,
        never = silence::watch(evaluator) => match never {},
    };
    reporter.report(Event::BuildsEnded);
    built.map_err(|error| not_built_again(evaluator, job, error))
}

/// All outputs that the derivation has, `out` among them: where one differs that nobody asked for,
/// Nix says so too.
fn outputs(evaluator: &Evaluator<'_>, job: &Job<'_>, out: &OutPath) -> Vec<OutPath> {
    let read = derivations::read(&evaluator.nix.store, &[&job.derivation.drv]);
    let derivation = read.ok().and_then(|read| read.into_iter().next());
    let mut outputs = vec![out.clone()];
    for output in derivation
        .iter()
        .flat_map(|derivation| derivation.outputs())
    {
        outputs.extend(output.path.parse().ok().filter(|path| path != out));
    }
    outputs
}

/// The error of a second build, which has reasons of its own.
fn not_built_again(evaluator: &Evaluator<'_>, job: &Job<'_>, mut error: NixError) -> Error {
    let name = job.target.name.to_string();
    if let NixError::Build(failure) = &mut error {
        for build in &mut failure.failed {
            build.needed_by = vec![name.clone()];
        }
    }
    let is_elsewhere = matches!(
        error.cause(),
        Some(Cause::WrongSystem { .. } | Cause::MissingFeature { .. } | Cause::Idle { .. })
    );
    let mut error = of_build(evaluator, [job.snapshot].into_iter(), error);
    if matches!(error.kind, Kind::Build | Kind::Unsupported) {
        error.message = format!("{name} cannot be built again: {}", error.message);
    }
    match is_elsewhere {
        true => error.hint(
            "Nix builds again on the machine of the store alone, and asks no builder: run it on one \
             that can build this",
        ),
        false => error,
    }
}

/// Compares what the store has as `out` with what the second build gave.
async fn compare_output(
    evaluator: &Evaluator<'_>,
    target: &str,
    out: &OutPath,
) -> Result<Option<Compared>, Error> {
    let (session, store) = (evaluator.session, &evaluator.nix.outputs);
    let check = format!("{out}{CHECK}");
    let places = [store.physical(out), store.physical(&check)];
    let [Some(first), Some(second)] = places else {
        return Ok(None);
    };
    let failed = move |error| Error::file(Kind::Artifact, "compare", &check, &error);
    let listed = blocking(move || {
        let list = |place: PathBuf| compare::tree(&place).map(|tree| (place, tree));
        Ok((list(first)?, list(second)?))
    });
    let (first, second) = listed.await.map_err(&failed)?;
    let called = Called {
        what: &format!("comparing both builds of {target}"),
        title: None,
        done: None,
    };
    let bytes = compare::size(&first.1);
    let compared = follow(
        session.reporter,
        session.interrupt,
        called,
        bytes,
        move |watch| compare::compare((&first.0, &first.1), (&second.0, &second.1), watch),
    );
    match (compared.await.map_err(&failed)?, session.interrupt.signal()) {
        (Some(compared), _) => Ok(Some(compared)),
        (None, Some(signal)) => Err(NixError::Interrupted(signal).into()),
        (None, None) => Err(Error::new(Kind::Artifact, "the comparison stopped")),
    }
}
