//! From the words of a command line to what is in the store.

use std::{rc::Rc, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{
    expression::{DerivationInfo, Evaluated},
    nix::Nix,
};
use nix_formats::system::System;

use crate::{
    error::{Error, Kind},
    eval::schedule::{self, Item},
    flake::{
        config::Budget,
        project::Project,
        staging::{Snapshot, Sources},
    },
    links::artifact,
    nearest::{nearest, suggestion},
    options::{Forced, Limits},
    session::{Evaluator, Session},
    subject::{
        name::TargetName,
        side::{self, Side},
        target::{self, Target},
    },
};

/// Something that is in the store and has a size.
#[derive(Debug)]
pub struct Subject {
    /// Its name for people.
    pub name: String,
    /// The system that it is for, where it is a target.
    pub system: Option<System>,
    /// The store path whose closure counts.
    pub root: String,
    /// What that is.
    pub counted: Counted,
    /// The image file, where there is one that can be looked at.
    pub image: Option<ImageFile>,
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

/// An image file in the store.
#[derive(Debug)]
pub struct ImageFile {
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What is wanted, as far as the words alone tell.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// A link into the store, or a path in it.
    Output(Utf8PathBuf),
    /// A target, at a commit or in the working tree.
    Target {
        revision: Option<String>,
        name: TargetName,
    },
}

impl Wanted {
    fn revision(&self) -> Option<Option<&str>> {
        match self {
            Self::Output(_) => None,
            Self::Target { revision, .. } => Some(revision.as_deref()),
        }
    }
}

/// A target that is about to be evaluated.
struct Asked<'a> {
    /// Its name for people.
    shown: String,
    target: Target,
    snapshot: Arc<Snapshot>,
    sources: Rc<Sources<'a>>,
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
/// built.
pub async fn find(
    session: &Session<'_>,
    evaluator: &Evaluator<'_>,
    question: Question<'_>,
) -> Result<(Subject, Option<Subject>), Error> {
    let main = wanted(session, question.target)?;
    let other = match question.against {
        Some(text) => Some(against(session, text, &main)?),
        None => None,
    };
    let of_main = sources(session, &main).await?;
    let of_other = match &other {
        Some(other) if other.revision() == main.revision() => of_main.clone(),
        Some(other) => sources(session, other)
            .await
            .map_err(|error| meant_a_target(&session.project, question.against, error))?,
        None => None,
    };
    let main = ask(evaluator, question, (&main, question.target), of_main).await?;
    let other = match (other, question.against) {
        (Some(other), Some(text)) => {
            Some(ask(evaluator, question, (&other, text), of_other).await?)
        }
        _ => None,
    };
    let mut items = Vec::new();
    for asked in [Some(&main), other.as_ref()].into_iter().flatten() {
        if let Err(asked) = asked {
            items.extend(asked.items()?);
        }
    }
    let mut answers = schedule::derivations(evaluator, &question.limits, &items)
        .await?
        .into_iter();
    let main = resolve(evaluator, question, main, &mut answers).await?;
    let other = match other {
        Some(other) => Some(resolve(evaluator, question, other, &mut answers).await?),
        None => None,
    };
    Ok((main, other))
}

/// Understands the name of what is asked about.
fn wanted(session: &Session<'_>, text: &str) -> Result<Wanted, Error> {
    match Side::parse(session.environment, text)? {
        Side::Derivation(_) => Err(Error::new(
            Kind::Usage,
            format!("{text} says how something is built, and has no size of its own"),
        )
        .hint("name a target, a link in out/ or a store path")),
        Side::Output(path) => Ok(Wanted::Output(path)),
        Side::Target { revision, name } => {
            let name = target::parse_name(&name)?;
            // What is wrong without asking anybody is said first.
            if let (TargetName::Image { kind, format, .. }, None) = (&name, &revision) {
                target::find(&session.project, kind, format)?;
            }
            Ok(Wanted::Target { revision, name })
        }
    }
}

/// Understands what is compared with: what names a target is one, any other word is a
/// commit, of which the same target counts.
fn against(session: &Session<'_>, text: &str, main: &Wanted) -> Result<Wanted, Error> {
    let is_word = matches!(
        Side::parse(session.environment, text)?,
        Side::Target { revision: None, .. }
    );
    if !is_word || is_target(&session.project, text) {
        return wanted(session, text);
    }
    match main {
        Wanted::Target { name, .. } => Ok(Wanted::Target {
            revision: Some(text.to_owned()),
            name: name.clone(),
        }),
        // A store path is of no commit, so nothing but a target can be meant.
        Wanted::Output(_) => wanted(session, text),
    }
}

fn is_target(project: &Project, text: &str) -> bool {
    match target::parse_name(text) {
        Ok(TargetName::Image { kind, format, .. }) => target::find(project, &kind, &format).is_ok(),
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
    match against {
        Some(text) if error.kind == Kind::Usage && !nearest(text, names.clone()).is_empty() => {
            error.hint(suggestion(text, &names))
        }
        _ => error,
    }
}

/// The tree that a target is of; `None` for what needs none.
async fn sources<'a>(
    session: &'a Session<'a>,
    wanted: &Wanted,
) -> Result<Option<Rc<Sources<'a>>>, Error> {
    Ok(match wanted.revision() {
        None => None,
        Some(None) => Some(Rc::new(Sources::look(session, false).await?)),
        Some(Some(revision)) => Some(Rc::new(Sources::of_revision(session, revision).await?)),
    })
}

/// What is in the store already, or what has to be evaluated to know it.
async fn ask<'a>(
    evaluator: &Evaluator<'_>,
    question: Question<'_>,
    (wanted, shown): (&Wanted, &str),
    sources: Option<Rc<Sources<'a>>>,
) -> Result<Result<Subject, Asked<'a>>, Error> {
    match (wanted, sources) {
        (Wanted::Output(path), _) => of_output(evaluator, path).await.map(Ok),
        (Wanted::Target { name, .. }, None) => {
            Err(Error::new(Kind::Source, format!("no tree has {name}")))
        }
        (Wanted::Target { name, revision }, Some(sources)) => {
            let project = &sources.origin.project;
            let native = &evaluator.nix.settings.system;
            let target = target::resolve(project, name, question.forced, native, &sources)?;
            let host = Some(target.request.host.as_str()).filter(|_| revision.is_none());
            let (snapshot, _) = sources.snapshot(host, question.with_local).await?;
            let shown = match revision {
                Some(revision) => format!("{revision}:{name}"),
                None if shown.contains('/') => shown.to_owned(),
                None => name.to_string(),
            };
            Ok(Err(Asked {
                shown,
                target,
                snapshot,
                sources,
            }))
        }
    }
}

/// What a link leads to, or a path in the store.
async fn of_output(evaluator: &Evaluator<'_>, path: &Utf8Path) -> Result<Subject, Error> {
    let environment = evaluator.session.environment;
    let store = &evaluator.nix.store;
    // A store may keep the files of its paths elsewhere, or on another machine.
    let target = match (path.starts_with(&store.dir), store.physical(path.as_str())) {
        (true, None) => path.to_owned(),
        (true, Some(place)) => {
            let place = Utf8PathBuf::from_path_buf(place).unwrap_or_else(|_| path.to_owned());
            side::target_of(environment, &place)?
        }
        (false, _) => side::target_of(environment, path)?,
    };
    let inside = side::inside(store, &target).ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("{} is in no store", environment.shown(path)),
        )
        .hint("name a target, a link in out/ or a store path")
    })?;
    let base = inside[store.dir.len() + 1..].split('/').next();
    let root = format!("{}/{}", store.dir, base.unwrap_or_default());
    if !evaluator.nix.is_valid(&[&root]).await? {
        return Err(
            Error::new(Kind::Usage, format!("{root} is no valid path of the store"))
                .hint("`cbox status` shows what is built"),
        );
    }
    Ok(Subject {
        name: environment.shown(path).into_string(),
        system: None,
        root,
        counted: Counted::Path,
        image: None,
        budget: Budget::default(),
    })
}

impl Asked<'_> {
    /// What is to be evaluated: the target, and the system in it if it is an image.
    fn items(&self) -> Result<Vec<Item>, Error> {
        let item = |request, name: String| Item {
            snapshot: Arc::clone(&self.snapshot),
            request,
            name,
        };
        let request = &self.target.request;
        let mut items = vec![item(request.clone(), self.shown.clone())];
        if self.target.artifact.is_some() {
            let system = target::system_of(request)?;
            items.push(item(system, format!("the system of {}", self.shown)));
        }
        Ok(items)
    }
}

type Answer = Result<(Evaluated, DerivationInfo), Error>;

/// Looks for what was evaluated in the store. `answers` are those to its items.
async fn resolve(
    evaluator: &Evaluator<'_>,
    question: Question<'_>,
    asked: Result<Subject, Asked<'_>>,
    answers: &mut impl Iterator<Item = Answer>,
) -> Result<Subject, Error> {
    let asked = match asked {
        Ok(subject) => return Ok(subject),
        Err(asked) => asked,
    };
    let mut next = || match answers.next() {
        Some(answer) => answer,
        None => Err(Error::new(Kind::Evaluation, "no answer came")),
    };
    let (own, system) = match asked.target.artifact {
        Some(_) => (next(), Some(next())),
        None => (next(), None),
    };
    let (evaluated, own) = own?;
    let system = match system {
        Some(Ok((_, system))) => Some(system),
        // The target itself evaluates, so what is missing is the attribute.
        Some(Err(error)) if error.kind == Kind::Config => None,
        Some(Err(error)) => return Err(error),
        None => None,
    };
    let nix = &evaluator.nix;
    let is_image = asked.target.artifact.is_some();
    let own_is_there = is_there(nix, &own.out).await?;
    let counted = system.as_ref().unwrap_or(&own);
    if !is_there(nix, &counted.out).await? {
        let is_image_there = own_is_there && counted.out != own.out;
        return Err(not_built(
            evaluator.session,
            question,
            &asked,
            counted,
            is_image_there,
        ));
    }
    let image = match (&asked.target.artifact, own_is_there) {
        (Some(pattern), true) => image_file(nix, &own, pattern, &evaluated)?,
        _ => None,
    };
    Ok(Subject {
        budget: budget(&asked),
        name: asked.shown,
        system: Some(evaluated.system),
        counted: match is_image && system.is_none() {
            true => Counted::Output,
            false => Counted::System,
        },
        root: counted.out.clone(),
        image,
    })
}

async fn is_there(nix: &Nix, path: &str) -> Result<bool, Error> {
    match nix.store.holds(path) {
        Some(there) => Ok(there),
        None => Ok(nix.is_valid(&[path]).await?),
    }
}

fn image_file(
    nix: &Nix,
    own: &DerivationInfo,
    pattern: &str,
    evaluated: &Evaluated,
) -> Result<Option<ImageFile>, Error> {
    // In a store on another machine no file can be looked at.
    let Some(output) = nix.store.physical(&own.out) else {
        return Ok(None);
    };
    let (path, size) = artifact::find(&output, pattern, evaluated.artifact_name.as_deref())?;
    Ok(Some(ImageFile {
        path: format!("{}/{path}", own.out),
        size,
    }))
}

fn budget(asked: &Asked<'_>) -> Budget {
    match &asked.target.name {
        TargetName::Image { kind, format, .. } => {
            let found = target::find(&asked.sources.origin.project, kind, format);
            found.map_or_else(|_| Budget::default(), |config| config.budget.clone())
        }
        TargetName::Host { .. } => Budget::default(),
    }
}

/// The error for what is not in the store, with the command that brings it there.
fn not_built(
    session: &Session<'_>,
    question: Question<'_>,
    asked: &Asked<'_>,
    missing: &DerivationInfo,
    is_image_there: bool,
) -> Error {
    let forced = question.forced;
    let plain = forced.set.is_empty() && !forced.stamp && !question.with_local;
    let as_usual = plain && session.options.flake.is_none() && !asked.sources.origin.is_commit();
    let store = match &session.options.store {
        Some(store) => format!(" --store {store}"),
        None => String::new(),
    };
    // An image that is there is not built again, and so neither is what it was made of.
    let command = match &asked.target.name {
        name if as_usual && !is_image_there => format!("cbox build{store} {name}"),
        _ => format!("nix build --no-link{store} '{}'", missing.installable()),
    };
    let what = match is_image_there {
        true => format!("the system in {} is not in the store any more", asked.shown),
        false => format!("{} is not built as it stands now", asked.shown),
    };
    Error::new(Kind::Artifact, what).hint(format!("`{command}` builds it"))
}
