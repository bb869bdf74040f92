//! `cbox status`: the links under `out/`, and how each stands to the store and to the tree.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cbox_driver::{
    error::Error,
    eval::hosts,
    flake::{session::Session, snapshot::Snapshot, version::Version},
    links::{
        self, Entry, EntryKind, Other, StoreQuery,
        manifest::{Manifest, ManifestError},
    },
    process::options::Forced,
    subject::{target::resolve, words},
    text::{age, count, size, utc},
};
use nix_formats::closure::PathInfos;
use serde_json::{Value, json};

use crate::{
    commands::context::Context,
    options::{OutDirOption, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox status
  cbox status appliance iso --json";

/// Show the links under out/: their size, their age, and whether they are current
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// The targets to show [default: all links]
    #[arg(value_name = "TARGET", add = complete::targets())]
    targets: Vec<String>,
    #[command(flatten)]
    links: OutDirOption,
}

/// How a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was built from the tree as it is.
    Current,
    /// The tree is another one now.
    Stale,
    /// It was built from the tree as it is, with settings or inputs of that one command.
    Forced,
    /// The tree cannot be compared.
    Built,
    /// Its store path is gone.
    Dangling,
    /// The link of a record is gone.
    Unlinked,
    /// cbox did not make it.
    ByHand,
    /// A newer cbox wrote its manifest.
    Newer,
    /// Its manifest cannot be read.
    Broken,
}

impl State {
    /// The word, here and in JSON.
    fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Forced => "forced",
            Self::Built => "built",
            Self::Dangling => "dangling",
            Self::Unlinked => "unlinked",
            Self::ByHand => "by-hand",
            Self::Newer => "newer",
            Self::Broken => "broken",
        }
    }
}

/// One line of the table.
struct Row {
    entry: Entry,
    state: State,
    /// Whether it points to a store path that is there.
    is_live: bool,
    /// Whether the link is a root; `None` when it cannot be seen, or nothing is kept.
    is_root: Option<bool>,
    /// The size of its closure in bytes, if the store says it.
    closure: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// When the folder cannot be read, or a target has no link. An odd link is no error.
pub(crate) async fn run(context: &Context<'_>, args: &StatusArgs) -> Result<(), Error> {
    let session = &context.open(args.links.out_dir.as_deref())?;
    // Where the flake cannot say it, what the last run found will do.
    let _unknown = hosts::for_words(session, &args.targets).await;
    let names = words::targets(&session.project, &args.targets)?;
    let project = &session.project;
    let folder = &project.out_dir;
    let (holding, tree) = tokio::join!(StoreQuery::find(session), Tree::look(session));
    let (holding, mut tree) = (holding?, tree?);
    let mut entries = links::read(folder, &holding.store.dir, project.out_dir_is_own())?;
    links::check_names(session, &entries, &names)?;
    entries.retain(|entry| entry.is_among(&names));
    let closures = holding.closures(session, entries.iter()).await?;
    let mut rows = Vec::new();
    for entry in entries {
        let state = state(&entry, &holding, closures.as_ref(), &mut tree).await?;
        let is_live = entry.store_path().is_some() && state != State::Dangling;
        let store_path = entry.store_path().filter(|_| is_live);
        let closure = closures.as_ref().zip(store_path);
        rows.push(Row {
            state,
            is_live,
            is_root: is_live.then(|| holding.is_root(&entry)).flatten(),
            closure: closure.map(|(closures, path)| closures.size_of(closures.needed_by([path]))),
            entry,
        });
    }
    show(context, session, &rows, closures.as_ref());
    Ok(())
}

/// Today's tree, staged as for each host when that is first wanted.
struct Tree<'a> {
    session: &'a Session<'a>,
    /// `None` where it cannot be staged.
    sources: Option<Version<'a>>,
    /// The hash of each host's tree, with or without local settings.
    hashes: BTreeMap<(String, bool), Option<String>>,
}

impl<'a> Tree<'a> {
    async fn look(session: &'a Session<'a>) -> Result<Self, Error> {
        let sources = Version::working_tree(session, false).await;
        Ok(Self {
            session,
            sources: known(session, sources)?,
            hashes: BTreeMap::new(),
        })
    }

    /// Whether it is the one that `manifest` records; `None` if that cannot be said.
    async fn is_of(&mut self, manifest: &Manifest) -> Result<Option<bool>, Error> {
        let Some(sources) = &self.sources else {
            return Ok(None);
        };
        // An image host's are staged when they were asked for, others' in any case.
        let with_local = !manifest.source.local.is_empty();
        let key = (manifest.host.clone(), with_local);
        if !self.hashes.contains_key(&key) {
            // A package is of no host.
            let host = Some(manifest.host.as_str()).filter(|host| !host.is_empty());
            let snapshot = sources.snapshot_for(host, with_local).await;
            let hash = |(snapshot, _): (Arc<Snapshot>, _)| snapshot.staged.nar_hash.to_string();
            let hash = known(self.session, snapshot.map(hash))?;
            self.hashes.insert(key.clone(), hash);
        }
        let hash = self.hashes.get(&key).and_then(Option::as_ref);
        Ok(hash.map(|hash| *hash == manifest.source.nar_hash))
    }

    /// Whether what `manifest` records was built with other settings than its target has by
    /// itself (`--set`, `--stamp`), or with other inputs than the flake locks.
    fn is_forced(&self, manifest: &Manifest) -> bool {
        let (Some(sources), Ok(name)) = (&self.sources, manifest.target.parse()) else {
            return false;
        };
        let native = &manifest.system;
        let plain = Forced::default();
        let Ok(target) = resolve(&self.session.project, &name, &plain, native, sources) else {
            return false;
        };
        let own = target.request.overrides.iter();
        let own: BTreeMap<_, _> = own.collect();
        let recorded = manifest.overrides.iter();
        let recorded: BTreeMap<_, _> = recorded
            .map(|forced| (&forced.option, &forced.value))
            // Which machine compiled it changes no setting of the user's.
            .filter(|(option, _)| option.to_string() != BUILD_PLATFORM)
            .collect();
        recorded != own || !manifest.source.overridden_inputs.is_empty()
    }
}

/// What a build forces where it is not cross-compiled, whoever asks for it.
const BUILD_PLATFORM: &str = "nixpkgs.buildPlatform";

/// The tree or its hash; or a word on why it is not to be had, unless a signal came.
fn known<T>(session: &Session<'_>, staged: Result<T, Error>) -> Result<Option<T>, Error> {
    match staged {
        Ok(staged) => Ok(Some(staged)),
        Err(error) if error.is_interrupted() => Err(error),
        Err(error) => {
            let why = error.headline();
            let text = format!("cannot tell whether links are current: {why}");
            session.reporter.warn(&text);
            Ok(None)
        }
    }
}

async fn state(
    entry: &Entry,
    holding: &StoreQuery,
    closures: Option<&PathInfos>,
    tree: &mut Tree<'_>,
) -> Result<State, Error> {
    let is_gone = entry.store_path().is_some_and(|path| {
        let is_there = holding.store.holds(path);
        is_there.or_else(|| closures.map(|closures| closures.holds(path))) == Some(false)
    });
    Ok(match &entry.kind {
        EntryKind::Unlinked(_) => State::Unlinked,
        EntryKind::Other { why, .. } => match why {
            Other::Manifest(ManifestError::Newer(_)) => State::Newer,
            Other::Manifest(ManifestError::Broken(_)) => State::Broken,
            _ if is_gone => State::Dangling,
            Other::File | Other::NoManifest | Other::Changed => State::ByHand,
        },
        EntryKind::Made(_) if is_gone => State::Dangling,
        EntryKind::Made(manifest) => match tree.is_of(manifest).await? {
            Some(true) if tree.is_forced(manifest) => State::Forced,
            Some(true) => State::Current,
            Some(false) => State::Stale,
            None => State::Built,
        },
    })
}

/// The size of the image of an entry whose output is there.
fn own_size(row: &Row) -> Option<u64> {
    let size = row.entry.manifest()?.artifacts_size();
    let is_there = !matches!(row.state, State::Dangling | State::Unlinked);
    size.filter(|_| is_there)
}

fn show(context: &Context<'_>, session: &Session<'_>, rows: &[Row], closures: Option<&PathInfos>) {
    let view = context.view;
    let folder = &session.project.out_dir;
    let own: u64 = rows.iter().filter_map(own_size).sum();
    let live = rows.iter().filter(|row| row.closure.is_some());
    let together = closures.map(|closures| {
        let paths = live.filter_map(|row| row.entry.store_path());
        closures.size_of(closures.needed_by(paths))
    });
    if rows.is_empty() {
        let folder = session.environment.display_path(folder);
        view.note(&format!("nothing is linked in {folder}"));
    } else {
        table(context, rows);
        let mut total = format!("{}: images {}", count(rows.len(), "link"), size(own));
        if let Some(together) = together {
            total.push_str(&format!(", closures together {}", size(together)));
        }
        view.plain(&total);
        rows.iter()
            .filter_map(|row| sentence(session, row))
            .for_each(|text| view.note(&text));
        if rows.iter().any(|row| row.is_live && row.is_root.is_none()) {
            view.note("cannot see from here which links are roots: the store is on another machine, or its roots are not readable");
        }
    }
    let items: Vec<Value> = rows.iter().map(to_json).collect();
    context.parts(
        "status",
        json!({
            "links": items,
            "total": { "size": own, "closureSize": together },
        }),
    );
}

fn table(context: &Context<'_>, rows: &[Row]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let cell = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let head = ["TARGET", "SIZE", "CLOSURE", "BUILT", "REVISION", "STATE"];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let manifest = row.entry.manifest();
        let built = manifest.map(|manifest| {
            let seconds = now.saturating_sub(manifest.linked_at);
            age(Duration::from_secs(seconds))
        });
        let unrooted = match row.is_root {
            Some(false) => ", no root",
            _ => "",
        };
        [
            row.entry
                .target()
                .map_or_else(|| row.entry.display_name(), str::to_owned),
            cell(own_size(row).map(size)),
            cell(row.closure.map(size)),
            cell(built),
            cell(manifest.and_then(revision)),
            format!("{}{unrooted}", row.state.word()),
        ]
    }));
    context.table(&lines);
}

/// The commit, with a `+` where the tree differed from it.
fn revision(manifest: &Manifest) -> Option<String> {
    let revision = manifest.source.revision.as_deref()?;
    if !revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let dirty = if manifest.source.dirty { "+" } else { "" };
    // As short as git has it: three digits more and a named system is wider than 80 columns.
    let short = &revision[..revision.len().min(7)];
    Some(format!("{short}{dirty}"))
}

/// What there is to be said of an odd entry, and the way out.
fn sentence(session: &Session<'_>, row: &Row) -> Option<String> {
    let link = row.entry.display_path(session.environment);
    let what = match (&row.entry.kind, row.state) {
        (EntryKind::Other { why, .. }, State::ByHand | State::Newer | State::Broken) => why.to_string(),
        (EntryKind::Other { why, .. }, State::Dangling) => format!("its store path is gone; {why}"),
        (_, State::Dangling) => {
            "its store path is gone; build it again, or remove it with `cbox clean`".to_owned()
        }
        (_, State::Unlinked) => "the link is gone and its records are left; `cbox clean` removes them".to_owned(),
        _ if row.is_root == Some(false) => {
            "it is not a GC root, so the next garbage collection removes what it points to; building it again makes it one".to_owned()
        }
        _ => return None,
    };
    Some(format!("{link}: {what}"))
}

fn to_json(row: &Row) -> Value {
    let entry = &row.entry;
    let manifest = entry.manifest();
    json!({
        "link": entry.path,
        "target": entry.target(),
        "state": row.state.word(),
        "why": entry.why_other().map(ToString::to_string),
        "gcRoot": row.is_root,
        "storePath": entry.store_path(),
        "size": own_size(row),
        "closureSize": row.closure,
        "linkedAt": manifest.map(|manifest| utc::rfc3339(manifest.linked_at)),
        "revision": manifest.and_then(|manifest| manifest.source.revision.clone()),
        "dirty": manifest.map(|manifest| manifest.source.dirty),
        "manifest": manifest,
    })
}
