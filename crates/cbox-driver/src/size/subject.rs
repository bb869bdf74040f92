//! What is measured: the system of a target, its image, or a path in the store.

use camino::Utf8Path;
use cbox_nix::{
    NixError,
    expression::{DerivationInfo, Evaluated, Want},
    machine::Machine,
    nix::Nix,
};
use nix_formats::{store_path::OutPath, system::System};

use crate::{
    error::{Error, Kind},
    eval::{
        evaluator::Evaluator,
        hosts,
        schedule::{self, Item},
    },
    flake::{config::Budget, project::Project, session::Session},
    links::artifact::{self, Which},
    process::options::{Forced, Limits},
    subject::{
        Origin, Subject,
        find::{self, Conditions, Resolved, UnevaluatedTarget, Versions},
        target,
    },
    target_name::TargetName,
    text::nearest::{nearest, suggestion},
};

/// Something that is in the store and has a size.
#[derive(Debug)]
pub struct Measurable {
    /// Its name for people.
    pub name: String,
    /// The system that it is for, where it is a target.
    pub system: Option<System>,
    /// The store path whose closure counts.
    pub root: String,
    /// What that is.
    pub counted: Counted,
    /// The image file, where there is one that can be looked at.
    pub image: Vec<StoredFile>,
    /// How large it may be.
    pub budget: Budget,
}

/// What the closure of a subject begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The system of a host, whether it is in an image or not.
    System,
    /// The target's own output, since its host has no system.
    Output,
    /// A store path that was named as such.
    Path,
}

/// A file of an image, in the store.
#[derive(Debug)]
pub struct StoredFile {
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Measurable {
    /// The size of all files of the image together, in bytes; `None` where there is none.
    pub fn image_size(&self) -> Option<u64> {
        let sizes = self.image.iter().map(|file| file.size);
        (!self.image.is_empty()).then(|| sizes.sum())
    }
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// A target, a host, `REV:target`, a link in `out/` or a store path.
    pub target: &'q str,
    /// What it is compared with: a commit, or anything that `target` can be.
    pub against: Option<&'q str>,
    /// What was forced on the build.
    pub forced: &'q Forced,
    /// Whether an image host's local settings were in it.
    pub with_local: bool,
    /// How much is evaluated at once.
    pub limits: Limits,
}

/// Finds what is asked about, and what it is compared with if there is such. Nothing is
/// built, and each is evaluated once at most.
///
/// # Errors
/// When a word names nothing, does not evaluate, or is not built.
pub async fn find(
    session: &Session<'_>,
    evaluator: &Evaluator<'_>,
    question: Question<'_>,
) -> Result<(Measurable, Option<Measurable>), Error> {
    let main = wanted(session, question.target)?;
    let versions = Versions::of(session, false);
    let is_target = matches!(main, Subject::Target { .. });
    if !session.project.is_configured() && is_target && question.against.is_some() {
        let version = versions.get(None).await?;
        hosts::find(evaluator, &version).await?;
    }
    let other = match question.against {
        Some(text) => Some(against(session, text, &main)?),
        None => None,
    };
    if let Some(Some(revision)) = other.as_ref().and_then(Subject::revision) {
        let version = versions.get(Some(revision)).await;
        version.map_err(|error| meant_a_target(&session.project, question.against, error))?;
    }
    let conditions = Conditions {
        forced: question.forced,
        with_local: question.with_local,
        tracked_only: false,
    };
    let label = |subject: &Subject, text: &str| match subject {
        Subject::Target {
            revision: Some(revision),
            name,
        } => format!("{revision}:{name}"),
        Subject::Target { name, .. } if !text.contains('/') => name.to_string(),
        _ => text.to_owned(),
    };
    let mut found = Vec::new();
    let words = [
        Some((&main, question.target)),
        other.as_ref().zip(question.against),
    ];
    for (subject, text) in words.into_iter().flatten() {
        let label = label(subject, text);
        let one = versions
            .find(evaluator, subject, &label, conditions)
            .await?;
        found.push(match one {
            Resolved::Target(mut unevaluated) => {
                if unevaluated.target.is_image() && unevaluated.target.request.package.is_none() {
                    unevaluated.target.request.wants.push(Want::Toplevel);
                }
                Resolved::Target(unevaluated)
            }
            other => other,
        });
    }
    let targets = found.iter().filter_map(|found| match found {
        Resolved::Target(unevaluated) => Some(unevaluated.item()),
        Resolved::Derivation(_) | Resolved::Output(_) | Resolved::Machine(_) => None,
    });
    let items: Vec<Item> = targets.collect();
    let mut answers = schedule::derivations(evaluator, &question.limits, &items)
        .await?
        .into_iter();
    let mut measurable = Vec::new();
    for found in found {
        measurable.push(match found {
            Resolved::Derivation(path) | Resolved::Output(path) => {
                of_output(evaluator, &path).await?
            }
            Resolved::Machine(machine) => return Err(of_machine(&machine)),
            Resolved::Target(unevaluated) => match answers.next() {
                Some(answer) => of_target(evaluator, question, *unevaluated, answer?).await?,
                None => return Err(Error::new(Kind::Evaluation, "no answer came")),
            },
        });
    }
    let mut measurable = measurable.into_iter();
    match measurable.next() {
        Some(main) => Ok((main, measurable.next())),
        None => Err(Error::new(Kind::Evaluation, "no answer came")),
    }
}

/// Understands the name of what is asked about.
fn wanted(session: &Session<'_>, text: &str) -> Result<Subject, Error> {
    let subject = Subject::parse(session.environment, text)?;
    match &subject {
        Subject::Derivation(_) => {
            return Err(Error::new(
                Kind::Usage,
                format!("{text} describes a build, and has no size of its own"),
            )
            .hint("name a target, a link in out/ or a store path"));
        }
        Subject::Machine(machine) => return Err(of_machine(machine)),
        // What is wrong without asking anybody is said first.
        Subject::Target {
            revision: None,
            name: TargetName::Image { kind, format, .. },
        } => drop(target::find(&session.project, kind, format)?),
        _ => {}
    }
    Ok(subject)
}

/// The error for a machine, of which nothing is measured.
fn of_machine(machine: &Machine) -> Error {
    let message = format!(
        "{} is a machine, and what it needs is not measured",
        machine.name
    );
    Error::new(Kind::Usage, message)
        .hint("`cbox diff` compares the packages and the size of what it runs")
}

/// Understands what is compared with: what names a target is one, any other word is a
/// commit, of which the same target counts.
fn against(session: &Session<'_>, text: &str, main: &Subject) -> Result<Subject, Error> {
    let subject = Subject::parse(session.environment, text);
    let is_word = match &subject {
        Ok(subject) => matches!(subject, Subject::Target { revision: None, .. }),
        Err(_) => !text.is_empty() && !text.contains([':', '#']),
    };
    match main {
        Subject::Target { name, .. } if is_word && !is_target(&session.project, text) => {
            Ok(Subject::Target {
                revision: Some(Origin::Commit(text.to_owned())),
                name: name.clone(),
            })
        }
        // A store path is of no commit, so nothing but a target can be meant.
        _ => wanted(session, text),
    }
}

fn is_target(project: &Project, text: &str) -> bool {
    match target::parse_name(text) {
        // Without a cbox.toml any `a/b` could be a variant; a branch is one more often.
        Ok(TargetName::Image { kind, format, .. }) => {
            project.image_hosts().is_some() && target::find(project, &kind, &format).is_ok()
        }
        // A flake may keep its hosts elsewhere, and then `hosts/` says that it is one.
        Ok(TargetName::Host { name }) => text.contains('/') || project.hosts().contains(&name),
        Err(_) => false,
    }
}

/// `error`, which says that there is no such commit, with the target that was meant.
fn meant_a_target(project: &Project, against: Option<&str>, error: Error) -> Error {
    let names: Vec<String> = project
        .config()
        .targets
        .iter()
        .map(|target| target.target())
        .chain(project.install_hosts())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let is_unknown = matches!(error.nix(), Some(NixError::Revision { .. }));
    match against {
        Some(text) if is_unknown && !nearest(text, names.clone()).is_empty() => {
            error.hint(suggestion(text, &names))
        }
        _ => error,
    }
}

/// What a link leads to, or a path in the store.
async fn of_output(evaluator: &Evaluator<'_>, path: &Utf8Path) -> Result<Measurable, Error> {
    let environment = evaluator.session.environment;
    let store = &evaluator.nix.outputs;
    let target = find::place_of(environment, store, path)?;
    let inside = find::inside(store, &target).ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("{} is not in a store", environment.display_path(path)),
        )
        .hint("name a target, a link in out/ or a store path")
    })?;
    let base = inside[store.dir.len() + 1..].split('/').next();
    let root = format!("{}/{}", store.dir, base.unwrap_or_default());
    if !evaluator.nix.is_built(&root).await? {
        return Err(
            Error::new(Kind::Usage, format!("{root} is not a valid store path"))
                .hint("`cbox status` shows what is built"),
        );
    }
    Ok(Measurable {
        name: environment.display_path(path).into_string(),
        system: None,
        root,
        counted: Counted::Path,
        image: vec![],
        budget: Budget::default(),
    })
}

/// Looks for what was evaluated in the store.
async fn of_target(
    evaluator: &Evaluator<'_>,
    question: Question<'_>,
    unevaluated: UnevaluatedTarget<'_>,
    (evaluated, own): (Evaluated, DerivationInfo),
) -> Result<Measurable, Error> {
    let nix = &evaluator.nix;
    let is_image = unevaluated.target.is_image();
    let counted = evaluated.toplevel.as_ref().unwrap_or(&own);
    let [own_out, root] = nix.output_paths([&own, counted]).await?;
    let Some(root) = root else {
        let is_image_there = own_out.is_some() && counted.drv != own.drv;
        let session = evaluator.session;
        return Err(not_built(
            session,
            question,
            &unevaluated,
            counted,
            is_image_there,
        ));
    };
    let image = match (unevaluated.target.artifacts(&evaluated)?, own_out) {
        (Some(which), Some(out)) => image_files(nix, &out, &which, &evaluated)?,
        _ => vec![],
    };
    Ok(Measurable {
        budget: budget(&unevaluated),
        counted: match is_image && evaluated.toplevel.is_none() {
            true => Counted::Output,
            false => Counted::System,
        },
        root: root.to_string(),
        system: Some(evaluated.system),
        name: unevaluated.label,
        image,
    })
}

fn image_files(
    nix: &Nix,
    out: &OutPath,
    which: &Which,
    evaluated: &Evaluated,
) -> Result<Vec<StoredFile>, Error> {
    // In a store on another machine no file can be looked at.
    let Some(output) = nix.outputs.physical(out) else {
        return Ok(vec![]);
    };
    let found = artifact::find(&output, which, evaluated.text.as_deref())?;
    let files = found.into_iter().map(|(path, size)| StoredFile {
        path: format!("{out}/{path}"),
        size,
    });
    Ok(files.collect())
}

fn budget(unevaluated: &UnevaluatedTarget<'_>) -> Budget {
    match &unevaluated.target.name {
        TargetName::Image { kind, format, .. } => {
            let found = target::find(&unevaluated.version.checkout.project, kind, format);
            let found = found.ok().and_then(target::Image::target);
            found.map_or_else(Budget::default, |config| config.budget.clone())
        }
        TargetName::Host { .. } => Budget::default(),
    }
}

/// The error for what is not in the store, with the command that brings it there.
fn not_built(
    session: &Session<'_>,
    question: Question<'_>,
    unevaluated: &UnevaluatedTarget<'_>,
    missing: &DerivationInfo,
    is_image_there: bool,
) -> Error {
    let forced = question.forced;
    let plain = forced.set.is_empty() && !forced.stamp && !question.with_local;
    let as_usual =
        plain && session.options.flake.is_none() && !unevaluated.version.checkout.is_commit();
    let store = match &session.options.store {
        Some(store) => format!(" --store {store}"),
        None => String::new(),
    };
    // An image that is there is not built again, and so neither is what it was made of.
    let command = match &unevaluated.target.name {
        name if as_usual && !is_image_there => format!("cbox build{store} {name}"),
        _ => format!("nix build --no-link{store} '{}'", missing.installable()),
    };
    let what = match is_image_there {
        true => format!(
            "the system in {} is no longer in the store",
            unevaluated.label
        ),
        false => format!(
            "{} has not been built in its current state",
            unevaluated.label
        ),
    };
    Error::new(Kind::Artifact, what).hint(format!("`{command}` builds it"))
}
