//! Staging: the hash that a tree has in the store, and the archive of it to put there; a copy
//! for what cannot take an archive.
//!
//! The hash comes first and from the working tree itself. It names the store path, so
//! an unchanged tree is not added again.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, OpenOptionsExt as _, symlink},
    },
    path::{Component, Path, PathBuf},
};

use nix_formats::nar::{Hasher, NarHash, Writer};
use sha2::{Digest as _, Sha256};

use crate::{
    SourceError, disk_image,
    folder::Folder,
    placeholder::Placeholder,
    tree::{Entry, Kind, Tree},
};

/// How much is copied between two looks at whether to stop.
const CHUNK: u64 = 64 << 20;

/// What reading a whole tree gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// The hash that the tree has in the store.
    pub hash: NarHash,
    /// The files that only stand in for others, in the order of the tree.
    pub placeholders: Vec<(PathBuf, Placeholder)>,
    /// What is in each entry, in the order of the tree.
    pub contents: Vec<ContentHash>,
}

/// The SHA-256 of what is in a file, or of where a symlink leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

/// Hashes the tree as Nix would after copying it, and refuses disk images on the way.
///
/// `stop` is asked again and again; once it says yes, the work ends.
///
/// # Errors
/// When a file cannot be read, changes while it is read, or is a disk image, and when
/// asked to stop.
pub fn hash(tree: &Tree, stop: &dyn Fn() -> bool) -> Result<Hashed, SourceError> {
    let mut placeholders = Vec::new();
    let mut contents = Vec::with_capacity(tree.entries.len());
    let hasher = write(
        tree,
        Hasher::default(),
        Some(&mut contents),
        stop,
        |entry, file, head| {
            let size = entry.size();
            let read_at = |buffer: &mut [u8], offset| file.read_at(buffer, offset);
            if let Some(image) = disk_image::find(head, size, &read_at) {
                let (path, what) = (tree.top.join(&entry.path), image.to_string());
                return Err(SourceError::DiskImage { path, what });
            }
            let placeholder = Placeholder::detect(head, size);
            placeholders.extend(placeholder.map(|kind| (entry.path.clone(), kind)));
            Ok(())
        },
    )?;
    Ok(Hashed {
        hash: hasher.finish(),
        placeholders,
        contents,
    })
}

/// Writes the tree as the archive whose hash [`hash`] gives.
///
/// `stop` is asked as by [`hash`]; `progress` is told how many bytes of files are written.
///
/// # Errors
/// As [`hash`], disk images apart; and when the sink fails, which then knows why.
pub fn archive(
    tree: &Tree,
    sink: &mut dyn io::Write,
    stop: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<(), SourceError> {
    let mut done = 0;
    write(tree, sink, None, stop, |entry, _, _| {
        progress(done);
        done += entry.size();
        Ok(())
    })?;
    progress(done);
    Ok(())
}

/// Writes the archive of `tree` to `sink`, and shows each file with its first bytes to
/// `look` before. The hash of what is in each entry goes to `contents`, where they are wanted.
fn write<W: io::Write>(
    tree: &Tree,
    sink: W,
    mut contents: Option<&mut Vec<ContentHash>>,
    stop: &dyn Fn() -> bool,
    mut look: impl FnMut(&Entry, &File, &[u8]) -> Result<(), SourceError>,
) -> Result<W, SourceError> {
    let mut writer =
        Writer::new(sink).map_err(|source| SourceError::unreadable(&tree.top, source))?;
    let folder = Folder::open(&tree.top)?;
    let mut head = Vec::new();
    for entry in &tree.entries {
        let path = tree.top.join(&entry.path);
        let components: Vec<&[u8]> = components(&entry.path).collect();
        let written = match entry.kind {
            Kind::Symlink => {
                let target = folder.link(&entry.path)?;
                if let Some(contents) = &mut contents {
                    contents.push(ContentHash::of(target.as_bytes()));
                }
                writer.symlink(&components, target.as_bytes())
            }
            Kind::File { executable, size } => {
                let mut file = open(&folder, entry)?;
                read_head(&mut file, size, &mut head)
                    .map_err(|source| SourceError::unreadable(&path, source))?;
                look(entry, &file, &head)?;
                let file = Stoppable { file, stop };
                let mut content = Hashing {
                    bytes: head.as_slice().chain(file),
                    hasher: contents.is_some().then(Sha256::new),
                };
                let written = writer.file(&components, executable, size, &mut content);
                if let (Some(contents), Some(hasher)) = (&mut contents, content.hasher) {
                    contents.push(ContentHash(hasher.finalize().into()));
                }
                written
            }
        };
        match written {
            _ if stop() => return Err(SourceError::Stopped),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(SourceError::Changed(path));
            }
            written => written.map_err(|source| SourceError::unreadable(&path, source))?,
        }
    }
    writer
        .finish()
        .map_err(|source| SourceError::unreadable(&tree.top, source))
}

/// Opens the file of `entry`, which has to be as it was when it was looked at.
fn open(folder: &Folder<'_>, entry: &Entry) -> Result<File, SourceError> {
    let (file, metadata) = folder.file(&entry.path)?;
    match Kind::of_file(&metadata) == entry.kind {
        true => Ok(file),
        false => Err(SourceError::Changed(folder.top().join(&entry.path))),
    }
}

/// A file that ends with an error once it is time to stop.
struct Stoppable<'a> {
    file: File,
    stop: &'a dyn Fn() -> bool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(io::Error::other("stopped"));
        }
        self.file.read(buffer)
    }
}

/// Hashes what is read through it, if that is wanted.
struct Hashing<R> {
    bytes: R,
    hasher: Option<Sha256>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..length]);
        }
        Ok(length)
    }
}

/// Copies the tree into `folder`, which has to be empty.
///
/// File contents are shared with the working tree where the file system can do that
/// (reflinks); they are never hard links, through which a later save could reach the copy.
///
/// `stop` is asked as by [`hash`]; `progress` is told how many bytes are copied.
///
/// # Errors
/// When a file cannot be read or written, and when asked to stop.
pub fn copy(
    tree: &Tree,
    folder: &Path,
    stop: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<(), SourceError> {
    let mut made: Option<PathBuf> = None;
    let mut done = 0;
    let source = Folder::open(&tree.top)?;
    for entry in &tree.entries {
        if stop() {
            return Err(SourceError::Stopped);
        }
        let to = folder.join(&entry.path);
        let unwritable = |source| SourceError::Write {
            path: to.clone(),
            source,
        };
        // Entries of one folder follow each other.
        if let Some(parent) = to.parent()
            && made.as_deref() != Some(parent)
        {
            fs::create_dir_all(parent).map_err(unwritable)?;
            made = Some(parent.to_owned());
        }
        match entry.kind {
            Kind::Symlink => {
                let target = source.link(&entry.path)?;
                symlink(target, &to).map_err(unwritable)?;
            }
            Kind::File { executable, .. } => {
                let from = open(&source, entry)?;
                let mode = if executable { 0o755 } else { 0o644 };
                let mut copy = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(&to)
                    .map_err(unwritable)?;
                // The kernel copies between two files by itself, whole chunks at a time.
                loop {
                    let chunk = &mut (&from).take(CHUNK);
                    let copied = io::copy(chunk, &mut copy).map_err(unwritable)?;
                    done += copied;
                    progress(done);
                    match copied == CHUNK {
                        true if stop() => return Err(SourceError::Stopped),
                        true => {}
                        false => break,
                    }
                }
            }
        }
    }
    Ok(())
}

/// Reads the first bytes of a file into `head`, as many as tell an image.
fn read_head(file: &mut File, size: u64, head: &mut Vec<u8>) -> io::Result<()> {
    head.resize(size.min(disk_image::HEAD as u64) as usize, 0);
    let mut length = 0;
    while length < head.len() {
        match file.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(length);
    Ok(())
}

fn components(path: &Path) -> impl Iterator<Item = &[u8]> {
    path.components()
        .map(Component::as_os_str)
        .map(OsStr::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        list::Listed,
        rules::{Made, Rules},
    };
    use std::{cell::Cell, os::unix::fs::PermissionsExt as _};

    fn tree(folder: &Path, paths: &[&str]) -> Tree {
        let rules = Rules::new(Path::new(""), &[], &[], Made::default()).unwrap();
        let listed = paths.iter().map(|path| Listed {
            path: PathBuf::from(path),
            tracked: true,
        });
        Tree::select(folder, listed.collect(), &rules, false).unwrap()
    }

    /// The tree whose hash `nix hash path` gave to the tests of `nix_formats::nar`.
    fn known() -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::create_dir_all(at("z")).unwrap();
        fs::write(at("a/b/c"), "c\n").unwrap();
        fs::write(at("a/d"), "").unwrap();
        fs::set_permissions(at("a/d"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(at("a-b"), "12345678").unwrap();
        symlink("a/d", at("link")).unwrap();
        fs::write(at("z/y"), "y").unwrap();
        let tree = tree(folder.path(), &["z/y", "link", "a/d", "a-b", "a/b/c"]);
        (folder, tree)
    }

    const KNOWN: &str = "sha256-ihvNEQ2jtT6wsDtGTQ4qQk2+ffgMU+fh4xkzQoIYxfE=";

    #[test]
    fn a_working_tree_hashes_as_nix_says() {
        let (_folder, tree) = known();
        let hashed = hash(&tree, &|| false).unwrap();
        assert_eq!(hashed.hash.to_string(), KNOWN);
        assert_eq!(hashed.placeholders, []);
    }

    #[test]
    fn the_archive_is_what_was_hashed() {
        let (_folder, tree) = known();
        let (mut archive, done) = (Hasher::default(), Cell::new(0));
        super::archive(&tree, &mut archive, &|| false, &|bytes| done.set(bytes)).unwrap();
        assert_eq!(archive.finish().to_string(), KNOWN);
        assert_eq!(done.get(), tree.size());
        fs::write(tree.top.join("z/y"), "longer").unwrap();
        let changed = super::archive(&tree, &mut io::sink(), &|| false, &|_| ()).unwrap_err();
        assert!(
            changed.to_string().contains("z/y changed while"),
            "{changed}"
        );
    }

    #[test]
    fn the_copy_has_the_same_hash() {
        let (_folder, original) = known();
        let place = tempfile::tempdir().unwrap();
        let copy_place = place.path().join("source");
        let done = Cell::new(0);
        copy(&original, &copy_place, &|| false, &|bytes| done.set(bytes)).unwrap();
        let bytes = original.entries.iter().map(|entry| entry.size());
        assert_eq!(done.get(), bytes.sum::<u64>());
        let copied = Tree {
            top: copy_place,
            ..original
        };
        assert_eq!(hash(&copied, &|| false).unwrap().hash.to_string(), KNOWN);
    }

    #[test]
    fn disk_images_and_changes_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), b"QFI\xfb and more").unwrap();
        let image = hash(&tree(folder.path(), &["notes.txt"]), &|| false).unwrap_err();
        assert!(
            image.to_string().contains("notes.txt holds a qcow2 image"),
            "{image}"
        );
        fs::write(folder.path().join("a"), "before").unwrap();
        let looked_at = tree(folder.path(), &["a"]);
        fs::write(folder.path().join("a"), "afterwards").unwrap();
        let changed = hash(&looked_at, &|| false).unwrap_err();
        assert!(matches!(changed, SourceError::Changed(_)), "{changed}");
    }

    #[test]
    fn stand_ins_are_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), b"\0GITCRYPT\0x").unwrap();
        fs::write(folder.path().join("text"), "").unwrap();
        let hashed = hash(&tree(folder.path(), &["text", "key"]), &|| false).unwrap();
        assert_eq!(
            hashed.placeholders,
            [(PathBuf::from("key"), Placeholder::GitCryptLocked)]
        );
    }

    #[test]
    fn asked_to_stop_it_stops() {
        let (_folder, tree) = known();
        assert!(matches!(hash(&tree, &|| true), Err(SourceError::Stopped)));
        assert!(matches!(
            archive(&tree, &mut io::sink(), &|| true, &|_| ()),
            Err(SourceError::Stopped)
        ));
        assert!(matches!(
            copy(&tree, Path::new("/nowhere"), &|| true, &|_| ()),
            Err(SourceError::Stopped)
        ));
    }
}
