//! `cbox diff A B`: why two derivations differ, whatever names them.

use std::rc::Rc;

use camino::Utf8Path;
use cbox_driver::{
    ci::workflow_command,
    environment::Environment,
    error::{Error, Kind},
    eval::schedule::{self, Item},
    explain::explain,
    flake::staging::Sources,
    links::manifest::Manifest,
    options::{Forced, NixArguments, Options},
    session::{Evaluator, Session},
    subject::{
        side::{self, Side},
        target,
    },
};
use cbox_nix::store::Store;
use drv_causes::Explanation;
use serde_json::json;

use super::document;
use crate::{
    cli::{DiffArgs, Explain, Format},
    context::Context,
    formats::{explanation::heading, markdown, plain},
    view::{Paint, View},
};

/// A side with its derivation.
#[derive(Debug, Clone)]
struct Found {
    /// As it was typed.
    name: String,
    drv: String,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &DiffArgs) -> Result<(), Error> {
    let Context {
        environment, view, ..
    } = *context;
    let options = context.common.options();
    let sides = (
        Side::parse(environment, &args.old)?,
        Side::parse(environment, &args.new)?,
    );
    let (store, old, new) = match &sides {
        // Two files need no flake and no Nix.
        (Side::Derivation(old), Side::Derivation(new)) => {
            let (store, old) = in_store(environment, &options, old)?;
            let (other, new) = in_store(environment, &options, new)?;
            if store != other {
                return Err(different_stores(args));
            }
            let found = |name: &str, drv| Found {
                name: name.to_owned(),
                drv,
            };
            (store, found(&args.old, old), found(&args.new, new))
        }
        _ => {
            let session = context.open(None)?;
            let evaluator = session.evaluator(&NixArguments::default()).await?;
            let (old, new) = find_both(&session, &evaluator, args, &sides).await?;
            (evaluator.nix.store.clone(), old, new)
        }
    };
    view.briefly("comparing");
    let explanation = explain(&store, &old.drv, &new.drv).await?;
    show((environment, view), args, (&old, &new), &explanation);
    Ok(())
}

/// The store that a `.drv` file is in, and its path there.
fn in_store(
    environment: &Environment,
    options: &Options,
    path: &Utf8Path,
) -> Result<(Store, String), Error> {
    let store_dir = environment.nix_store_dir.as_deref();
    let uri = options.store.as_deref().unwrap_or("auto");
    let store = Store::from_uri(uri, store_dir);
    // A store elsewhere keeps its files below another folder.
    if let Some(position) = path.as_str().find(&format!("{}/", store.dir)) {
        let (root, inside) = path.as_str().split_at(position);
        let store = match root {
            "" => store,
            root => Store::from_uri(root, store_dir),
        };
        return Ok((store, inside.to_owned()));
    }
    // A link to one, or a word that only looks like one.
    match path.canonicalize_utf8() {
        Ok(real) if real != path => in_store(environment, options, &real),
        Ok(_) => Err(Error::new(
            Kind::Usage,
            format!(
                "{} is in no store, so what it needs cannot be found",
                environment.shown(path)
            ),
        )
        .hint("name the file in the store")),
        Err(error) => Err(Error::file(
            Kind::Usage,
            "open",
            environment.shown(path),
            &error,
        )),
    }
}

fn different_stores(args: &DiffArgs) -> Error {
    Error::new(
        Kind::Usage,
        format!("{} and {} are in different stores", args.old, args.new),
    )
    .hint("`nix copy --derivation` brings one to the other")
}

/// Finds the derivations of both sides; what has to be evaluated is evaluated at once.
async fn find_both(
    session: &Session<'_>,
    evaluator: &Evaluator<'_>,
    args: &DiffArgs,
    (old, new): &(Side, Side),
) -> Result<(Found, Found), Error> {
    // Two of one tree are staged once.
    let (of_old, of_new) = if old.revision() == new.revision() {
        let sources = sources(session, args, old).await?;
        (sources.clone(), sources)
    } else {
        tokio::try_join!(sources(session, args, old), sources(session, args, new))?
    };
    let (one, other) = tokio::try_join!(
        prepare(evaluator, args, old, of_old.as_deref()),
        prepare(evaluator, args, new, of_new.as_deref())
    )?;
    let items: Vec<Item> = [&one, &other]
        .into_iter()
        .filter_map(|ready| ready.as_ref().err().cloned())
        .collect();
    let mut answers = schedule::derivations(evaluator, &args.limits.into(), &items)
        .await?
        .into_iter();
    let mut drv = |ready: Result<String, Item>| match ready {
        Ok(drv) => Ok(drv),
        Err(_) => match answers.next() {
            Some(answer) => answer.map(|(_, derivation)| derivation.drv),
            None => Err(Error::new(Kind::Evaluation, "no answer came")),
        },
    };
    let (one, other) = (drv(one)?, drv(other)?);
    let found = |name: &str, drv| Found {
        name: name.to_owned(),
        drv,
    };
    Ok((found(&args.old, one), found(&args.new, other)))
}

/// The tree that a target is of; `None` for what needs none.
async fn sources<'a>(
    session: &'a Session<'a>,
    args: &DiffArgs,
    side: &Side,
) -> Result<Option<Rc<Sources<'a>>>, Error> {
    let sources = match side.revision() {
        None => return Ok(None),
        Some(None) => Sources::look(session, args.tracked).await?,
        Some(Some(revision)) => Sources::of_revision(session, revision).await?,
    };
    Ok(Some(Rc::new(sources)))
}

/// The derivation of a side, or what has to be evaluated for it.
async fn prepare(
    evaluator: &Evaluator<'_>,
    args: &DiffArgs,
    side: &Side,
    sources: Option<&Sources<'_>>,
) -> Result<Result<String, Item>, Error> {
    let session = evaluator.session;
    match (side, sources) {
        (Side::Derivation(path), _) => {
            let (store, inside) = in_store(session.environment, &session.options, path)?;
            let place = |store: &Store| (store.root().to_owned(), store.dir.clone());
            if place(&store) != place(&evaluator.nix.store) {
                return Err(different_stores(args));
            }
            Ok(Ok(inside))
        }
        (Side::Output(path), _) => of_output(evaluator, path).await.map(Ok),
        (Side::Target { name, .. }, None) => {
            Err(Error::new(Kind::Source, format!("no tree has {name}")))
        }
        (Side::Target { revision, name }, Some(sources)) => {
            let project = &sources.origin.project;
            let target = target::parse_name(name)?;
            let native = &evaluator.nix.settings.system;
            let target = target::resolve(project, &target, &Forced::default(), native, sources)?;
            let host =
                Some(target.request.host.as_str()).filter(|_| !args.tracked && revision.is_none());
            let (snapshot, _) = sources.snapshot(host, false).await?;
            if !snapshot.local.is_empty() {
                session.reporter.note(&format!(
                    "{name}: with local settings (`--tracked` leaves them out)"
                ));
            }
            Ok(Err(Item {
                snapshot,
                request: target.request,
                name: name.clone(),
            }))
        }
    }
}

/// The derivation of what a link leads to: its manifest names it, or Nix remembers it.
async fn of_output(evaluator: &Evaluator<'_>, path: &Utf8Path) -> Result<String, Error> {
    let target = side::target_of(evaluator.session.environment, path)?;
    let manifest = std::fs::read(format!("{path}.json")).ok();
    if let Some(manifest) = manifest.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok())
        && target.as_str().starts_with(&manifest.out)
    {
        return Ok(manifest.drv);
    }
    let shown = evaluator.session.environment.shown(path);
    let other = "name a .drv file, a target or a link that cbox made";
    let inside = side::inside(&evaluator.nix.store, &target)
        .ok_or_else(|| Error::new(Kind::Usage, format!("{shown} is in no store")).hint(other))?;
    evaluator.nix.deriver(inside).await?.ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("nobody knows of which derivation {shown} is the output"),
        )
        .hint(other)
    })
}

fn show(
    (environment, view): (&Environment, &View),
    args: &DiffArgs,
    (old, new): (&Found, &Found),
    explanation: &Explanation,
) {
    let detail = args.show.explain.into();
    let said = match (old.drv == new.drv, explanation.same_output) {
        (true, _) => "the same derivation",
        (false, true) => "another derivation with the same output",
        (false, false) => "",
    };
    match args.show.form(view.is_json(), &environment.github) {
        Format::Json => {
            let side = |found: &Found| json!({ "name": found.name, "drvPath": found.drv });
            view.json(&document(
                "diff",
                json!({ "old": side(old), "new": side(new), "explanation": explanation }),
            ));
        }
        _ if old.drv == new.drv => view.plain(said),
        form => {
            if !said.is_empty() {
                view.plain(said);
            }
            match (form, args.show.explain.explain) {
                (_, Explain::None) => {
                    for cause in &explanation.causes {
                        view.plain(&heading(cause, explanation.same_output));
                    }
                }
                (Format::Markdown, _) => {
                    view.plain(
                        markdown::fenced("diff", &markdown::diff(explanation, &[], detail))
                            .trim_end(),
                    );
                }
                (Format::Github, _) => {
                    workflow_command::log(&plain::explanation(
                        explanation,
                        &[],
                        detail,
                        Paint::NONE,
                    ))
                    .iter()
                    .for_each(|line| view.plain(line));
                }
                _ => plain::explanation(explanation, &[], detail, view.results())
                    .iter()
                    .for_each(|line| view.plain(line)),
            }
        }
    }
}
