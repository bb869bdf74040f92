//! Read sets as they are kept: by question, each with the answer that it holds for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{expression::Evaluated, remembered};
use cbox_source::{stage::ContentHash, tree::Kind};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::flake::snapshot::Snapshot;

/// What this version writes. Others count as absent.
const SCHEMA: u32 = 4;

/// How many trees a question is kept for: those of other branches, worktrees and flakes too.
const MOST_TREES: usize = 8;

/// Of a tree with more entries it is not kept what was in each, which is for people alone.
const MOST_NAMED: usize = 5_000;

/// What the evaluation of one question reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadSet {
    /// The host that the question is about.
    host: String,
    /// The tree that it was found with.
    tree: String,
    /// Its [`shape`].
    shape: String,
    /// The files that were opened, each with the hash of its content.
    reads: BTreeMap<String, String>,
    /// The answer for this tree, and for each other that differs in what is not read; or why
    /// every file counts, as where it depends on the hash of the whole tree.
    answer: Result<Evaluated, String>,
}

impl ReadSet {
    /// The files in `reads`, which give `answer` for `snapshot`. `None` where a name cannot be
    /// kept.
    pub fn new(
        host: &str,
        snapshot: &Snapshot,
        reads: &BTreeSet<PathBuf>,
        answer: Result<Evaluated, String>,
    ) -> Option<Self> {
        let with_hash = |path: &PathBuf| {
            let hash = snapshot.content(path)?;
            Some((path.to_str()?.to_owned(), HEXLOWER.encode(&hash.0)))
        };
        Some(Self {
            host: host.to_owned(),
            tree: snapshot.staged.nar_hash.to_base16(),
            shape: shape(snapshot),
            reads: reads.iter().map(with_hash).collect::<Option<_>>()?,
            answer,
        })
    }

    /// The tree that it was found with, as [`ReadSets::changed`] takes it.
    pub fn tree(&self) -> &str {
        &self.tree
    }

    /// The host that the question is about.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The answer, or why every file counts.
    pub fn answer(&self) -> Result<&Evaluated, &str> {
        self.answer.as_ref().map_err(String::as_str)
    }

    /// Whether a file at `path` or below it counts.
    pub fn reads(&self, path: &Path) -> bool {
        let mut files = self.reads.keys();
        self.answer.is_err() || files.any(|file| Path::new(file).starts_with(path))
    }

    /// The files, as paths below the top.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        self.reads.keys().map(PathBuf::from).collect()
    }

    /// Whether it says anything of `snapshot`, which has this shape: no path is another, and no
    /// file that is read.
    pub fn holds_for(&self, snapshot: &Snapshot, shape: &str) -> bool {
        let is_same = |(path, hash): (&String, &String)| {
            let now = snapshot.content(Path::new(path));
            now.is_some_and(|now| HEXLOWER.encode(&now.0) == *hash)
        };
        self.shape == shape && self.reads.iter().all(is_same)
    }
}

/// A hash of all paths of a tree with what is at each: kind, mode, and where a symlink leads.
pub fn shape(snapshot: &Snapshot) -> String {
    let mut hasher = Sha256::new();
    for (entry, content) in snapshot.tree.entries.iter().zip(&snapshot.contents) {
        let path = entry.path.as_os_str().as_bytes();
        hasher.update((path.len() as u64).to_le_bytes());
        hasher.update(path);
        match entry.kind {
            Kind::File { executable, .. } => hasher.update([u8::from(executable)]),
            Kind::Symlink => {
                hasher.update([2]);
                hasher.update(content.0);
            }
        }
    }
    HEXLOWER.encode(&hasher.finalize())
}

/// A file of them: those of one question.
#[derive(Debug, Serialize, Deserialize)]
struct OfQuestion {
    schema: u32,
    /// The newest first.
    sets: Vec<ReadSet>,
}

/// The folder of read sets.
#[derive(Debug, Clone)]
pub struct ReadSets {
    sets: Utf8PathBuf,
    trees: Utf8PathBuf,
}

impl ReadSets {
    /// Those below `cache`, the folder of cbox's caches. Nothing is made yet.
    pub fn below(cache: &Utf8Path) -> Self {
        Self {
            sets: cache.join("read-sets"),
            trees: cache.join("read-set-trees"),
        }
    }

    /// The read sets of the question with this key ([`Evaluator::key_of_reads`]), the newest
    /// first, of whatever trees. What is damaged, of another version, or of another question
    /// counts as none.
    ///
    /// [`Evaluator::key_of_reads`]: crate::eval::evaluator::Evaluator::key_of_reads
    pub fn get(&self, key: &str) -> Vec<ReadSet> {
        match parsed::<OfQuestion>(&self.of_question(key), key) {
            Some(OfQuestion { schema, sets }) if schema == SCHEMA => sets,
            _ => Vec::new(),
        }
    }

    /// Whether none has been kept.
    pub fn is_empty(&self) -> bool {
        !self.sets.is_dir()
    }

    /// Those of whatever question that hold for `snapshot`.
    pub fn of_tree(&self, snapshot: &Snapshot) -> Vec<ReadSet> {
        let shape = shape(snapshot);
        let files = fs::read_dir(&self.sets).into_iter().flatten().flatten();
        let sets = files.flat_map(|file| match file.file_name().to_str() {
            Some(key) => self.get(key),
            None => Vec::new(),
        });
        sets.filter(|set| set.holds_for(snapshot, &shape)).collect()
    }

    /// Keeps `set` for the question with this key, in place of one that says the same and of
    /// the oldest. It was found with `snapshot`.
    ///
    /// # Errors
    /// When it cannot be written; nothing is lost but time.
    pub fn put(&self, key: &str, set: &ReadSet, snapshot: &Snapshot) -> io::Result<()> {
        let entries = &snapshot.tree.entries;
        let tree = self.trees.join(&set.tree);
        if entries.len() <= MOST_NAMED && !tree.is_file() {
            let named: BTreeMap<&str, String> = entries
                .iter()
                .zip(&snapshot.contents)
                .filter_map(|(entry, hash)| Some((entry.path.to_str()?, short(*hash))))
                .collect();
            remembered::write(&tree, &set.tree, &serde_json::to_vec(&named)?)?;
            remembered::forget_oldest(&self.trees)?;
        }
        let mut sets = self.get(key);
        sets.retain(|kept| (&kept.shape, &kept.reads) != (&set.shape, &set.reads));
        sets.insert(0, set.clone());
        sets.truncate(MOST_TREES);
        let kept = OfQuestion {
            schema: SCHEMA,
            sets,
        };
        remembered::write(&self.of_question(key), key, &serde_json::to_vec(&kept)?)?;
        remembered::forget_oldest(&self.sets)
    }

    /// The files of `snapshot` that are others than in `tree`, which has the same paths; none
    /// where it is not known what was in it. None of them is read by who was answered by it.
    pub fn changed(&self, tree: &str, snapshot: &Snapshot) -> Vec<PathBuf> {
        let before: BTreeMap<String, String> =
            parsed(&self.trees.join(tree), tree).unwrap_or_default();
        let now = snapshot.tree.entries.iter().zip(&snapshot.contents);
        now.filter(|(entry, hash)| {
            let before = entry.path.to_str().and_then(|path| before.get(path));
            before.is_some_and(|before| *before != short(**hash))
        })
        .map(|(entry, _)| entry.path.clone())
        .collect()
    }

    fn of_question(&self, key: &str) -> Utf8PathBuf {
        self.sets.join(key)
    }
}

/// What is remembered in `file` under `key`; what is damaged counts as nothing.
fn parsed<T: DeserializeOwned>(file: &Utf8Path, key: &str) -> Option<T> {
    let text = remembered::read(file, key);
    let text = text.inspect_err(|damage| tracing::debug!("{file} is not used: {damage}"));
    serde_json::from_slice(&text.ok()??).ok()
}

/// Enough of a hash to see a difference that is shown to people.
fn short(hash: ContentHash) -> String {
    HEXLOWER.encode(&hash.0[..8])
}
