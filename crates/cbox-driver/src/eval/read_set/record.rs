//! Read sets as they are kept: by question, each with the answer that it holds for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{expression::Evaluated, regular_file};
use cbox_source::{stage::ContentHash, tree::Kind};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{flake::snapshot::Snapshot, text::text_file};

/// What this version writes. Others count as absent.
const SCHEMA: u32 = 2;

/// How many are kept of each kind; all go when there are more, and come again.
const MOST: usize = 2000;

/// Of a tree with more entries it is not kept what was in each, which is for people alone.
const MOST_NAMED: usize = 5_000;

/// What the evaluation of one question reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadSet {
    schema: u32,
    /// The key of the question, that of [`crate::eval::evaluator::Evaluator::key_of_reads`].
    key: String,
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

/// What is known of a question for a tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// That every file counts.
    ReadsEverything,
    /// Its answer, since nothing that it reads has changed.
    Answer {
        /// The answer.
        evaluated: Box<Evaluated>,
        /// The tree that it was found with, as [`ReadSets::changed`] takes it.
        tree: String,
    },
}

impl ReadSet {
    /// The files in `reads`, which answer the question of this `key` for `snapshot`. `None`
    /// where a name cannot be kept.
    pub fn new(
        key: &str,
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
            schema: SCHEMA,
            key: key.to_owned(),
            host: host.to_owned(),
            tree: snapshot.staged.nar_hash.to_base16(),
            shape: shape(snapshot),
            reads: reads.iter().map(with_hash).collect::<Option<_>>()?,
            answer,
        })
    }

    /// Why every file counts, where it does.
    pub fn reason(&self) -> Option<&str> {
        self.answer.as_ref().err().map(String::as_str)
    }

    /// The files, as paths below the top.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        self.reads.keys().map(PathBuf::from).collect()
    }

    /// Whether it says anything of `snapshot`, which has this shape: no path is another, and no
    /// file that is read.
    fn holds_for(&self, snapshot: &Snapshot, shape: &str) -> bool {
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
            trees: cache.join("read-sets/trees"),
        }
    }

    /// Whether none has been kept.
    pub fn is_empty(&self) -> bool {
        !self.sets.is_dir()
    }

    /// The read set of the question with this key, of whatever tree. One that is damaged, of
    /// another version, or of another question counts as none.
    pub fn get(&self, key: &str) -> Option<ReadSet> {
        let text = regular_file::read(self.file(key)).ok()?;
        let set: ReadSet = serde_json::from_slice(&text).ok()?;
        (set.schema == SCHEMA && set.key == key).then_some(set)
    }

    /// What is known of the question with this key for `snapshot`, which has this [`shape`].
    pub fn look(&self, key: &str, snapshot: &Snapshot, shape: &str) -> Known {
        match self.get(key) {
            Some(set) if set.holds_for(snapshot, shape) => match set.answer {
                Ok(evaluated) => Known::Answer {
                    evaluated: Box::new(evaluated),
                    tree: set.tree,
                },
                Err(_) => Known::ReadsEverything,
            },
            _ => Known::Nothing,
        }
    }

    /// Keeps `set`, which was found with `snapshot`.
    ///
    /// # Errors
    /// When it cannot be written; nothing is lost but time.
    pub fn put(&self, set: &ReadSet, snapshot: &Snapshot) -> io::Result<()> {
        fs::create_dir_all(&self.trees)?;
        for folder in [&self.sets, &self.trees] {
            forget_all_if_many(folder)?;
        }
        let entries = &snapshot.tree.entries;
        let tree = self.tree(&set.tree);
        if entries.len() <= MOST_NAMED && !tree.is_file() {
            let named: BTreeMap<&str, String> = entries
                .iter()
                .zip(&snapshot.contents)
                .filter_map(|(entry, hash)| Some((entry.path.to_str()?, short(*hash))))
                .collect();
            text_file::put(&tree, &serde_json::to_string(&named)?)?;
        }
        text_file::put(&self.file(&set.key), &serde_json::to_string(set)?)
    }

    /// The files of `snapshot` that are others than in `tree`, which has the same paths; none
    /// where it is not known what was in it. None of them is read by who was answered by it.
    pub fn changed(&self, tree: &str, snapshot: &Snapshot) -> Vec<PathBuf> {
        let text = regular_file::read(self.tree(tree)).unwrap_or_default();
        let before: BTreeMap<&str, String> = serde_json::from_slice(&text).unwrap_or_default();
        let now = snapshot.tree.entries.iter().zip(&snapshot.contents);
        now.filter(|(entry, hash)| {
            let before = entry.path.to_str().and_then(|path| before.get(path));
            before.is_some_and(|before| *before != short(**hash))
        })
        .map(|(entry, _)| entry.path.clone())
        .collect()
    }

    /// For each host of which it is known what it reads of `snapshot`, whether a file at `path`
    /// or below it is among that.
    pub fn readers(&self, snapshot: &Snapshot, path: &Path) -> BTreeMap<String, bool> {
        let shape = shape(snapshot);
        let mut readers = BTreeMap::new();
        let files = fs::read_dir(&self.sets).into_iter().flatten().flatten();
        for file in files {
            let name = file.file_name();
            let key = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let set = key.and_then(|key| self.get(key));
            if let Some(set) = set.filter(|set| set.holds_for(snapshot, &shape)) {
                let mut files = set.reads.keys();
                let reads =
                    set.answer.is_err() || files.any(|file| Path::new(file).starts_with(path));
                *readers.entry(set.host).or_insert(false) |= reads;
            }
        }
        readers
    }

    fn file(&self, key: &str) -> Utf8PathBuf {
        self.sets.join(format!("{key}.json"))
    }

    fn tree(&self, tree: &str) -> Utf8PathBuf {
        self.trees.join(format!("{tree}.json"))
    }
}

/// Enough of a hash to see a difference that is shown to people.
fn short(hash: ContentHash) -> String {
    HEXLOWER.encode(&hash.0[..8])
}

fn forget_all_if_many(folder: &Utf8Path) -> io::Result<()> {
    let files = || Ok::<_, io::Error>(fs::read_dir(folder)?.flatten());
    if files()?.count() > MOST {
        for file in files()? {
            // Another cbox may have removed it; the folder of trees stays.
            let _gone = fs::remove_file(file.path());
        }
    }
    Ok(())
}
