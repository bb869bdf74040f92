//! `cbox diff A B`: why two derivations differ, whatever names them.

use std::{io::ErrorKind, rc::Rc};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_core::{causes::Explanation, derivation::EXTENSION, manifest::Manifest};
use cbox_nix::{Interrupt, store::Store};
use serde_json::json;

use super::document;
use crate::{
    cli::{BuildFlags, Common, DiffArgs, Explain, Format},
    environment::Environment,
    error::Error,
    exit::Kind,
    explain::explain,
    session::{Evaluator, Session},
    shown::{explanation::heading, github, markdown, plain},
    side_by_side::{self, Item},
    staging::Sources,
    targets,
    view::View,
};

/// How the paths of cbox's own links begin, which no target's name does.
const LINKS: &str = "out/";

/// One side, as far as the words alone tell.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Side {
    /// A `.drv` file.
    Derivation(Utf8PathBuf),
    /// A link into the store, or a path in it.
    Output(Utf8PathBuf),
    /// A target, at a commit or in the working tree.
    Target {
        revision: Option<String>,
        name: String,
    },
}

impl Side {
    /// The version of the flake that it is of: a commit, or (`Some(None)`) the working tree.
    fn revision(&self) -> Option<Option<&str>> {
        match self {
            Self::Target { revision, .. } => Some(revision.as_deref()),
            Self::Derivation(_) | Self::Output(_) => None,
        }
    }
}

/// A side with its derivation.
#[derive(Debug, Clone)]
struct Found {
    /// As it was typed.
    name: String,
    drv: String,
}

/// Runs the command.
pub(crate) async fn run(
    (environment, view, interrupt): (&Environment, &View, &Interrupt),
    common: &Common,
    args: &DiffArgs,
) -> Result<(), Error> {
    let sides = (side(environment, &args.old)?, side(environment, &args.new)?);
    let (store, old, new) = match &sides {
        // Two files need no flake and no Nix.
        (Side::Derivation(old), Side::Derivation(new)) => {
            let (store, old) = in_store(environment, common, old)?;
            let (other, new) = in_store(environment, common, new)?;
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
            let session = Session::open(environment, view, interrupt, common, None)?;
            let evaluator = session.evaluator(common, &BuildFlags::default()).await?;
            let (old, new) = find_both(&session, &evaluator, (common, args), &sides).await?;
            (evaluator.nix.store.clone(), old, new)
        }
    };
    view.briefly("comparing");
    let explanation = explain(&store, &old.drv, &new.drv).await?;
    show((environment, view), args, (&old, &new), &explanation);
    Ok(())
}

/// Understands what was typed.
fn side(environment: &Environment, text: &str) -> Result<Side, Error> {
    if text.is_empty() {
        return Err(Error::new(Kind::Usage, "an empty word names nothing")
            .hint("`cbox list` shows the targets, `cbox hosts` the hosts"));
    }
    let path = environment.absolute(Utf8Path::new(text));
    // Without the `.` of `./result`.
    let path: Utf8PathBuf = path.components().collect();
    let is_path = text.starts_with(['/', '.'])
        || text.starts_with(LINKS)
        || path
            .symlink_metadata()
            .is_ok_and(|found| found.is_symlink());
    if text.ends_with(EXTENSION) && (is_path || path.exists()) {
        return Ok(Side::Derivation(path));
    }
    if is_path {
        return Ok(Side::Output(path));
    }
    match text.split_once(':') {
        Some(("", _) | (_, "")) => Err(Error::new(Kind::Usage, format!("`{text}` is no REV:host"))
            .hint("a commit stands before the colon, a host or a target behind it")),
        Some((revision, name)) => Ok(Side::Target {
            revision: Some(revision.to_owned()),
            name: name.to_owned(),
        }),
        None => Ok(Side::Target {
            revision: None,
            name: text.to_owned(),
        }),
    }
}

/// The store that a `.drv` file is in, and its path there.
fn in_store(
    environment: &Environment,
    common: &Common,
    path: &Utf8Path,
) -> Result<(Store, String), Error> {
    let store_dir = environment.nix_store_dir.as_deref();
    let uri = common.store.as_deref().unwrap_or("auto");
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
        Ok(real) if real != path => in_store(environment, common, &real),
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
    (common, args): (&Common, &DiffArgs),
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
        prepare(evaluator, (common, args), old, of_old.as_deref()),
        prepare(evaluator, (common, args), new, of_new.as_deref())
    )?;
    let items: Vec<Item> = [&one, &other]
        .into_iter()
        .filter_map(|ready| ready.as_ref().err().cloned())
        .collect();
    let mut answers = side_by_side::derivations(evaluator, &args.limits, &items)
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
    (common, args): (&Common, &DiffArgs),
    side: &Side,
    sources: Option<&Sources<'_>>,
) -> Result<Result<String, Item>, Error> {
    let session = evaluator.session;
    match (side, sources) {
        (Side::Derivation(path), _) => {
            let (store, inside) = in_store(session.environment, common, path)?;
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
            let target = targets::parse_name(name)?;
            let native = &evaluator.nix.settings.system;
            let target =
                targets::resolve(project, &target, &BuildFlags::default(), native, sources)?;
            let host =
                Some(target.request.host.as_str()).filter(|_| !args.tracked && revision.is_none());
            let (snapshot, _) = sources.snapshot(host, false).await?;
            if !snapshot.local.is_empty() {
                session.view.note(&format!(
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
    let shown = evaluator.session.environment.shown(path);
    let target = path.canonicalize_utf8().map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => "`cbox status` shows the links, `cbox list` the targets",
            _ => "",
        };
        Error::file(Kind::Usage, "open", &shown, &error).hint(hint)
    })?;
    let manifest = std::fs::read(format!("{path}.json")).ok();
    if let Some(manifest) = manifest.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok())
        && target.as_str().starts_with(&manifest.out)
    {
        return Ok(manifest.drv);
    }
    let store = &evaluator.nix.store;
    let root = store.root().to_string_lossy();
    let inside = target
        .as_str()
        .strip_prefix(&*root)
        .unwrap_or(target.as_str());
    let other = "name a .drv file, a target or a link that cbox made";
    if !inside.starts_with(&format!("{}/", store.dir)) {
        return Err(Error::new(Kind::Usage, format!("{shown} is in no store")).hint(other));
    }
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
    let detail = args.show.explain.detail();
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
                    github::log(&plain::explanation(explanation, &[], detail))
                        .iter()
                        .for_each(|line| view.plain(line));
                }
                _ => plain::explanation(explanation, &[], detail)
                    .iter()
                    .for_each(|line| view.plain(line)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_meant() {
        let environment = Environment::unknown();
        let target = |revision: Option<&str>, name: &str| Side::Target {
            revision: revision.map(str::to_owned),
            name: name.to_owned(),
        };
        let side = |text: &str| side(&environment, text);
        assert_eq!(side("box").unwrap(), target(None, "box"));
        assert_eq!(
            side("appliance/iso").unwrap(),
            target(None, "appliance/iso")
        );
        assert_eq!(
            side("v1:hosts/box").unwrap(),
            target(Some("v1"), "hosts/box")
        );
        assert_eq!(
            side("HEAD~1:appliance/iso/aarch64").unwrap(),
            target(Some("HEAD~1"), "appliance/iso/aarch64")
        );
        assert!(matches!(
            side("/nix/store/x-y.drv").unwrap(),
            Side::Derivation(_)
        ));
        assert!(matches!(
            side("./out/appliance-iso").unwrap(),
            Side::Output(_)
        ));
        assert!(matches!(
            side("out/appliance-iso").unwrap(),
            Side::Output(_)
        ));
        assert!(side(":box").is_err() && side("v1:").is_err() && side("").is_err());
    }
}
