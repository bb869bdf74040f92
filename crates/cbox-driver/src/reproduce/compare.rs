//! Two trees of files, compared as Nix sees them: names, kinds, contents, targets of symlinks, and
//! whether a file is executable.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use cbox_nix::regular_file;

use super::place::{self, Place};
use crate::{links::artifact::at, progress::follow::Watch};

/// How much of a file is read at once.
const BLOCK: usize = 1 << 18;

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// What differs, by path.
    pub differences: Vec<Difference>,
    /// How many files both trees have together, each path counted once.
    pub file_count: usize,
}

impl Compared {
    /// How many paths differ.
    #[must_use]
    pub fn path_count(&self) -> usize {
        let mut paths: Vec<&Path> = self.differences.iter().map(|it| &*it.path).collect();
        paths.dedup();
        paths.len()
    }
}

/// One thing that is not the same in both trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, from the top of the trees; empty for the top itself.
    pub path: PathBuf,
    /// What.
    pub what: What,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The second tree has no such.
    Missing(Entry),
    /// Only the second tree has such.
    Added(Entry),
    /// It is of another kind.
    Kind(Entry, Entry),
    /// A symlink leads elsewhere.
    Target(PathBuf, PathBuf),
    /// One is executable; whether the first is.
    Executable(bool),
    /// Other bytes.
    Content(Content),
}

impl What {
    /// Its name, in JSON too.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Added(_) => "added",
            Self::Kind(..) => "kind",
            Self::Target(..) => "target",
            Self::Executable(_) => "executable",
            Self::Content(_) => "content",
        }
    }
}

/// How the bytes of two files differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The sizes of both.
    pub sizes: [u64; 2],
    /// The first byte that differs, or that only one has.
    pub first: u64,
    /// How many differ, where both are of the same size.
    pub count: Option<usize>,
    /// Where in the image the first one is, if it is an image.
    pub place: Option<Place>,
}

/// What a tree has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A file of so many bytes.
    File {
        /// Its size.
        size: u64,
        /// Whether it is executable.
        is_executable: bool,
    },
    /// A symlink, with its target.
    Symlink(PathBuf),
}

/// What a tree has, by path; the top is an empty one.
type Tree = BTreeMap<PathBuf, Entry>;

/// What `top` has, which may be a file itself.
///
/// # Errors
/// When something in it cannot be looked at.
pub(super) fn tree(top: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let place = at(top, &path);
        let metadata = place.symlink_metadata()?;
        let entry = if metadata.is_symlink() {
            Entry::Symlink(fs::read_link(&place)?)
        } else if metadata.is_dir() {
            for inside in fs::read_dir(&place)? {
                left.push(path.join(inside?.file_name()));
            }
            Entry::Folder
        } else {
            Entry::File {
                size: metadata.len(),
                is_executable: metadata.permissions().mode() & 0o100 != 0,
            }
        };
        tree.insert(path, entry);
    }
    Ok(tree)
}

/// The size of all files of a tree.
pub(super) fn size(tree: &Tree) -> u64 {
    let sizes = tree.values().map(|entry| match entry {
        Entry::File { size, .. } => *size,
        Entry::Folder | Entry::Symlink(_) => 0,
    });
    sizes.sum()
}

/// Compares `second` with `first`, two places with what is in them. Answers `None` when it is to
/// stop.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn compare(
    first: (&Path, &Tree),
    second: (&Path, &Tree),
    watch: &Watch<'_>,
) -> io::Result<Option<Compared>> {
    let mut differences = Vec::new();
    let mut done = 0;
    let mut report = |path: &Path, what| {
        let path = path.to_owned();
        differences.push(Difference { path, what });
    };
    for (path, one) in first.1 {
        let Some(other) = second.1.get(path) else {
            // A folder that is gone is one difference, whatever was in it.
            if is_top_most(path, second.1) {
                report(path, What::Missing(one.clone()));
            }
            continue;
        };
        match (one, other) {
            (Entry::Folder, Entry::Folder) => {}
            (Entry::Symlink(one), Entry::Symlink(other)) => {
                if one != other {
                    report(path, What::Target(one.clone(), other.clone()));
                }
            }
            (
                Entry::File {
                    size,
                    is_executable,
                },
                Entry::File {
                    is_executable: other,
                    ..
                },
            ) => {
                if is_executable != other {
                    report(path, What::Executable(*is_executable));
                }
                let places = [at(first.0, path), at(second.0, path)];
                match files(&places, done, watch)? {
                    None => return Ok(None),
                    Some(None) => {}
                    Some(Some(content)) => report(path, What::Content(content)),
                }
                done += size;
            }
            (one, other) => report(path, What::Kind(one.clone(), other.clone())),
        }
    }
    for (path, other) in second.1 {
        if !first.1.contains_key(path) && is_top_most(path, first.1) {
            report(path, What::Added(other.clone()));
        }
    }
    differences.sort_by(|one, other| one.path.cmp(&other.path));
    let is_file = |entry: &Entry| !matches!(entry, Entry::Folder);
    let of_second = second
        .1
        .iter()
        .filter(|(path, _)| !first.1.contains_key(*path));
    let all = first.1.iter().chain(of_second);
    Ok(Some(Compared {
        differences,
        file_count: all.filter(|(_, entry)| is_file(entry)).count(),
    }))
}

/// Whether what `path` lies in is a folder in `other` too.
fn is_top_most(path: &Path, other: &Tree) -> bool {
    let is_folder = |parent| other.get(parent) == Some(&Entry::Folder);
    path.parent().is_none_or(is_folder)
}

/// How two files differ: `Some(None)` if they do not, `None` if it is to stop. `done` bytes were
/// compared before.
fn files(
    paths: &[PathBuf; 2],
    done: u64,
    watch: &Watch<'_>,
) -> io::Result<Option<Option<Content>>> {
    let open = |path: &Path| {
        let opened = regular_file::open(path);
        opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    let (mut one, mut other) = (open(&paths[0])?, open(&paths[1])?);
    let sizes = [one.metadata()?.len(), other.metadata()?.len()];
    let blocks = || Vec::with_capacity(BLOCK);
    let (mut block, mut block_of_other) = (blocks(), blocks());
    let (mut position, mut first, mut count) = (0, None, 0);
    loop {
        if (watch.stop)() {
            return Ok(None);
        }
        fill(&mut one, &mut block)?;
        fill(&mut other, &mut block_of_other)?;
        if block != block_of_other {
            let pairs = block.iter().zip(&block_of_other);
            let differing = pairs.enumerate().filter(|(_, (one, other))| one != other);
            let mut places = differing.map(|(place, _)| place as u64);
            let shorter = block.len().min(block_of_other.len()) as u64;
            let here = places.next();
            count += places.count() + usize::from(here.is_some());
            first.get_or_insert(position + here.unwrap_or(shorter));
        }
        position += block.len() as u64;
        (watch.progress)(done + position);
        // Of two sizes, no more is to be counted.
        let is_told = first.is_some() && sizes[0] != sizes[1];
        if is_told || block.is_empty() && block_of_other.is_empty() {
            break;
        }
    }
    let Some(first) = first else {
        return Ok(Some(None));
    };
    one.rewind()?;
    Ok(Some(Some(Content {
        sizes,
        first,
        count: (sizes[0] == sizes[1]).then_some(count),
        place: place::find(&mut one, first),
    })))
}

/// Reads the next block, or as much of it as there is.
fn fill(file: &mut File, block: &mut Vec<u8>) -> io::Result<()> {
    block.clear();
    file.take(BLOCK as u64).read_to_end(block)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, os::unix::fs::symlink};

    use super::*;

    /// What differs between two trees, by path, and how many bytes were reported as done.
    fn compared(trees: [&tempfile::TempDir; 2]) -> (Compared, u64) {
        let done = Cell::new(0);
        let watch = Watch {
            progress: &|bytes| done.set(bytes),
            stop: &|| false,
        };
        let listed = trees.map(|top| tree(top.path()).unwrap());
        let [first, second] = [0, 1].map(|it| (trees[it].path(), &listed[it]));
        let found = compare(first, second, &watch).unwrap().unwrap();
        (found, done.get())
    }

    fn two() -> [tempfile::TempDir; 2] {
        [(), ()].map(|()| {
            let top = tempfile::tempdir().unwrap();
            fs::create_dir(top.path().join("folder")).unwrap();
            fs::write(top.path().join("folder/same"), "same").unwrap();
            symlink("same", top.path().join("link")).unwrap();
            top
        })
    }

    fn file(size: u64) -> Entry {
        Entry::File {
            size,
            is_executable: false,
        }
    }

    #[test]
    fn what_is_the_same_differs_nowhere() {
        let [first, second] = two();
        let (found, done) = compared([&first, &second]);
        assert_eq!((found.differences, found.file_count, done), (vec![], 2, 4));
        let stopped = Watch {
            progress: &|_| {},
            stop: &|| true,
        };
        let trees = [&first, &second].map(|top| tree(top.path()).unwrap());
        let found = compare(
            (first.path(), &trees[0]),
            (second.path(), &trees[1]),
            &stopped,
        );
        assert_eq!(found.unwrap(), None);
    }

    #[test]
    fn every_difference_that_nix_sees_is_told() {
        let [first, second] = two();
        let write = |name: &str, one: &[u8], other: &[u8]| {
            fs::write(first.path().join(name), one).unwrap();
            fs::write(second.path().join(name), other).unwrap();
        };
        write("bytes", b"0123456789", b"01x34567x9");
        write("longer", b"0123", b"01234");
        write("mode", b"", b"");
        write("kind", b"", b"");
        let far = vec![0; BLOCK + 10];
        let mut other = far.clone();
        other[BLOCK + 5] = 1;
        write("far", &far, &other);
        fs::set_permissions(
            second.path().join("mode"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        fs::remove_file(second.path().join("kind")).unwrap();
        fs::create_dir(second.path().join("kind")).unwrap();
        fs::write(second.path().join("kind/inside"), "").unwrap();
        fs::remove_file(second.path().join("link")).unwrap();
        symlink("other", second.path().join("link")).unwrap();
        fs::create_dir(first.path().join("gone")).unwrap();
        fs::write(first.path().join("gone/inside"), "").unwrap();
        fs::write(second.path().join("folder/new"), "new").unwrap();
        let content = |sizes, first, count| {
            What::Content(Content {
                sizes,
                first,
                count,
                place: None,
            })
        };
        let far = BLOCK as u64;
        let expected = [
            ("bytes", content([10, 10], 2, Some(2))),
            ("far", content([far + 10; 2], far + 5, Some(1))),
            ("folder/new", What::Added(file(3))),
            ("gone", What::Missing(Entry::Folder)),
            ("kind", What::Kind(file(0), Entry::Folder)),
            ("link", What::Target("same".into(), "other".into())),
            ("longer", content([4, 5], 4, None)),
            ("mode", What::Executable(false)),
        ];
        let expected = expected.map(|(path, what)| Difference {
            path: path.into(),
            what,
        });
        let (found, _) = compared([&first, &second]);
        assert_eq!(found.differences, expected);
        assert_eq!(found.path_count(), 8);
    }

    #[test]
    fn a_tree_can_be_a_file() {
        let [first, second] = two();
        let paths = [&first, &second].map(|top| top.path().join("folder/same"));
        fs::write(&paths[1], "samE").unwrap();
        let trees = [0, 1].map(|it| tree(&paths[it]).unwrap());
        assert_eq!(size(&trees[0]), 4);
        let watch = Watch {
            progress: &|_| {},
            stop: &|| false,
        };
        let found = compare((&paths[0], &trees[0]), (&paths[1], &trees[1]), &watch);
        let found = found.unwrap().unwrap();
        assert_eq!(found.differences[0].path, Path::new(""));
        assert_eq!(found.file_count, 1);
        // A folder in the place of a file is one difference.
        let trees = [tree(&paths[0]).unwrap(), tree(second.path()).unwrap()];
        let found = compare((&paths[0], &trees[0]), (second.path(), &trees[1]), &watch);
        let kind = What::Kind(file(4), Entry::Folder);
        assert_eq!(found.unwrap().unwrap().differences[0].what, kind);
    }
}
