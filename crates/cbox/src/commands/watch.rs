//! `cbox watch`: on each save, which hosts and images it changes, and why.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use cbox_driver::progress::{Event, Reporter as _};
use cbox_driver::{
    error::Error,
    eval::{evaluator::Evaluator, hosts, read_set::unread::phrase},
    flake::version::Version,
    process::options::Forced,
    report::document,
    subject::{target, words},
    target_name::TargetName,
    text::{count, path_line},
    watch::{
        file_watcher::FileWatcher,
        round::{self, Memory, Outcome, Verdict},
    },
};
use cbox_nix::{Cancel, Interrupt, NixError};
use serde_json::{Value, json};

use crate::{
    commands::context::Context,
    formats::{
        explanation::Shown,
        plain::{self, Repetitions},
    },
    options::{ExplainOptions, LimitOptions, NixOptions, complete},
    view::{Printable, View},
};

/// On each save, show which hosts and images it changes, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cbox watch\n  cbox watch coder-thinkcentre appliance iso")]
pub(crate) struct WatchArgs {
    /// Targets or hosts [default: all hosts, and all images of this machine's architecture]
    #[arg(value_name = "TARGET", add = complete::targets())]
    targets: Vec<String>,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    show: ExplainOptions,
    #[command(flatten)]
    nix: NixOptions,
}

/// How many saved files are named.
const NAMED: usize = 3;

/// What is said while nothing has to be done.
const WAITING: &str = "waiting for a save (Ctrl-C to stop)";

/// After a tree that changed under the hand, the next look comes so much later.
const AGAIN: Duration = Duration::from_millis(200);

/// Runs the command, until a signal ends it.
pub(crate) async fn run(context: &Context<'_>, args: &WatchArgs) -> Result<(), Error> {
    let session = context.open(None)?;
    hosts::for_words(&session, &args.targets).await?;
    let named = words::targets(&session.project, &args.targets)?;
    let evaluator = session.evaluator(&args.nix.arguments()).await?;
    let mut watching = Watching {
        base: &evaluator,
        context,
        args,
        named: &named,
        watcher: FileWatcher::new()?,
        memory: Memory::default(),
        files: BTreeSet::new(),
        signal: context.interrupt.clone(),
    };
    // What is wrong with the words is said now, and not after the first save.
    let sources = Version::working_tree(&session, false).await?;
    hosts::for_targets(&evaluator, &sources).await?;
    let native = &evaluator.nix.settings.system;
    for name in &named {
        target::resolve(&session.project, name, &Forced::default(), native, &sources)?;
    }
    watching.run().await
}

struct Watching<'w, 'a> {
    base: &'w Evaluator<'a>,
    context: &'w Context<'w>,
    args: &'w WatchArgs,
    named: &'w [TargetName],
    watcher: FileWatcher,
    memory: Memory,
    /// What was staged in the last round.
    files: BTreeSet<PathBuf>,
    signal: Interrupt,
}

impl Watching<'_, '_> {
    async fn run(&mut self) -> Result<(), Error> {
        let view = self.context.view;
        let mut saved: Option<BTreeSet<PathBuf>> = None;
        loop {
            let next = self.round(saved.as_ref()).await?;
            let first = match next {
                // A save came in the middle: it is a part of the next round.
                Some(paths) => paths,
                None => {
                    saved = None;
                    view.report(Event::Waiting(WAITING));
                    tokio::select! {
                        paths = self.watcher.first() => paths,
                        signal = self.signal.wait() => return Err(NixError::Interrupted(signal).into()),
                    }
                }
            };
            let burst = self.watcher.burst(first).await;
            saved.get_or_insert_default().extend(burst);
            if let Some(signal) = self.signal.signal() {
                return Err(NixError::Interrupted(signal).into());
            }
        }
    }

    /// One round. A save ends it: then what was saved comes back.
    async fn round(
        &mut self,
        saved: Option<&BTreeSet<PathBuf>>,
    ) -> Result<Option<Vec<PathBuf>>, Error> {
        let view = self.context.view;
        let (child, cancel) = self.signal.child();
        // Anew each time: cbox.toml and the hosts can be others now.
        let session = self.context.open_anew(&child);
        let looked = async {
            let session = session.as_ref().map_err(Clone::clone)?;
            Ok((session, Version::working_tree(session, false).await?))
        };
        let (session, sources) = match looked.await {
            Ok(looked) => looked,
            Err(error) => return self.later(&error).await,
        };
        let top = session.project.top.as_std_path();
        let files = sources
            .base
            .entries
            .iter()
            .map(|entry| entry.path.as_path());
        self.watcher.watch(top, files)?;
        let evaluator = self.base.in_session(session);
        let saved = saved.map(|saved| staged(saved, &sources, &self.files));
        if let Some(files) = &saved {
            view.event("saved", || json!({ "files": files }));
        }
        let heading = saved.map(heading);
        self.files = sources
            .base
            .entries
            .iter()
            .map(|entry| entry.path.clone())
            .collect();
        let mut verdicts = Verdicts {
            view,
            detail: self.args.show,
            heading,
            told: vec![],
            repetitions: Repetitions::default(),
        };
        let started = Instant::now();
        let limits = self.args.limits.into();
        let what = (self.named, &limits);
        let tell = |verdict| verdicts.tell(verdict);
        let work = round::round(session, &evaluator, &sources, what, &mut self.memory, tell);
        let (ended, saved) = until_saved(work, &mut self.watcher, &cancel).await;
        if let Some(signal) = self.signal.signal() {
            return Err(NixError::Interrupted(signal).into());
        }
        match (ended, saved) {
            (_, Some(saved)) => Ok(Some(saved)),
            (Ok(answered), None) => {
                verdicts.close(started.elapsed());
                view.report(Event::Waiting(WAITING));
                let proving = round::prove(&evaluator, &answered);
                let (_ended, saved) = until_saved(proving, &mut self.watcher, &cancel).await;
                match self.signal.signal() {
                    Some(signal) => Err(NixError::Interrupted(signal).into()),
                    None => Ok(saved),
                }
            }
            (Err(error), None) => self.later(&error).await,
        }
    }

    /// Shows what kept a round from its end; the next save is another try. A tree that
    /// changed while it was read is looked at again soon.
    async fn later(&self, error: &Error) -> Result<Option<Vec<PathBuf>>, Error> {
        if let Some(signal) = self.signal.signal() {
            return Err(NixError::Interrupted(signal).into());
        }
        self.context.view.error(error);
        if error.tree().is_some() {
            tokio::time::sleep(AGAIN).await;
        }
        Ok(None)
    }
}

/// Does `work`, and ends it in good order when something is saved.
async fn until_saved<T>(
    work: impl Future<Output = T>,
    saves: &mut FileWatcher,
    cancel: &Cancel,
) -> (T, Option<Vec<PathBuf>>) {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => (done, None),
        paths = saves.first() => {
            cancel.cancel();
            (work.await, Some(paths))
        }
    }
}

/// What is shown of a round.
struct Verdicts<'v> {
    view: &'v View,
    detail: ExplainOptions,
    /// The files that were saved, until they have been named.
    heading: Option<String>,
    told: Vec<Value>,
    repetitions: Repetitions,
}

impl Verdicts<'_> {
    fn tell(&mut self, verdict: Verdict) {
        let told = verdict.to_json();
        self.view.event(
            "verdict",
            || json!({ "target": verdict.target, "status": verdict.word(), "verdict": told }),
        );
        self.told.push(told);
        if let Some(heading) = self.heading.take() {
            self.view.plain(&heading);
        }
        let paint = self.view.results();
        let (word, target) = (verdict.word(), &verdict.target);
        let gap = " ".repeat("unchanged".len() - word.len());
        let is_same = matches!(verdict.outcome, Outcome::Unchanged);
        let not_read = verdict.not_read.as_deref().filter(|_| is_same).map(phrase);
        let about = not_read.map_or(String::new(), |about| format!(" ({about})"));
        let rest = format!("{gap}  {target}{about}");
        self.view.plain(&paint.verdict(word).and(rest));
        let below = match &verdict.outcome {
            Outcome::New | Outcome::Unchanged | Outcome::Removed => vec![],
            Outcome::Changed(Ok(why)) => {
                let shown = Shown {
                    explanation: Some(&why.explanation),
                    places: &[],
                    packages: Some(&why.packages),
                };
                plain::explanation(shown, self.detail, paint)
            }
            Outcome::Changed(Err(error)) | Outcome::Failed(error) => {
                let lines = error.lines_below_host().into_iter();
                lines.map(Printable::from).collect()
            }
        };
        // Images of one host change for one reason.
        for line in self.repetitions.lines(target, below) {
            let line = Printable::from("  ").and(line);
            self.view.plain(&line.trim_end());
        }
    }

    fn close(&self, took: Duration) {
        if self.told.is_empty() {
            return;
        }
        self.view
            .json_line(&document("watch", json!({ "watch": self.told })));
        let targets = count(self.told.len(), "target");
        self.view
            .note(&format!("{targets} in {:.1} s", took.as_secs_f64()));
    }
}

/// The names of the saved files that are staged, or that were `before`.
fn staged(
    saved: &BTreeSet<PathBuf>,
    sources: &Version<'_>,
    before: &BTreeSet<PathBuf>,
) -> Vec<String> {
    let inside = saved
        .iter()
        .filter_map(|path| path.strip_prefix(&sources.base.top).ok());
    inside
        .filter(|path| sources.base.contains(path) || before.contains(*path))
        .map(path_line)
        .collect()
}

/// Saved files in a line.
fn heading(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match (names.is_empty(), more) {
        (true, _) => "the tree changed".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}
