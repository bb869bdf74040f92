//! `cbox clean`: removes links under `out/`, with their records, and says what that frees.
//! Collecting garbage is left to Nix.

use std::{
    fs::File,
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use camino::Utf8Path;
use cbox_driver::{
    error::{Error, Kind},
    eval::hosts,
    flake::session::Session,
    links::{self, Entry, Freed, Removal, StoreQuery, WAITING, Wanted, out_dir},
    progress::folder_lock,
    subject::words,
    text::{count, duration::parse_duration, size},
};
use cbox_nix::{NixError, store::Store, temporary::Leftover};
use serde_json::{Value, json};

use crate::{
    commands::context::Context,
    options::{OutDirOption, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox clean --older-than 2w --dry-run    what would be removed, and what that would free
  cbox clean appliance iso box
  cbox clean --all && nix-collect-garbage";

/// Remove links under out/, with their records and roots
///
/// Only what cbox made is removed. The store paths stay until Nix collects garbage: the last line
/// says how much that would free.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CleanArgs {
    /// The targets whose links to remove
    #[arg(value_name = "TARGET", add = complete::targets())]
    targets: Vec<String>,
    /// Remove what was built longer ago than this: 90s, 5m, 12h, 7d or 2w; without a unit it is
    /// seconds. With targets, only those of them
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Remove all links, and the logs
    #[arg(long, conflicts_with_all = ["targets", "older_than"])]
    all: bool,
    /// Show what would be removed, and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    links: OutDirOption,
}

/// Runs the command.
///
/// # Errors
/// When nothing is named, or what is named is not there or not cbox's own: then nothing is
/// removed. When something cannot be removed, or a signal comes: what has been removed then
/// is told.
pub(crate) async fn run(context: &Context<'_>, args: &CleanArgs) -> Result<(), Error> {
    let session = &context.open(args.links.out_dir.as_deref())?;
    if args.targets.is_empty() && args.older_than.is_none() && !args.all {
        return Err(Error::new(Kind::Usage, "nothing to remove is named").hint(
            "name targets (`cbox status` shows them), an age (`--older-than 7d`), or `--all`",
        ));
    }
    // Where the flake cannot say it, what the last run found will do.
    let _unknown = hosts::for_words(session, &args.targets).await;
    let names = words::targets(&session.project, &args.targets)?;
    let folder = &session.project.out_dir;
    check_folder(folder)?;
    let holding = StoreQuery::find(session).await?;
    let _turn = lock(session, folder).await?;
    if !args.dry_run {
        out_dir::finish_killed(folder);
    }
    let with_others = session.project.out_dir_is_own();
    let entries = links::read(folder, &holding.store.dir, with_others)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let wanted = Wanted {
        names: &names,
        older_than: args.older_than,
        now: now.unwrap_or_default().as_secs(),
    };
    let plan = Removal::plan(session, folder, entries, &wanted)?;
    let closures = holding.closures(session, plan.all()).await?;
    let freed = closures.map(|closures| plan.freed(&holding, &closures));
    let (done, ended) = match args.dry_run {
        true => (plan.entries.len(), Ok(())),
        false => plan.carry_out(&|| session.interrupt.signal().is_some()),
    };
    let is_whole = ended.is_ok() && done == plan.entries.len();
    let outcome = Outcome {
        plan: &plan,
        done,
        is_dry_run: args.dry_run,
        is_whole,
        // What is said of all of it does not hold for a part.
        freed: freed.filter(|_| is_whole),
        command: collect_command(&holding.store),
    };
    outcome.show(context, session);
    ended?;
    match session.interrupt.signal() {
        Some(signal) if !is_whole => Err(NixError::Interrupted(signal).into()),
        _ => Ok(()),
    }
}

/// Refuses a folder that is a link: cbox makes none there.
fn check_folder(folder: &Utf8Path) -> Result<(), Error> {
    if !folder.is_symlink() {
        return Ok(());
    }
    let real = folder.canonicalize_utf8();
    let hint = real.map_or_else(
        |_| "it points to nothing: remove it".to_owned(),
        |real| format!("to clean the folder that it points to, name that: `--out-dir {real}`"),
    );
    Err(Error::new(
        Kind::Output,
        format!("{folder} is a link that cbox did not make, so nothing behind it is removed"),
    )
    .hint(hint))
}

/// Locks the folder, so that no run makes a link meanwhile; `None` where there is none.
async fn lock(session: &Session<'_>, folder: &Utf8Path) -> Result<Option<File>, Error> {
    if folder.symlink_metadata().is_err() {
        return Ok(None);
    }
    let failed = |error: &io::Error| Error::file(Kind::Output, "open", folder, error);
    folder_lock::lock(session.hears(), folder, WAITING, failed)
        .await
        .map(Some)
}

/// The command that collects garbage in the store of the links.
fn collect_command(store: &Store) -> String {
    let command = "nix-collect-garbage";
    match store.uri.as_str() {
        "" | "auto" => command.to_owned(),
        uri => format!("{command} --store '{uri}'"),
    }
}

/// What was done.
struct Outcome<'a> {
    plan: &'a Removal,
    /// How many of the entries that go are gone.
    done: usize,
    is_dry_run: bool,
    /// Whether all went that should.
    is_whole: bool,
    /// What of the store that lets go; `None` where the store does not say.
    freed: Option<Freed>,
    command: String,
}

impl Outcome<'_> {
    fn show(&self, context: &Context<'_>, session: &Session<'_>) {
        let view = context.view;
        let plan = self.plan;
        let removed = match self.is_dry_run {
            true => "would remove",
            false => "removed",
        };
        for entry in &plan.entries[..self.done] {
            view.plain(&format!("{removed} {}", entry.target().unwrap_or_default()));
        }
        if self.is_whole {
            let rest = [
                (plan.logs.len(), "log"),
                (plan.leftovers.len(), "temporary folder"),
            ];
            for (number, noun) in rest.into_iter().filter(|(number, _)| *number > 0) {
                view.plain(&format!("{removed} {}", count(number, noun)));
            }
        }
        for entry in &plan.others {
            let link = entry.display_path(session.environment);
            view.note(&format!("left alone: {link}: {}", why(entry)));
        }
        if plan.is_busy {
            view.note("left alone: the logs, because another cbox is using them");
        }
        if plan.is_empty() {
            view.note("there is nothing to remove");
        }
        self.show_freed(context);
        context.parts("clean", self.to_json());
    }

    fn show_freed(&self, context: &Context<'_>) {
        if self.plan.entries.is_empty() {
            return;
        }
        let command = &self.command;
        let text = match self.freed {
            Some(Freed { released: 0, .. }) => {
                "that frees nothing: what is removed keeps nothing in the store".to_owned()
            }
            Some(Freed { paths: 0, .. }) => {
                "that frees nothing: other links keep all of it".to_owned()
            }
            Some(Freed { at_most, .. }) => {
                let frees = if self.is_dry_run {
                    "would then free"
                } else {
                    "frees"
                };
                format!("`{command}` {frees} up to {} of it", size(at_most))
            }
            None => format!("`{command}` frees what nothing else needs"),
        };
        context.lines([text]);
    }

    fn to_json(&self) -> Value {
        let plan = self.plan;
        let entries: Vec<Value> = plan.entries[..self.done]
            .iter()
            .map(|entry| {
                json!({
                    "target": entry.target(),
                    "link": entry.path,
                    "storePath": entry.store_path(),
                })
            })
            .collect();
        let others: Vec<Value> = plan
            .others
            .iter()
            .map(|entry| json!({ "path": entry.path, "why": why(entry) }))
            .collect();
        let freed = self
            .freed
            .map(|freed| json!({ "pathCount": freed.paths, "maxSize": freed.at_most }));
        let (logs, leftovers) = match self.is_whole {
            true => (&plan.logs[..], &plan.leftovers[..]),
            false => (&[][..], &[][..]),
        };
        let leftovers: Vec<_> = leftovers.iter().map(Leftover::path).collect();
        json!({
            "dryRun": self.is_dry_run,
            "removed": entries,
            "logs": logs,
            "temporary": leftovers,
            "leftAlone": others,
            "freed": freed,
            "command": self.command,
        })
    }
}

fn why(entry: &Entry) -> String {
    let why = entry.why_other();
    why.map(ToString::to_string).unwrap_or_default()
}
