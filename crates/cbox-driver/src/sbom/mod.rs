//! The bill of materials of a target: what its system and what is packed beside it are made of,
//! since an image file refers to nothing. The parts are the store paths that were packed, or, where
//! these are not built, all derivations that it takes to build the target. [`packed`] finds what is
//! packed, [`parts`] what derivations say of it, [`licensed`] what nixpkgs does, and [`cyclonedx`]
//! writes it down.

mod cyclonedx;
mod licensed;
mod packed;
mod parts;

use std::collections::BTreeMap;

use cbox_nix::{
    derivations,
    expression::{DerivationInfo, Evaluated, Want},
};
use serde_json::{Value, json};

use self::{
    cyclonedx::{Head, document},
    parts::{Derivations, Part},
};
use crate::{
    error::{Error, Kind},
    eval::{evaluator::Evaluator, schedule},
    flake::{session::Session, snapshot::Snapshot},
    links::{self, manifest::Artifact},
    process::{
        blocking::blocking,
        options::{Forced, Limits},
    },
    progress::Event,
    subject::{
        Subject,
        find::{Conditions, Resolved, Versions},
        target::Target,
    },
    target_name::TargetName,
};

pub(crate) use self::cyclonedx::images;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// A target, a host, or one of these at a commit.
    pub target: &'q str,
    /// What is forced on it.
    pub forced: &'q Forced,
    /// Whether an image host's local settings count.
    pub with_local: bool,
    /// How much is evaluated at once.
    pub limits: Limits,
}

/// A bill of materials.
#[derive(Debug)]
pub struct Bill {
    /// The document, CycloneDX 1.6 as JSON.
    pub text: String,
    /// The name of the target.
    pub target: String,
    /// Whether it lists what was packed; otherwise all that it takes to build it.
    pub is_runtime: bool,
    serial_number: String,
    component_count: usize,
    licensed_count: usize,
}

impl Bill {
    /// What there is to be said of it, as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "closure": if self.is_runtime { "runtime" } else { "build" },
            "serialNumber": self.serial_number,
            "componentCount": self.component_count,
            "licensedCount": self.licensed_count,
        })
    }
}

/// The bill of materials of what `question` asks about. Nothing is built.
///
/// # Errors
/// When the word names no target, when that does not evaluate, when the derivations are in a
/// store on another machine, and when `SOURCE_DATE_EPOCH` is no time.
pub async fn bill(
    session: &Session<'_>,
    evaluator: &Evaluator<'_>,
    question: Question<'_>,
) -> Result<Bill, Error> {
    session.environment.source_date()?;
    let subject = Subject::parse(session.environment, question.target)?;
    let conditions = Conditions {
        forced: question.forced,
        with_local: question.with_local,
        tracked_only: false,
    };
    let versions = Versions::of(session, false);
    let found = versions
        .find(evaluator, &subject, question.target, conditions)
        .await?;
    let Resolved::Target(mut found) = found else {
        let message = format!(
            "{} is no target, so nothing says what it is of",
            question.target
        );
        return Err(Error::new(Kind::Usage, message)
            .hint("name a target: `cbox list` shows them, and `REV:target` is one at a commit"));
    };
    want_system(&mut found.target);
    let answers = schedule::derivations(evaluator, &question.limits, &[found.item()]).await?;
    let Some(answer) = answers.into_iter().next() else {
        return Err(Error::new(Kind::Evaluation, "no answer came"));
    };
    let (evaluated, derivation) = answer?;
    let name = &found.target.name;
    let files = links::image::recorded(&session.project.out_dir, name, &derivation.drv);
    let described = Described {
        target: &found.target,
        snapshot: &found.snapshot,
        evaluated: &evaluated,
        derivation: &derivation,
        files: &files,
    };
    of(evaluator, &described).await
}

/// Makes the evaluation of `target` tell which system is in it, which [`of`] has to know.
pub fn want_system(target: &mut Target) {
    let wants = &mut target.request.wants;
    if matches!(target.name, TargetName::Image { .. }) && target.request.package.is_none() {
        wants.push(Want::Toplevel);
    }
}

/// A target that was evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Described<'d> {
    /// The target.
    pub target: &'d Target,
    /// The tree that it was evaluated from.
    pub snapshot: &'d Snapshot,
    /// What it evaluates to, with the system in it.
    pub evaluated: &'d Evaluated,
    /// Its derivation.
    pub derivation: &'d DerivationInfo,
    /// Its files, where it is an image that is built.
    pub files: &'d [Artifact],
}

/// The bill of materials of what is `described`. Nothing is built.
///
/// # Errors
/// When the derivations are in a store on another machine, and when `SOURCE_DATE_EPOCH` is no
/// time.
pub async fn of(evaluator: &Evaluator<'_>, described: &Described<'_>) -> Result<Bill, Error> {
    let Described {
        target,
        snapshot,
        evaluated,
        derivation,
        files,
    } = *described;
    let session = evaluator.session;
    let time = session.environment.source_date()?;
    session
        .reporter
        .report(Event::Briefly("reading derivations"));
    let (store, drv) = (evaluator.nix.store.clone(), derivation.drv.to_string());
    let derivations = blocking(move || {
        let paths: Vec<String> = derivations::closure(&store, &drv)?.into_iter().collect();
        let words: Vec<&str> = paths.iter().map(String::as_str).collect();
        let read = derivations::read(&store, &words)?;
        Ok::<_, Error>(Derivations::new(paths.into_iter().zip(read)))
    })
    .await?;
    let name = target.name.to_string();
    let system = evaluated.toplevel.as_ref().filter(|_| target.is_image());
    let packed = match target.is_image() {
        true => packed(evaluator, &derivations, derivation, system).await?,
        false => {
            let out = evaluator.nix.output_path(derivation).await?;
            out.map(|out| vec![out.to_string()])
        }
    };
    let mut parts = match &packed {
        Some(roots) => {
            let mut needed = runtime(evaluator, &derivations, roots, &name).await?;
            let out = derivation.out.as_ref();
            let reference = out.map_or(derivation.drv.as_str(), |out| out.as_str());
            let own = match (target.is_image(), roots.as_slice()) {
                (false, [root]) => needed.remove(root),
                _ => needed.remove(reference),
            };
            let image = || derivations.image(reference, derivation.drv.as_str(), roots.clone());
            let root = own.unwrap_or_else(image);
            [root].into_iter().chain(needed.into_values()).collect()
        }
        None => derivations.parts(derivation.drv.as_str()),
    };
    let toplevel = system.map(|system| match (&packed, &system.out) {
        (Some(_), Some(out)) => out.to_string(),
        _ => system.drv.to_string(),
    });
    if target.is_image() {
        let of_system = |part: &&Part| Some(&part.reference) == toplevel.as_ref();
        let version = parts
            .iter()
            .find(of_system)
            .map(|part| part.version.clone());
        parts[0].become_image(&name, version);
    }
    licensed::add(evaluator, snapshot, &target.request, &mut parts).await?;
    let head = Head {
        target: &name,
        system: evaluated.system.as_str(),
        files,
        toplevel: toplevel.as_deref(),
        is_runtime: packed.is_some(),
        time,
    };
    let (text, serial_number) = document(&head, &parts)?;
    Ok(Bill {
        text,
        is_runtime: packed.is_some(),
        serial_number,
        component_count: parts.len() - 1,
        licensed_count: parts[1..].iter().filter(|part| part.is_licensed()).count(),
        target: name,
    })
}

/// What is packed into the image that `derivation` makes, the first of all its `system`, in the
/// order of the paths; `None` where some of it is not in the store, or nothing is known of it.
async fn packed(
    evaluator: &Evaluator<'_>,
    derivations: &Derivations,
    derivation: &DerivationInfo,
    system: Option<&DerivationInfo>,
) -> Result<Option<Vec<String>>, Error> {
    let nix = &evaluator.nix;
    let toplevel = system.map(|system| system.drv.as_str());
    let image = derivation.drv.as_str();
    let mut roots = derivations.packed_into(image, toplevel, &nix.outputs.dir);
    for path in &roots {
        if !nix.is_built(path).await? {
            return Ok(None);
        }
    }
    let known = match system {
        Some(system) => nix.output_path(system).await?,
        // Of an image whose system nobody knows, what it refers to is all.
        None if roots.is_empty() => nix.output_path(derivation).await?,
        None => return Ok(Some(roots.into_iter().collect())),
    };
    Ok(known.map(|known| {
        roots.insert(known.to_string());
        roots.into_iter().collect()
    }))
}

/// All that `roots` need, by the paths.
async fn runtime(
    evaluator: &Evaluator<'_>,
    derivations: &Derivations,
    roots: &[String],
    target: &str,
) -> Result<BTreeMap<String, Part>, Error> {
    let words: Vec<&str> = roots.iter().map(String::as_str).collect();
    let infos = evaluator.nix.closure(&words).await?;
    let mut all = BTreeMap::new();
    for root in roots {
        let closure = infos.closure(root).map_err(|error| {
            let message = format!("cannot list what {target} needs: {error}");
            Error::new(Kind::Environment, message)
        })?;
        let parts = derivations.closure(&closure, &infos, &evaluator.nix.outputs.dir);
        all.extend(parts.into_iter().map(|part| (part.reference.clone(), part)));
    }
    Ok(all)
}
