//! Reading the files of a tree and nothing else, whatever is put in their place meanwhile.
//!
//! A tree is looked at first and read later, and in between a file or a folder above it can
//! become a symlink that leads elsewhere, or a pipe at which a reader would wait for ever.
//! So every way is walked without following symlinks, nothing is waited for, and what was
//! opened is looked at once more. The kernel does the walk in one call (openat2, Linux 5.6);
//! where it is too old, or a container refuses the call, it is done step by step.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::Read as _,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt as _,
    },
    path::{Component, Path},
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
};

use crate::SourceError;

/// Ways lead through no symlink, not out of the folder, and not into `/proc/…/fd`.
const WAY: ResolveFlags = ResolveFlags::NO_SYMLINKS
    .union(ResolveFlags::BENEATH)
    .union(ResolveFlags::NO_MAGICLINKS);

/// For reading: a pipe or a device opens at once, to be turned away.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// For naming what is there, also a symlink itself.
const NAME: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How often a way is walked again that was disturbed, or a file that another process holds
/// by a lease and has to give up first.
const TRIES: usize = 20;

/// A folder whose files are read.
#[derive(Debug)]
pub struct Folder<'t> {
    top: &'t Path,
    folder: OwnedFd,
    /// Whether the kernel walks a whole way in one call.
    whole_ways: bool,
}

impl<'t> Folder<'t> {
    /// Opens the folder at `top`, of which the way may lead through symlinks.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub fn open(top: &'t Path) -> Result<Self, SourceError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(top, flags, Mode::empty())
            .map_err(|error| SourceError::unreadable(top, error.into()))?;
        let asked = rustix::fs::openat2(&folder, ".", NAME, Mode::empty(), WAY);
        Ok(Self {
            top,
            folder,
            whole_ways: asked.is_ok(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn top(&self) -> &'t Path {
        self.top
    }

    /// Opens the regular file at `path`, relative to the folder.
    ///
    /// # Errors
    /// [`SourceError::Changed`] where something else is there by now, or the way leads
    /// through a symlink; [`SourceError::Read`] where nothing is, or it cannot be read.
    pub fn file(&self, path: &Path) -> Result<(File, Metadata), SourceError> {
        let file = self
            .at(path, READ)
            .map_err(|error| self.failed(path, error))?;
        let file = File::from(file);
        let metadata = file
            .metadata()
            .map_err(|error| SourceError::unreadable(&self.top.join(path), error))?;
        match metadata.is_file() {
            true => Ok((file, metadata)),
            false => Err(SourceError::Changed(self.top.join(path))),
        }
    }

    /// The target of the symlink at `path`, relative to the folder.
    ///
    /// # Errors
    /// As [`Folder::file`].
    pub fn link(&self, path: &Path) -> Result<OsString, SourceError> {
        let link = self
            .at(path, NAME)
            .map_err(|error| self.failed(path, error))?;
        match rustix::fs::readlinkat(link, "", Vec::new()) {
            Ok(target) => Ok(OsString::from_vec(target.into_bytes())),
            // What is no symlink.
            Err(Errno::NOENT | Errno::INVAL) => Err(SourceError::Changed(self.top.join(path))),
            Err(error) => Err(self.failed(path, error)),
        }
    }

    /// The content of the file at `path`; `None` where there is no regular file.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn read_if_file(&self, path: &Path) -> Result<Option<Vec<u8>>, SourceError> {
        let mut content = Vec::new();
        match self.file(path) {
            Ok((mut file, _)) => match file.read_to_end(&mut content) {
                Ok(_) => Ok(Some(content)),
                Err(error) => Err(SourceError::unreadable(&self.top.join(path), error)),
            },
            Err(SourceError::Changed(_)) => Ok(None),
            Err(SourceError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn failed(&self, path: &Path, error: Errno) -> SourceError {
        let whole = self.top.join(path);
        match error {
            // A symlink on the way; a socket or a device; a file where a folder was.
            Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::NOTDIR => SourceError::Changed(whole),
            error => SourceError::unreadable(&whole, error.into()),
        }
    }

    fn at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut tries = 0;
        loop {
            let opened = match self.whole_ways {
                true => rustix::fs::openat2(&self.folder, path, flags, Mode::empty(), WAY),
                false => step_by_step(self.folder.as_fd(), path, flags),
            };
            match opened {
                Err(Errno::AGAIN) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Err(Errno::INTR) => {}
                opened => return opened,
            }
        }
    }
}

/// Opens `path` below `top` with a call for each part.
fn step_by_step(top: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut parts: Vec<&OsStr> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            _ => return Err(Errno::XDEV),
        }
    }
    let Some((last, above)) = parts.split_last() else {
        return Err(Errno::INVAL);
    };
    let mut folder: Option<OwnedFd> = None;
    for part in above {
        let here = folder.as_ref().map_or(top, AsFd::as_fd);
        let flags = NAME | OFlags::DIRECTORY;
        folder = Some(rustix::fs::openat(here, *part, flags, Mode::empty())?);
    }
    let here = folder.as_ref().map_or(top, AsFd::as_fd);
    rustix::fs::openat(here, *last, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::long_tests::is_long;
    use std::{
        fs,
        os::unix::fs::symlink,
        path::PathBuf,
        sync::atomic::{AtomicBool, Ordering},
        time::{Duration, Instant},
    };

    /// A folder, with things in it that lead out of it.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir_all(folder.path().join("outside/b")).unwrap();
        fs::write(folder.path().join("outside/b/c"), "from outside").unwrap();
        fs::write(top.join("a/b/c"), "inside").unwrap();
        symlink("../outside", top.join("out")).unwrap();
        symlink("a/b/c", top.join("link")).unwrap();
        symlink("a", top.join("behind")).unwrap();
        fifo(&top.join("pipe"));
        (folder, top)
    }

    fn fifo(path: &Path) {
        let mode = Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }

    /// The ways in which a folder is read: as here, and as where openat2 is refused.
    fn both(top: &Path) -> [Folder<'_>; 2] {
        let (one, mut other) = (Folder::open(top).unwrap(), Folder::open(top).unwrap());
        other.whole_ways = false;
        [one, other]
    }

    #[test]
    fn files_are_read_and_nothing_else() {
        let (_folder, top) = place();
        let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
        for folder in both(&top) {
            let text = folder.read_if_file(Path::new("a/b/c")).unwrap().unwrap();
            assert_eq!(text, b"inside");
            assert_eq!(folder.link(Path::new("link")).unwrap(), "a/b/c");
            for other in [
                "out/b/c",
                "link",
                "behind/b/c",
                "a/b",
                "pipe",
                "socket",
                "a/b/c/d",
            ] {
                let found = folder.file(Path::new(other));
                assert!(
                    matches!(found, Err(SourceError::Changed(_))),
                    "{other} {found:?}"
                );
            }
            for other in ["out/b/c", "a/b/c", "pipe", "a"] {
                assert!(folder.link(Path::new(other)).is_err(), "{other}");
            }
            for other in ["../outside/b/c", "/etc/passwd", ""] {
                assert!(folder.file(Path::new(other)).is_err(), "{other}");
            }
            let gone = folder.file(Path::new("a/none"));
            assert!(matches!(gone, Err(SourceError::Read { .. })), "{gone:?}");
            assert_eq!(folder.read_if_file(Path::new("none/none")).unwrap(), None);
        }
    }

    /// While `c` and the folder above it are swapped for symlinks and a pipe and back, as
    /// fast as that goes, a reader sees the content from inside or an error, and never waits.
    #[test]
    fn what_is_swapped_meanwhile_is_never_read() {
        let (_folder, top) = place();
        let put = |name: &str, make: &dyn Fn(&Path)| {
            let new = top.join("new");
            make(&new);
            // A folder cannot be replaced by a rename, so it is moved away first.
            if top.join(name).is_dir() && !top.join(name).is_symlink() {
                fs::rename(top.join(name), top.join("old")).unwrap();
            }
            fs::rename(&new, top.join(name)).unwrap();
        };
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    put("a/b/c", &|new| {
                        symlink("../../../outside/b/c", new).unwrap()
                    });
                    put("a/b/c", &|new| fifo(new));
                    put("a/b/c", &|new| fs::write(new, "inside").unwrap());
                    put("a", &|new| symlink("../outside", new).unwrap());
                    fs::remove_file(top.join("a")).unwrap();
                    fs::rename(top.join("old"), top.join("a")).unwrap();
                }
            });
            let end = Instant::now() + Duration::from_secs(if is_long() { 60 } else { 1 });
            let (mut read, mut refused) = (0, 0);
            let folders = both(&top);
            while Instant::now() < end || read == 0 || refused == 0 {
                for folder in &folders {
                    match folder.read_if_file(Path::new("a/b/c")) {
                        Ok(Some(text)) => {
                            read += 1;
                            assert!(text == b"inside" || text == b"", "{text:?}");
                        }
                        _ => refused += 1,
                    }
                }
                assert!(
                    Instant::now() < end + Duration::from_secs(60),
                    "{read} {refused}"
                );
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
