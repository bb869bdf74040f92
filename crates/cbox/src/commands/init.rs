//! `cbox init`: finds the hosts and images of a flake, and writes a `cbox.toml` for them.

use std::io;

use camino::Utf8Path;
use cbox_driver::{
    error::{Error, Kind},
    eval::{evaluator::Evaluator, hosts},
    flake::{
        config::{self, Config},
        project::{OUT, Project},
        session::Session,
        version::Version,
    },
    init::starter::{EvaluatedEntry, Host, Package, Starter, Uses, entries},
    process::options::{Limits, NixArguments},
    subject::variants,
    target_name::word,
    text::text_file,
};
use cbox_nix::{NixError, eval::image_packages, regular_file};
use serde_json::{Value, json};

use super::report;
use crate::{
    commands::{command_line, context::Context},
    options::LimitOptions,
    view::View,
};

/// Find the hosts and images of a flake, and write a cbox.toml for them
///
/// Each host is evaluated, but nothing is built. One that does not evaluate becomes a comment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cbox init\n  cbox init --print")]
pub(crate) struct InitArgs {
    /// Print the file instead of writing it
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    limits: LimitOptions,
}

/// The file that says what git does not track.
const GITIGNORE: &str = ".gitignore";

/// How much of an error stands in the file, in characters.
const LONGEST_REASON: usize = 200;

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    config: bool,
    gitignore: bool,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &InitArgs) -> Result<(), Error> {
    // A cbox.toml that is there has no say: it may be what is to be replaced.
    let project = Project::bare(context.environment, context.options.flake.as_deref())?;
    let session = context.session(project, context.interrupt);
    let file = session.project.folder.join(config::FILE);
    if !args.print && file.symlink_metadata().is_ok() {
        return Err(in_the_way(&session, &file));
    }
    let arguments = NixArguments::default();
    let (evaluator, sources) = session.to_evaluate(&arguments).await?;
    let packages = packages(&evaluator, &sources).await?;
    let limits = args.limits.into();
    let has_images = !packages.is_empty();
    let found = find(context.view, &evaluator, &sources, &limits, has_images).await?;
    let commands = command_line::command_names();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let starter = Starter::new(found, &session.project.host_folders(), &commands);
    let starter = starter.with_packages(packages, &evaluator.nix.settings.system);
    let text = starter.to_toml();
    // What cbox itself would not read is no help to anybody.
    Config::parse(&text, &file)?;
    let written = match args.print {
        true => Written::default(),
        false => write(context, &session, &file, &text).await?,
    };
    let view = context.view;
    context.document("init", "init", || to_json(&starter, &file, &text, written));
    if args.print {
        view.plain(text.trim_end());
    } else {
        context.table(&rows(&starter));
        tell(context, &session, &starter, written);
    }
    Ok(())
}

fn in_the_way(session: &Session<'_>, file: &Utf8Path) -> Error {
    let display_path = session.environment.display_path(file);
    Error::new(Kind::Config, format!("{display_path} already exists"))
        .hint("move it away first; `cbox init --print` shows what would be written")
}

/// The packages for this machine that are images, by their names.
async fn packages(evaluator: &Evaluator<'_>, sources: &Version<'_>) -> Result<Vec<String>, Error> {
    let snapshot = sources.plain().await?;
    let ready = snapshot.ready(evaluator).await;
    ready.map_err(|error| can_be_locked(error, evaluator.session, sources))?;
    let (nix, system) = (&evaluator.nix, &evaluator.nix.settings.system);
    Ok(image_packages(nix, &snapshot.staged, system).await?)
}

/// Looks at every host. One that does not evaluate is told of, and does not keep the others
/// from being found.
async fn find(
    view: &View,
    evaluator: &Evaluator<'_>,
    sources: &Version<'_>,
    limits: &Limits,
    has_images: bool,
) -> Result<Vec<EvaluatedEntry>, Error> {
    let session = evaluator.session;
    let names = hosts::names(evaluator, sources).await;
    let names = names.map_err(|error| can_be_locked(error, session, sources))?;
    if names.is_empty() && !has_images {
        let system = &evaluator.nix.settings.system;
        let none = hosts::none(evaluator);
        let message = format!(
            "{}, and no image among its packages for {system}",
            none.message
        );
        return Err(Error::new(none.kind, message).hint(format!(
            "a [[target]] in a cbox.toml of your own makes a target of any derivation: \
             package = \"packages.{system}.NAME\""
        )));
    }
    let hosts = entries(names);
    // What can be no target need not be evaluated.
    let nameable = hosts.iter().filter(|host| word(&host.name).is_ok());
    let nameable: Vec<String> = nameable.map(|host| host.name.clone()).collect();
    let answers = variants::of(evaluator, sources, &nameable, limits).await?;
    if !answers.is_empty() && answers.iter().all(Result::is_err) {
        let mut failures: Vec<Error> = answers.into_iter().filter_map(Result::err).collect();
        failures.dedup();
        report::first_of(view, failures)?;
        return Ok(vec![]);
    }
    let failures = answers.iter().filter_map(|answer| answer.as_ref().err());
    let failures = Error::merged(failures.cloned().collect());
    failures.iter().for_each(|error| view.warn(&error.message));
    let mut answers = answers.into_iter();
    let evaluated = hosts.into_iter().filter_map(|entry| {
        let answer = match word(&entry.name) {
            Ok(_) => match answers.next()? {
                Ok(offer) => Ok((offer.system, offer.images)),
                Err(error) => Err(reason(&error)),
            },
            Err(error) => Err(error.to_string()),
        };
        Some(EvaluatedEntry { entry, answer })
    });
    Ok(evaluated.collect())
}

/// `error`, with a way out that works: `nix flake lock` sees no flake that git does not track.
fn can_be_locked(error: Error, session: &Session<'_>, sources: &Version<'_>) -> Error {
    let flake = session.project.dir().join("flake.nix");
    let mut entries = sources.base.entries.iter();
    let tracked = entries.any(|entry| entry.tracked && entry.path == flake);
    if !matches!(error.nix(), Some(NixError::Lock(_)))
        || tracked
        || session.project.repository.is_none()
    {
        return error;
    }
    error.hint("run `git add flake.nix`, then `nix flake lock`: Nix sees only what git tracks")
}

/// `error` in one line that is not too long: what Nix says, if it is Nix's.
fn reason(error: &Error) -> String {
    // The name of the host stands beside the reason anyway.
    let reason = error.of_host().map_or(&*error.message, |(_, rest)| rest);
    let reason = reason.lines().next().unwrap_or_default();
    let mut short: String = reason.chars().take(LONGEST_REASON).collect();
    if short.len() < reason.len() {
        short.push('…');
    }
    short
}

async fn write(
    context: &Context<'_>,
    session: &Session<'_>,
    file: &Utf8Path,
    text: &str,
) -> Result<Written, Error> {
    let ignored = is_ignored(session).await?;
    text_file::create(file, text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => in_the_way(session, file),
        _ => Error::file(
            Kind::Output,
            "write",
            session.environment.display_path(file),
            &error,
        ),
    })?;
    Ok(Written {
        config: true,
        gitignore: !ignored && ignore(context, session),
    })
}

/// Whether git has no eye on the folder of the links; so it is where there is no repository.
async fn is_ignored(session: &Session<'_>) -> Result<bool, Error> {
    let project = &session.project;
    let Some(repository) = &project.repository else {
        return Ok(true);
    };
    let folder = project.dir().join(OUT);
    let ignores = repository.ignores(folder.as_std_path(), session.interrupt);
    Ok(ignores.await?)
}

/// Adds the folder of the links to `.gitignore`. It is said where that fails: all else is
/// done by then.
fn ignore(context: &Context<'_>, session: &Session<'_>) -> bool {
    let path = session.project.folder.join(GITIGNORE);
    let added = match regular_file::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
    .and_then(|text| {
        let text = with_line(&text, &format!("/{OUT}/"));
        text_file::replace(&path, &session.project.top, &text)
    });
    if let Err(error) = &added {
        let display_path = session.environment.display_path(&path);
        context.view.warn(&format!(
            "cannot add `/{OUT}/`, where the images go, to {display_path}: {error}"
        ));
    }
    added.is_ok()
}

/// `text` with `line` behind it, which is a line of its own.
fn with_line(text: &str, line: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{end}{line}\n")
}

fn to_json(starter: &Starter, file: &Utf8Path, text: &str, written: Written) -> Value {
    let host = |host: &Host| {
        let uses = host.uses.as_ref();
        json!({
            "host": host.name,
            "kind": uses.ok().map(|uses| if uses.is_machine { "install" } else { "image" }),
            "system": uses.ok().map(|uses| &uses.system),
            "targets": host.targets(),
            "variants": uses.ok().map(|uses| &uses.stock),
            "reason": uses.err(),
        })
    };
    json!({
        "file": file,
        "written": written.config,
        "gitignore": written.gitignore,
        "hosts": starter.hosts.iter().map(host).collect::<Value>(),
        "packages": starter.packages.iter().map(Package::target).collect::<Value>(),
        "content": text,
    })
}

fn rows(starter: &Starter) -> Vec<[String; 3]> {
    let mut rows = vec![["HOST", "SYSTEM", "TARGETS"].map(str::to_owned)];
    for host in &starter.hosts {
        let (system, targets) = match &host.uses {
            Ok(uses) => (uses.system.to_string(), host.targets().join(" ")),
            Err(_) => ("left out".to_owned(), String::new()),
        };
        rows.push([host.name.clone(), system, targets]);
    }
    for package in &starter.packages {
        let target = package.target();
        rows.push(["-".to_owned(), package.system.to_string(), target]);
    }
    rows
}

/// Says what was written, and what can be done with it.
fn tell(context: &Context<'_>, session: &Session<'_>, starter: &Starter, written: Written) {
    let (view, folder) = (context.view, &session.project.folder);
    view.note(&format!(
        "wrote {}",
        session.environment.display_path(&folder.join(config::FILE))
    ));
    if written.gitignore {
        let path = session.environment.display_path(&folder.join(GITIGNORE));
        view.note(&format!("added /{OUT}/, where the images go, to {path}"));
    }
    if starter.left_out().next().is_some() {
        view.note("what was left out is there as a comment, with the reason");
    }
    if starter.used().any(|(_, uses)| !uses.stock.is_empty()) {
        view.note(
            "nixpkgs can make images of every host: a comment at the end of the file shows how",
        );
    }
    let mut next = Vec::new();
    if *folder != session.environment.folder {
        next.push(format!("cd {folder}"));
    }
    next.push("cbox list".to_owned());
    let image =
        |(_, uses): (_, &Uses)| Some((uses.kind.clone(), uses.images.first()?.format.clone()));
    if let Some((kind, format)) = starter.used().find_map(image) {
        next.push(format!("cbox {kind} {format} --dry-run"));
    }
    if starter.used().any(|(_, uses)| uses.is_machine) {
        if session.project.repository.is_some() {
            let gitignore = if written.gitignore {
                format!(" {GITIGNORE}")
            } else {
                String::new()
            };
            next.push(format!("git add {}{gitignore} && git commit", config::FILE));
        }
        next.push("cbox accept".to_owned());
    }
    view.note(&format!("next:\n  {}", next.join("\n  ")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use cbox_nix::{expression::Asked, nix_error::Fault};

    #[test]
    fn an_error_becomes_one_short_line() {
        let evaluation = |message: &str| {
            let fault = Box::new(Fault::of(&format!("error: {message}"), "", "/source"));
            let asked = Asked::Host("a".to_owned());
            reason(&Error::from(NixError::Evaluation { asked, fault }))
        };
        assert_eq!(
            evaluation("attribute 'x' missing\n  at flake.nix:1:2"),
            "does not evaluate: attribute 'x' missing"
        );
        let long = evaluation(&"ä".repeat(300));
        assert_eq!(long.chars().count(), LONGEST_REASON + 1);
        assert!(long.ends_with('…'));
        let memory = Error::new(Kind::Environment, "there is too little memory");
        assert_eq!(reason(&memory), "there is too little memory");
    }

    #[test]
    fn a_line_is_added_as_a_line() {
        for (before, after) in [("", "/out/\n"), ("a", "a\n/out/\n"), ("a\n", "a\n/out/\n")] {
            assert_eq!(with_line(before, "/out/"), after);
        }
    }
}
