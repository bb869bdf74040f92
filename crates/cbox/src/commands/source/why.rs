//! `cbox source why PATH…`: which rule decides whether a path is staged.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use cbox_driver::{
    baked::{self, Baked, State},
    error::{Error, Kind},
    eval::{
        diagnose::unstaged,
        read_set::record::{ReadSet, ReadSets},
    },
    flake::{session::Session, version::Version},
    process::options::NixArguments,
    text::{count, path_line},
};
use cbox_nix::nix_error::Unstaged;
use cbox_source::tree::{Entry, Tree};
use serde_json::{Value, json};

use super::{SourceOptions, with_path};
use crate::{commands::context::Context, options::LimitOptions};

const EXAMPLES: &str = "\
Examples:
  cbox source why hosts/box/disk.nix
  cbox source why docs secrets.img --baked

The exit code is 0 if all of them are staged, and 1 if one is not.";

/// Say which rule decides whether files and folders are staged
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct WhyArgs {
    /// Files and folders, whether they exist or not
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    source: SourceOptions,
    /// Also say whether they are baked into images; this evaluates the image hosts
    #[arg(long)]
    baked: bool,
    #[command(flatten)]
    limits: LimitOptions,
}

/// The answer for one path.
struct Answer {
    /// As it was typed.
    path: PathBuf,
    /// The staged files that it stands for.
    files: usize,
    /// The reason in one word, for JSON.
    word: &'static str,
    /// The same as a sentence.
    sentence: String,
    /// For each host that was asked for, how many of the files are baked into its image.
    baked: Vec<(String, usize)>,
    /// The hosts of which it is known what they read, and whether one of the files is among it.
    readers: BTreeMap<String, bool>,
}

/// Runs the command.
pub(super) async fn run(
    context: &Context<'_>,
    session: &Session<'_>,
    args: &WhyArgs,
) -> Result<(), Error> {
    let host = args.source.host.as_deref();
    if let Some(host) = host {
        session.project.check_host(host)?;
    }
    let paths = args.paths.iter().map(|path| inside(session, path));
    let paths = paths.collect::<Result<Vec<PathBuf>, Error>>()?;
    let sources = Version::working_tree(session, args.source.tracked).await?;
    let local = match host {
        Some(host) => sources.base.local_settings(&sources.rules, host)?,
        None => vec![],
    };
    let tree = sources.base.with(&local);
    let all_baked = match args.baked {
        true => {
            let evaluator = session.evaluator(&NixArguments::default()).await?;
            baked::find(&evaluator, &sources, host, &args.limits.into()).await?
        }
        false => vec![],
    };
    let read_sets = ReadSets::below(&session.environment.cache);
    let known = match read_sets.is_empty() {
        true => vec![],
        // Of a tree that cannot be staged nothing is known to be read.
        false => sources
            .plain()
            .await
            .map_or(vec![], |tree| read_sets.of_tree(&tree)),
    };
    let mut answers = Vec::new();
    for (typed, path) in args.paths.iter().zip(&paths) {
        let (files, word, sentence) = match staged(session, &tree, &local, typed, path) {
            Some(answer) => answer,
            None => not_staged(session, &sources, &tree, path).await,
        };
        answers.push(Answer {
            path: typed.clone(),
            files,
            word,
            sentence,
            baked: baked_of(&all_baked, path),
            readers: match files {
                0 => BTreeMap::new(),
                _ => readers(&known, path),
            },
        });
    }
    show(context, &answers);
    let missing = answers.iter().filter(|answer| answer.files == 0).count();
    match missing {
        0 => Ok(()),
        missing => {
            let of = count(answers.len(), "path");
            let are = if missing == 1 { "is" } else { "are" };
            let message = format!("{missing} of {of} {are} not staged");
            Err(Error::new(Kind::Changed, message))
        }
    }
}

/// `path`, relative to the top of the working tree.
fn inside(session: &Session<'_>, path: &Path) -> Result<PathBuf, Error> {
    let top = &session.project.top;
    let absolute = session.environment.folder.as_std_path().join(path);
    let whole = Path::new("/").join(unstaged::normal(&absolute));
    // The way to the repository can lead through a symlink.
    let real = || {
        let folder = whole.parent()?.canonicalize().ok()?;
        Some(folder.join(whole.file_name()?))
    };
    let relative = |whole: &Path| Some(whole.strip_prefix(top).ok()?.to_owned());
    relative(&whole)
        .or_else(|| relative(&real()?))
        .ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!("{} is outside of the repository {top}", path_line(path)),
            )
            .hint("only what is in it can be staged")
        })
}

/// Why `path` is staged, if it is: with how many files, the reason in a word and as a sentence.
fn staged(
    session: &Session<'_>,
    tree: &Tree,
    local: &[Entry],
    typed: &Path,
    path: &Path,
) -> Option<(usize, &'static str, String)> {
    let below = tree.entries.iter().filter(|it| it.path.starts_with(path));
    let below: Vec<&Entry> = below.collect();
    let (word, why) = match below.as_slice() {
        [] => return None,
        [only] if only.path == path => match only {
            entry if local.contains(entry) => (
                "local",
                "it holds local settings, staged for that host alone".to_owned(),
            ),
            Entry { tracked: true, .. } => ("tracked", "git tracks it".to_owned()),
            _ if session.project.repository.is_none() => {
                ("not-ignored", "no .gitignore names it".to_owned())
            }
            _ => (
                "not-ignored",
                "git does not track it, and does not ignore it".to_owned(),
            ),
        },
        files => (
            "folder",
            format!("a folder of {}", count(files.len(), "staged file")),
        ),
    };
    Some((below.len(), word, format!("{}: {why}", path_line(typed))))
}

/// Why `path` is not staged.
async fn not_staged(
    session: &Session<'_>,
    sources: &Version<'_>,
    tree: &Tree,
    path: &Path,
) -> (usize, &'static str, String) {
    let (file, why) = unstaged::why_path(session, &sources.checkout, tree, path).await;
    match why {
        // No file names it here that would have to be mended.
        Some(Unstaged::Nowhere { near }) if near.is_empty() => {
            (0, "nowhere", format!("there is no {file} in the tree"))
        }
        Some(why) => (0, why.word(), why.hint(&file)),
        // Without git, which could name the rule.
        None => (
            0,
            "ignored",
            format!("{file} is there, but a .gitignore keeps it from being staged"),
        ),
    }
}

/// For each host, how many of the files at `path` are baked.
fn baked_of(all: &[Baked], path: &Path) -> Vec<(String, usize)> {
    let number = |baked: &Baked| {
        let files = baked.files.iter();
        let files = files.filter(|(file, state)| {
            file.starts_with(path) && matches!(state, State::Baked | State::Changed)
        });
        files.count()
    };
    let hosts = all.iter().flat_map(|baked| {
        let number = number(baked);
        baked.hosts.iter().map(move |host| (host.clone(), number))
    });
    hosts.collect()
}

/// The hosts of `known`, and whether a file at `path` or below it is read by each.
fn readers(known: &[ReadSet], path: &Path) -> BTreeMap<String, bool> {
    let mut readers = BTreeMap::new();
    for set in known {
        *readers.entry(set.host().to_owned()).or_insert(false) |= set.reads(path);
    }
    readers
}

fn show(context: &Context<'_>, answers: &[Answer]) {
    let view = context.view;
    let items = answers.iter().map(|answer| {
        let baked = answer.baked.iter();
        let baked: serde_json::Map<String, Value> = baked
            .map(|(host, number)| (host.clone(), json!(number)))
            .collect();
        let item = json!({
            "staged": answer.files > 0,
            "fileCount": answer.files,
            "why": answer.word,
            "sentence": answer.sentence,
            "baked": baked,
            "readers": answer.readers,
        });
        with_path(item, &answer.path)
    });
    context.document("source-why", "paths", || items.collect());
    for answer in answers {
        let word = match answer.files {
            0 => "not staged",
            _ => "staged    ",
        };
        view.plain(&format!("{word}  {}", answer.sentence));
        for (host, number) in answer.baked.iter().filter(|_| answer.files > 0) {
            let how_many = match (*number, answer.files) {
                (0, _) => "not baked".to_owned(),
                (number, files) if number == files => "baked".to_owned(),
                (number, files) => format!("{number} of {files} baked"),
            };
            view.plain(&format!("            {how_many} into {host}"));
        }
        let words = match answer.word {
            "folder" => ["files of it read by", "none of its files read by"],
            _ => ["read by", "not read by"],
        };
        for (is_read, what) in [true, false].into_iter().zip(words) {
            let hosts = answer
                .readers
                .iter()
                .filter(|(_, reads)| **reads == is_read);
            let hosts: Vec<&str> = hosts.map(|(host, _)| host.as_str()).collect();
            if !hosts.is_empty() {
                view.plain(&format!("            {what} {}", hosts.join(", ")));
            }
        }
    }
}
