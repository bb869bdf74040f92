//! Finds a read set by experiment, and proves it.
//!
//! A host is evaluated once more over a copy of the tree in which other files than those it is
//! thought to read have another content, while the kernel tells which files are opened. The same
//! answer from such a copy, with nothing opened but the files that were left as they are, shows
//! two things at once: that no other content counts, and that nothing depends on the tree as a
//! whole, for the copy has another path and another hash. Anything else teaches what to leave
//! as it is in the next copy.
//!
//! The copy is one that no evaluation has seen: Nix remembers what parts of a tree it has put
//! into the store, and would not open them again.

use std::{
    collections::BTreeSet,
    fmt, fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use cbox_nix::{
    NixError, eval::evaluate, expression::Evaluated, lock_file::judge, messages::Messages,
    opened_files::OpenedFiles, regular_file, temporary::TemporaryFolder,
};
use cbox_source::{
    SourceError, stage,
    tree::{Entry, Kind as EntryKind, Tree},
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::record::{ReadSet, shape};
use crate::{
    error::{Error, Kind},
    eval::{evaluator::Evaluator, schedule::Item},
    flake::{send_ahead::expect_unread, snapshot::Snapshot},
    process::blocking::blocking,
    text::count,
};

/// After so many copies it is given up: something opens other files each time.
const MOST_COPIES: usize = 5;

/// What evaluation is likely to read, for a start: of the rest, most is read by nobody.
const LIKELY_READ: [&str; 5] = ["nix", "lock", "json", "toml", "yaml"];

/// What was found of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The files that count, of how many.
    Reads {
        /// The files, as paths below the top.
        files: BTreeSet<PathBuf>,
        /// How many files the tree has.
        of: usize,
    },
    /// Every file counts, or none can be said not to.
    Everything(String),
}

impl Proof {
    /// The one that reads `files`, unless there is a `reason` why all of them count, which are
    /// so many.
    fn of(files: BTreeSet<PathBuf>, reason: Option<String>, all: usize) -> Self {
        match reason {
            Some(reason) => Self::Everything(reason),
            None => Self::Reads { files, of: all },
        }
    }

    /// As an entry of the JSON of a self-test, for `target`.
    pub fn to_json(&self, target: &str) -> Value {
        match self {
            Self::Reads { files, of } => {
                json!({ "target": target, "files": files, "fileCount": of, "reason": null })
            }
            Self::Everything(reason) => {
                json!({ "target": target, "files": null, "fileCount": null, "reason": reason })
            }
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reads { files, of } => {
                write!(formatter, "reads {} of {}", files.len(), count(*of, "file"))
            }
            Self::Everything(reason) => write!(formatter, "counts as reading every file: {reason}"),
        }
    }
}

/// One evaluation over a copy.
struct Look {
    /// The answer; `None` where the copy does not evaluate.
    answer: Option<Evaluated>,
    opened: BTreeSet<PathBuf>,
}

/// What a host was found to read: a guess for the next.
#[derive(Debug, Clone)]
struct Found {
    host: String,
    files: BTreeSet<PathBuf>,
}

impl Found {
    /// The same files for `host`, with its own in place of those that are called after the
    /// other.
    fn for_host(&self, host: &str) -> BTreeSet<PathBuf> {
        let own = |part| match part == Component::Normal(self.host.as_ref()) {
            true => Component::Normal(host.as_ref()),
            false => part,
        };
        let files = self.files.iter();
        files
            .map(|file| file.components().map(own).collect())
            .collect()
    }
}

/// Finds what the evaluations of `items` read, whose answers they come with, `at_once` of them at
/// a time, and keeps that for the next trees. It is `told` of each that is begun. In their order;
/// `None` where nothing is kept in this run.
///
/// # Errors
/// Of an item, when a signal comes or a copy cannot be made.
pub async fn prove(
    evaluator: &Evaluator<'_>,
    items: &[(Item, Evaluated)],
    at_once: usize,
    told: impl Fn(&Item),
) -> Vec<Result<Option<Proof>, Error>> {
    let last = Mutex::new(None);
    let proofs = items.iter().map(|(item, expected)| async {
        if let Some(signal) = evaluator.session.interrupt.signal() {
            return Err(NixError::Interrupted(signal).into());
        }
        told(item);
        let evaluator = evaluator.under(&item.snapshot.checkout.project);
        prove_one(&evaluator, item, expected, &last).await
    });
    stream::iter(proofs)
        .buffered(at_once.max(1))
        .collect()
        .await
}

async fn prove_one(
    evaluator: &Evaluator<'_>,
    item: &Item,
    expected: &Evaluated,
    last: &Mutex<Option<Found>>,
) -> Result<Option<Proof>, Error> {
    let Some(sets) = evaluator.read_sets() else {
        return Ok(None);
    };
    // It is done beside the user's own work, which it has nothing to say of.
    let session = &evaluator.session.silently();
    let evaluator = &evaluator.in_session(session);
    let host = &item.request.host;
    let key = evaluator.key_of_reads(&item.snapshot, &item.request)?;
    let all = files(&item.snapshot.tree);
    let known = sets.get(&key);
    let shape = shape(&item.snapshot);
    let of_this_tree = known
        .iter()
        .find(|set| set.holds_for(&item.snapshot, &shape));
    if let Some(known) = of_this_tree {
        let reason = known.answer().err().map(str::to_owned);
        return Ok(Some(Proof::of(known.files(), reason, all.len())));
    }
    let like = || {
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|last| last.for_host(host))
    };
    let guess = known.first().map(ReadSet::files).or_else(like);
    let (files, reason) = find(evaluator, item, expected, &all, guess).await?;
    let answer = match &reason {
        None => Ok(expected.clone()),
        Some(reason) => Err(reason.clone()),
    };
    if let Some(set) = ReadSet::new(host, &item.snapshot, &files, answer)
        && let Err(error) = sets.put(&key, &set, &item.snapshot)
    {
        tracing::debug!("what {} reads is not kept: {error}", item.name);
    }
    if reason.is_none() {
        expect_unread(&session.environment.cache, &item.snapshot.tree);
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Found {
            host: host.clone(),
            files: files.clone(),
        });
    }
    let proof = Proof::of(files, reason, all.len());
    tracing::debug!("{} {proof}", item.name);
    Ok(Some(proof))
}

/// The files that were opened by the evaluation that shows it, and the reason where every file
/// counts. The tree has `all` files; `guess` are some that may be read.
async fn find(
    evaluator: &Evaluator<'_>,
    item: &Item,
    expected: &Evaluated,
    all: &BTreeSet<PathBuf>,
    guess: Option<BTreeSet<PathBuf>>,
) -> Result<(BTreeSet<PathBuf>, Option<String>), Error> {
    let likely = || all.iter().filter(|path| is_likely(path)).cloned();
    let mut kept: BTreeSet<PathBuf> = match guess {
        Some(guess) => guess.intersection(all).cloned().collect(),
        None => likely().collect(),
    };
    // A copy in which nothing is altered shows nothing. What is opened of the tree itself is a
    // better guess: Nix may know parts of it already, but the copies will tell.
    if kept.len() == all.len() {
        evaluator.put(&item.snapshot).await?;
        match look_at(evaluator, item, &item.snapshot).await? {
            Ok(look) => kept = look.opened,
            Err(reason) => return Ok((all.clone(), Some(reason))),
        }
    }
    let mut proven: Option<BTreeSet<PathBuf>> = None;
    for _ in 0..MOST_COPIES {
        if kept.len() == all.len() {
            break;
        }
        let look = match look(evaluator, item, &kept).await? {
            Ok(look) => look,
            Err(reason) => return Ok((all.clone(), Some(reason))),
        };
        let is_same = look.answer.as_ref() == Some(expected);
        match (is_same, look.opened.is_subset(&kept)) {
            (true, true) => {
                let is_close = kept.len() == look.opened.len();
                proven = Some(std::mem::replace(&mut kept, look.opened));
                if is_close {
                    break;
                }
            }
            (false, true) if proven.is_none() && look.answer.is_some() => {
                let reason = "its derivation depends on the hash or the path of the whole tree";
                return Ok((look.opened, Some(reason.to_owned())));
            }
            (_, false) if look.answer.is_some() => kept = look.opened,
            // What does not evaluate did not come to open all that it reads.
            (_, false) => kept.extend(look.opened.into_iter().chain(likely())),
            (false, true) => break,
        }
    }
    let reason = match proven {
        Some(files) => return Ok((files, None)),
        None if kept.len() == all.len() => "it opens every file",
        None => "what it reads could not be told",
    };
    Ok((all.clone(), Some(reason.to_owned())))
}

/// Evaluates over a copy of the tree in which the files that are not `kept` hold something
/// else. The inner error is why it cannot be told what was opened.
async fn look(
    evaluator: &Evaluator<'_>,
    item: &Item,
    kept: &BTreeSet<PathBuf>,
) -> Result<Result<Look, String>, Error> {
    let session = evaluator.session;
    evaluator.put(&item.snapshot).await?;
    let original = item.snapshot.staged.path.as_str();
    let Some(original) = evaluator.nix.store.physical(original) else {
        return Ok(Err("the files of its store cannot be read here".to_owned()));
    };
    let (folder, tree) = copy(evaluator, &item.snapshot.tree, &original, kept).await?;
    let checkout = Arc::clone(&item.snapshot.checkout);
    let copy = Snapshot::of(session, checkout, tree, vec![]).await?;
    let looked = {
        // What holds the copy in the store lasts no longer than it is looked at.
        let evaluator = evaluator.in_session(session);
        evaluator.put(&copy).await?;
        drop(folder);
        look_at(&evaluator, item, &copy).await
    };
    evaluator.nix.delete(copy.staged.path.as_str()).await?;
    looked
}

async fn look_at(
    evaluator: &Evaluator<'_>,
    item: &Item,
    copy: &Snapshot,
) -> Result<Result<Look, String>, Error> {
    let Some(top) = evaluator.nix.store.physical(copy.staged.path.as_str()) else {
        return Ok(Err("the files of its store cannot be read here".to_owned()));
    };
    let mut nix = evaluator.nix.clone();
    nix.options.read_only = true;
    // Some versions of Nix read the whole tree when they see its lock file first.
    let lock_file = regular_file::read(top.join(&copy.staged.dir).join("flake.lock")).ok();
    if let Err(error) = judge(&nix, &copy.staged, lock_file.as_deref()).await {
        return match Error::from(error) {
            error if error.is_interrupted() => Err(error),
            error => Ok(Err(error.message)),
        };
    }
    let watch = match OpenedFiles::watch(&top, &folders(&copy.tree)) {
        Ok(watch) => watch,
        Err(error) => return Ok(Err(format!("its files cannot be watched: {error}"))),
    };
    let mut said = Messages::default();
    let answer = evaluate(&nix, &copy.staged, &item.request, None, &mut said).await;
    let opened = match watch.end() {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error.to_string())),
    };
    match answer {
        Ok(answer) => Ok(Ok(Look {
            answer: Some(answer),
            opened,
        })),
        Err(error @ NixError::Interrupted(_)) => Err(error.into()),
        Err(NixError::Memory { .. }) => Ok(Err("there is too little memory".to_owned())),
        Err(_) => Ok(Ok(Look {
            answer: None,
            opened,
        })),
    }
}

/// A copy of `tree`, whose files are in `original`; those that are not `kept` hold a line that
/// no other copy holds.
async fn copy(
    evaluator: &Evaluator<'_>,
    tree: &Tree,
    original: &Path,
    kept: &BTreeSet<PathBuf>,
) -> Result<(TemporaryFolder, Tree), Error> {
    let interrupt = evaluator.session.interrupt.clone();
    let folder = TemporaryFolder::new().map_err(|error| {
        Error::file(
            Kind::Source,
            "make",
            "a folder for a copy of the tree",
            &error,
        )
        .hint("set TMPDIR to a folder that can hold it")
    })?;
    let top = folder.path().join("source");
    let line = format!(
        "altered by cbox to see who reads it: {}\n",
        folder.path().display()
    );
    let mut copied = tree.clone();
    copied.top.clone_from(&top);
    let is_kept = |entry: &Entry| is_symlink(entry) || kept.contains(&entry.path);
    let (same, altered): (Vec<Entry>, Vec<Entry>) = tree.entries.iter().cloned().partition(is_kept);
    let altered: BTreeSet<PathBuf> = altered.into_iter().map(|entry| entry.path).collect();
    let same = Tree {
        top: original.to_owned(),
        entries: same,
    };
    let copied = blocking(move || {
        fs::create_dir_all(&top).map_err(|source| unwritable(&top, source))?;
        stage::copy(&same, &top, &|| interrupt.signal().is_some(), &|_| ())?;
        for entry in &mut copied.entries {
            if let EntryKind::File { executable, size } = &mut entry.kind
                && altered.contains(&entry.path)
            {
                *size = line.len() as u64;
                let mode = if *executable { 0o755 } else { 0o644 };
                write(&top.join(&entry.path), &line, mode)?;
            }
        }
        Ok::<_, SourceError>(copied)
    })
    .await?;
    Ok((folder, copied))
}

fn write(path: &Path, line: &str, mode: u32) -> Result<(), SourceError> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|source| unwritable(folder, source))?;
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: std::io::Error) -> SourceError {
    SourceError::Write {
        path: path.to_owned(),
        source,
    }
}

/// The files of a tree, without its symlinks.
fn files(tree: &Tree) -> BTreeSet<PathBuf> {
    let entries = tree.entries.iter().filter(|entry| !is_symlink(entry));
    entries.map(|entry| entry.path.clone()).collect()
}

fn is_symlink(entry: &Entry) -> bool {
    entry.kind == EntryKind::Symlink
}

/// The folders of a tree, with the top as an empty path.
fn folders(tree: &Tree) -> BTreeSet<PathBuf> {
    let entries = tree.entries.iter();
    entries
        .flat_map(|entry| entry.path.ancestors().skip(1))
        .map(Path::to_owned)
        .collect()
}

fn is_likely(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| LIKELY_READ.iter().any(|likely| extension == *likely))
}
