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
    read_ahead::{self, Content},
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
    hash_and_archive(tree, &mut io::sink(), stop, &|_| ())
}

/// Hashes the tree as [`hash`] does, and writes it as the archive that has the hash, in one go.
/// Where this fails, the archive has no end.
///
/// `progress` is told how many bytes of files are written.
///
/// # Errors
/// As [`hash`]; and when the sink fails, which then knows why.
pub fn hash_and_archive(
    tree: &Tree,
    sink: &mut dyn io::Write,
    stop: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Hashed, SourceError> {
    let (mut placeholders, mut done) = (Vec::new(), 0);
    let mut contents = Vec::with_capacity(tree.entries.len());
    let both = Both {
        hasher: Hasher::default(),
        sink,
    };
    let both = write(
        tree,
        both,
        Some(&mut contents),
        stop,
        |entry, head, read_at| {
            progress(done);
            let size = entry.size();
            done += size;
            if let Some(image) = disk_image::find(head, size, read_at) {
                let (path, what) = (tree.top.join(&entry.path), image.to_string());
                return Err(SourceError::DiskImage { path, what });
            }
            let placeholder = Placeholder::detect(head, size);
            placeholders.extend(placeholder.map(|kind| (entry.path.clone(), kind)));
            Ok(())
        },
    )?;
    progress(done);
    Ok(Hashed {
        hash: both.hasher.finish(),
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

/// Reads more of a file, from an offset on.
type ReadAt<'f> = &'f dyn Fn(&mut [u8], u64) -> io::Result<usize>;

/// Writes the archive of `tree` to `sink`, and shows each file with its first bytes to
/// `look` before. The hash of what is in each entry goes to `contents`, where they are wanted.
fn write<W: io::Write>(
    tree: &Tree,
    sink: W,
    mut contents: Option<&mut Vec<ContentHash>>,
    stop: &dyn Fn() -> bool,
    mut look: impl FnMut(&Entry, &[u8], ReadAt<'_>) -> Result<(), SourceError>,
) -> Result<W, SourceError> {
    let mut writer =
        Writer::new(sink).map_err(|source| SourceError::unreadable(&tree.top, source))?;
    let folder = Folder::open(&tree.top)?;
    let mut head = Vec::new();
    let hashed = contents.is_some();
    read_ahead::each(&folder, &tree.entries, hashed, |entry, content| {
        let path = || tree.top.join(&entry.path);
        let components: Vec<&[u8]> = components(&entry.path).collect();
        let (written, hash) = match (entry.kind, content) {
            (Kind::Symlink, Content::Whole { bytes, hash }) => {
                (writer.symlink(&components, &bytes), hash)
            }
            (Kind::File { executable, size }, Content::Whole { bytes, hash }) => {
                look(entry, &bytes, &|buffer, offset| {
                    read_at(&bytes, buffer, offset)
                })?;
                let mut content = bytes.as_slice();
                (
                    writer.file(&components, executable, size, &mut content),
                    hash,
                )
            }
            (kind, Content::Large) => {
                let mut file = read_ahead::open(&folder, entry)?;
                read_head(&mut file, entry.size(), &mut head)
                    .map_err(|source| SourceError::unreadable(&path(), source))?;
                look(entry, &head, &|buffer, offset| file.read_at(buffer, offset))?;
                let mut content = Hashing {
                    bytes: head.as_slice().chain(Stoppable { file, stop }),
                    hasher: hashed.then(Sha256::new),
                };
                let executable = matches!(
                    kind,
                    Kind::File {
                        executable: true,
                        ..
                    }
                );
                let written = writer.file(&components, executable, entry.size(), &mut content);
                let hash = content
                    .hasher
                    .map(|hasher| ContentHash(hasher.finalize().into()));
                (written, hash)
            }
        };
        if let Some(contents) = &mut contents {
            contents.extend(hash);
        }
        match written {
            _ if stop() => Err(SourceError::Stopped),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(SourceError::Changed(path()))
            }
            written => written.map_err(|source| SourceError::unreadable(&path(), source)),
        }
    })?;
    writer
        .finish()
        .map_err(|source| SourceError::unreadable(&tree.top, source))
}

/// Writes to a hasher and to a sink.
struct Both<'s> {
    hasher: Hasher,
    sink: &'s mut dyn io::Write,
}

impl io::Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.hasher.write(&bytes[..written])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Reads from `bytes` as from a file.
fn read_at(bytes: &[u8], buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    bytes.get(offset..).unwrap_or_default().read(buffer)
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
                let from = read_ahead::open(&source, entry)?;
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
    fn hashed_and_archived_in_one_go_it_is_the_same() {
        let (_folder, tree) = known();
        let (mut archive, mut both, done) = (Vec::new(), Vec::new(), Cell::new(0));
        super::archive(&tree, &mut archive, &|| false, &|_| ()).unwrap();
        let progress = |bytes| done.set(bytes);
        let hashed = hash_and_archive(&tree, &mut both, &|| false, &progress).unwrap();
        assert!(both == archive);
        assert_eq!(hashed, hash(&tree, &|| false).unwrap());
        assert_eq!(done.get(), tree.size());
    }

    /// Of many files they are read in several threads.
    #[test]
    fn a_large_tree_hashes_as_its_files_do_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..2000).map(|number| format!("f{number:04}")).collect();
        let mut writer = Writer::new(Hasher::default()).unwrap();
        for name in &names {
            // From nothing to what is not read ahead.
            let content = name.repeat(fastrand::usize(..10) * fastrand::usize(..2_000));
            fs::write(folder.path().join(name), &content).unwrap();
            let size = content.len() as u64;
            writer
                .file(&[name.as_bytes()], false, size, &mut content.as_bytes())
                .unwrap();
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let hashed = hash(&tree(folder.path(), &names), &|| false).unwrap();
        assert_eq!(hashed.hash, writer.finish().unwrap().finish());
        assert_eq!(hashed.contents.len(), names.len());
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
