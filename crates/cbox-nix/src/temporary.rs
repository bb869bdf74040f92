//! Temporary folders that the next run removes where this one was killed.
//!
//! A run holds the lock of each of its folders, and the kernel lets go of it however the run
//! ends. So what nobody holds is left over. It can have local settings in it, and is removed;
//! but only a folder that looks as cbox makes them, of this user, not through a link, and not
//! for longer than the next run may take for it.

use std::{
    ffi::OsStr,
    fs::{File, Permissions, TryLockError},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
    time::Instant,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, unlinkat},
    io::Errno,
    process::geteuid,
};
use tempfile::TempDir;

/// What the names of temporary folders begin with.
pub const PREFIX: &str = "cbox-";

/// How many random letters and digits follow. A folder that somebody calls `cbox-backup` has
/// none of cbox's names.
const RANDOM: usize = 12;

/// A folder is opened itself, and not what a link in its place leads to.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// How often a new folder is made anew that another run has taken for one left over.
const TRIES: usize = 100;

/// A folder that goes with this value, or with the next run.
#[derive(Debug)]
pub struct TemporaryFolder {
    folder: TempDir,
    /// Its lock; none where the file system has no locks.
    _alive: Option<File>,
}

impl TemporaryFolder {
    /// Makes one where temporary files go.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir(), PREFIX)
    }

    /// Makes one in `parent`, whose name begins with `prefix`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new_in(parent: &Path, prefix: &str) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        // Local settings go there, which are for nobody else.
        let private = Permissions::from_mode(Mode::RWXU.as_raw_mode());
        builder
            .prefix(prefix)
            .rand_bytes(RANDOM)
            .permissions(private);
        for _ in 0..TRIES {
            let folder = builder.tempdir_in(parent)?;
            let alive = match open(folder.path()) {
                // Between the two steps another run can have removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => File::from(opened?),
            };
            match alive.try_lock() {
                // That run looks at it right now.
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(_)) => {
                    return Ok(Self {
                        folder,
                        _alive: None,
                    });
                }
                Ok(()) if folder.path().is_dir() => {
                    return Ok(Self {
                        folder,
                        _alive: Some(alive),
                    });
                }
                Ok(()) => {}
            }
        }
        Err(io::Error::other("other runs of cbox keep removing it"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A folder that a run has left that was killed.
#[derive(Debug)]
pub struct Leftover {
    path: PathBuf,
    folder: OwnedFd,
}

impl Leftover {
    /// The folder at `path`, if this user has made it and no run holds its lock. With the value
    /// this run holds it.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        let folder = open(path).ok()?;
        let is_own = fstat(&folder).is_ok_and(|found| found.st_uid == geteuid().as_raw());
        let folder = File::from(folder);
        (is_own && folder.try_lock().is_ok()).then(|| Self {
            path: path.to_owned(),
            folder: folder.into(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all that is in it, as far as that is done at `end`. Whether it is gone.
    ///
    /// # Errors
    /// When something in it cannot be removed, a mounted file system say.
    pub fn remove(&self, end: Instant) -> io::Result<bool> {
        let here = fstat(&self.folder)?;
        if !empty(self.folder.as_fd(), &here, end)? {
            return Ok(false);
        }
        // What is there now may be another folder; only an empty one goes.
        match std::fs::remove_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(true),
        }
    }
}

/// Removes what killed runs have left in `parent`, where temporary files go, until `end` at the
/// latest. Gives the number of folders that are gone. What cannot be removed is left to the next
/// run.
#[must_use]
pub fn sweep(parent: &Path, end: Instant) -> usize {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .take_while(|_| Instant::now() < end)
        .filter(|entry| is_called_so(&entry.file_name()))
        .filter_map(|entry| Leftover::at(&entry.path()))
        .filter(|leftover| fstat(&leftover.folder).is_ok_and(|found| is_private(&found)))
        .filter(|leftover| leftover.remove(end).is_ok_and(|is_gone| is_gone))
        .count()
}

/// Whether cbox gives such names.
fn is_called_so(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Whether nobody else may look into it, which is how these folders are made.
fn is_private(found: &Stat) -> bool {
    Mode::from_raw_mode(found.st_mode) == Mode::RWXU
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, FOLDER, Mode::empty())?)
}

/// Removes what is in `folder`, on the file system of `top` alone. `false` when `end` came.
fn empty(folder: BorrowedFd<'_>, top: &Stat, end: Instant) -> io::Result<bool> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        match unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR) => {}
            Err(error) => return Err(error.into()),
        }
        let inner = openat(folder, name, FOLDER, Mode::empty())?;
        let found = fstat(&inner)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Directory
            || found.st_dev != top.st_dev
        {
            return Err(Errno::XDEV.into());
        }
        if !empty(inner.as_fd(), top, end)? {
            return Ok(false);
        }
        match unlinkat(folder, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink, time::Duration};

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// A folder as a killed run leaves it.
    fn left_over(parent: &Path, letter: &str) -> PathBuf {
        let folder = parent.join(format!("{PREFIX}{}", letter.repeat(RANDOM)));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/c"), "secret").unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_run_left_goes_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let precious = parent.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "").unwrap();
        let left = left_over(parent.path(), "a");
        symlink(&precious, left.join("a/link")).unwrap();
        let alive = TemporaryFolder::new_in(parent.path(), PREFIX).unwrap();
        // A link in the place of a folder, a folder that others may see, names of others.
        symlink(&precious, parent.path().join("cbox-bbbbbbbbbbbb")).unwrap();
        let open = left_over(parent.path(), "c");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["cbox-backup", "cbox-test-abcdefg", "cbox-"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let mut before = names(parent.path());
        assert_eq!(sweep(parent.path(), later()), 1);
        before.retain(|name| *name != "cbox-aaaaaaaaaaaa");
        assert_eq!(names(parent.path()), before);
        assert_eq!(names(&precious), ["file"]);
        drop(alive);
        assert_eq!(sweep(parent.path(), later()), 0);
    }

    /// As the one that is made looks, the one looks that is removed.
    #[test]
    fn one_whose_run_was_killed_goes() {
        let parent = tempfile::tempdir().unwrap();
        let made = TemporaryFolder::new_in(parent.path(), PREFIX).unwrap();
        let TemporaryFolder { folder, _alive } = made;
        let path = folder.keep();
        assert_eq!(sweep(parent.path(), later()), 0, "it has its lock");
        drop(_alive);
        assert_eq!(sweep(parent.path(), later()), 1);
        assert!(!path.exists());
    }

    #[test]
    fn it_takes_no_longer_than_it_may() {
        let parent = tempfile::tempdir().unwrap();
        let left = left_over(parent.path(), "a");
        assert_eq!(sweep(parent.path(), Instant::now()), 0);
        let leftover = Leftover::at(&left).unwrap();
        assert!(!leftover.remove(Instant::now()).unwrap());
        assert!(leftover.remove(later()).unwrap());
        assert!(names(parent.path()).is_empty());
    }

    /// Folders are made while others look for those left over: none is lost that is in use.
    #[test]
    fn a_new_folder_is_never_taken_for_one_left_over() {
        let parent = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let _gone = sweep(parent.path(), later());
                    }
                });
            }
            for _ in 0..200 {
                let folder = TemporaryFolder::new_in(parent.path(), PREFIX).unwrap();
                fs::write(folder.path().join("file"), "").unwrap();
                std::thread::yield_now();
                assert!(folder.path().join("file").is_file());
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
