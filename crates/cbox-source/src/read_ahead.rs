//! Reading the files of a large tree in several threads, ahead of who takes them in order.
//!
//! Most of the time for a tree of many small files goes to opening them, which the kernel does
//! for several threads at once. How much is read ahead has a bound, whatever the tree.

use std::{
    fs::File, io::Read as _, num::NonZero, os::unix::ffi::OsStringExt as _,
    sync::mpsc::sync_channel, thread,
};

use crate::{
    SourceError, disk_image,
    folder::Folder,
    stage::ContentHash,
    tree::{Entry, Kind},
};

/// With fewer entries, starting threads takes longer than they save.
const FEW: usize = 256;

/// The most threads: more wait for each other in the kernel.
const MOST_THREADS: usize = 4;

/// So many entries go from a thread to who takes them at a time.
const BATCH: usize = 16;

/// How many batches of a thread wait to be taken.
const WAITING: usize = 1;

/// Up to this size a file is read ahead: then it shows its whole content to who looks for
/// disk images, too.
const SMALL: u64 = disk_image::HEAD as u64;

/// What is in an entry.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of a small file, or where a symlink leads.
    Whole {
        /// The bytes; of a file that grew since it was looked at, one more than its size.
        bytes: Vec<u8>,
        /// Their hash, where it is wanted.
        hash: Option<ContentHash>,
    },
    /// A large file, of which nothing is read yet.
    Large,
}

impl Content {
    /// Reads what is in `entry`, and hashes it if it is `hashed`.
    fn read(folder: &Folder<'_>, entry: &Entry, hashed: bool) -> Result<Self, SourceError> {
        let bytes = match entry.kind {
            Kind::Symlink => folder.link(&entry.path)?.into_vec(),
            Kind::File { size, .. } if size > SMALL => return Ok(Self::Large),
            Kind::File { size, .. } => {
                let mut bytes = Vec::with_capacity(size as usize + 1);
                open(folder, entry)?
                    .take(size + 1)
                    .read_to_end(&mut bytes)
                    .map_err(|source| {
                        SourceError::unreadable(&folder.top().join(&entry.path), source)
                    })?;
                bytes
            }
        };
        let hash = hashed.then(|| ContentHash::of(&bytes));
        Ok(Self::Whole { bytes, hash })
    }
}

/// Opens the file of `entry`, which has to be as it was when it was looked at.
///
/// # Errors
/// As [`Folder::file`].
pub(crate) fn open(folder: &Folder<'_>, entry: &Entry) -> Result<File, SourceError> {
    let (file, metadata) = folder.file(&entry.path)?;
    match Kind::of_file(&metadata) == entry.kind {
        true => Ok(file),
        false => Err(SourceError::Changed(folder.top().join(&entry.path))),
    }
}

/// Gives each of `entries`, which are below `folder`, to `take`, in order and with what is in
/// it, which is hashed if it is `hashed`.
///
/// # Errors
/// Those of `take`, and as [`Folder::file`] for the first entry that cannot be read.
pub(crate) fn each(
    folder: &Folder<'_>,
    entries: &[Entry],
    hashed: bool,
    mut take: impl FnMut(&Entry, Content) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    if entries.len() < FEW || threads == 1 {
        return entries
            .iter()
            .try_for_each(|entry| take(entry, Content::read(folder, entry, hashed)?));
    }
    in_threads(threads.min(MOST_THREADS), folder, entries, hashed, take)
}

fn in_threads(
    threads: usize,
    folder: &Folder<'_>,
    entries: &[Entry],
    hashed: bool,
    mut take: impl FnMut(&Entry, Content) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let batches = || entries.chunks(BATCH);
    thread::scope(|scope| {
        let queues: Vec<_> = (0..threads)
            .map(|first| {
                let (sender, queue) = sync_channel(WAITING);
                scope.spawn(move || {
                    for batch in batches().skip(first).step_by(threads) {
                        let read = |entry| Content::read(folder, entry, hashed);
                        // Nobody takes any more once one failed.
                        if sender.send(batch.iter().map(read).collect()).is_err() {
                            break;
                        }
                    }
                });
                queue
            })
            .collect();
        for (batch, queue) in batches().zip(queues.iter().cycle()) {
            // A thread that ended early has panicked, which the scope passes on.
            let contents: Vec<Result<Content, SourceError>> = queue.recv().unwrap_or_default();
            for (entry, content) in batch.iter().zip(contents) {
                take(entry, content?)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// How many files the tree of the tests has: many batches, and one that is not full.
    const FILES: usize = 1003;

    fn name(number: usize) -> String {
        format!("{number:04}")
    }

    fn files() -> (tempfile::TempDir, Vec<Entry>) {
        let folder = tempfile::tempdir().unwrap();
        let entries = (0..FILES).map(|number| {
            let path = name(number);
            let content = match number % 100 {
                99 => vec![b'x'; disk_image::HEAD + number],
                _ => format!("content of {number}").into_bytes(),
            };
            fs::write(folder.path().join(&path), &content).unwrap();
            let (executable, size) = (false, content.len() as u64);
            Entry {
                path: path.into(),
                kind: Kind::File { executable, size },
                tracked: true,
                changed_at: 0,
            }
        });
        let entries = entries.collect();
        (folder, entries)
    }

    /// What comes of each entry, in each number of threads.
    fn taken(
        top: &Path,
        entries: &[Entry],
        mut take: impl FnMut(&Entry, Content) -> Result<(), SourceError>,
    ) -> Vec<Result<(), SourceError>> {
        let folder = Folder::open(top).unwrap();
        let threads = [1, 2, 3, MOST_THREADS];
        let mut ends: Vec<_> = threads
            .map(|threads| in_threads(threads, &folder, entries, true, &mut take))
            .into();
        ends.push(each(&folder, entries, true, &mut take));
        ends
    }

    #[test]
    fn all_come_in_order_with_what_is_in_them() {
        let (folder, entries) = files();
        let mut number = 0;
        let ends = taken(folder.path(), &entries, |entry, content| {
            assert_eq!(entry.path, Path::new(&name(number)));
            match content {
                Content::Whole { bytes, hash } => {
                    assert_eq!(bytes, format!("content of {number}").as_bytes());
                    assert_eq!(hash, Some(ContentHash::of(&bytes)));
                }
                Content::Large => assert_eq!(number % 100, 99),
            }
            number = (number + 1) % FILES;
            Ok(())
        });
        assert!(ends.iter().all(Result::is_ok), "{ends:?}");
        assert_eq!(number, 0);
    }

    #[test]
    fn the_first_failure_in_order_ends_it() {
        let (folder, entries) = files();
        // Of these, the later one is read by another thread, which may be first.
        fs::write(folder.path().join(name(500)), "another size than before").unwrap();
        fs::remove_file(folder.path().join(name(516))).unwrap();
        for end in taken(folder.path(), &entries, |_, _| Ok(())) {
            let error = end.unwrap_err();
            assert!(
                matches!(&error, SourceError::Changed(path) if path.ends_with(name(500))),
                "{error}"
            );
        }
        for end in taken(folder.path(), &entries, |_, _| Err(SourceError::Stopped)) {
            assert!(matches!(end, Err(SourceError::Stopped)), "{end:?}");
        }
    }
}
