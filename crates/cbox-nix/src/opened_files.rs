//! Which files below a folder were opened while something ran, as the kernel tells by inotify.
//!
//! Each folder is watched, so that an event names the file by the folder it was opened in, also
//! where the store shares equal files by hard links. No privileges are needed, and whoever
//! opens a file is seen: what is told is at least what the watched process opened. Whether a
//! path exists, what it is and where a link leads can be asked without opening anything.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsStr,
    io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};

/// How long the thread waits for events before it looks whether it is to end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Folders under watch.
#[derive(Debug)]
pub struct OpenedFiles {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<BTreeSet<PathBuf>>>>,
}

impl OpenedFiles {
    /// Watches `folders`, paths below `top` (with the empty one for `top` itself).
    ///
    /// # Errors
    /// When the kernel does not let them be watched: without inotify, or when there are more
    /// than it allows.
    pub fn watch(top: &Path, folders: &BTreeSet<PathBuf>) -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut watched = HashMap::new();
        let flags = WatchFlags::OPEN | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW;
        for folder in folders {
            let descriptor = inotify::add_watch(&queue, top.join(folder), flags)?;
            watched.insert(descriptor, folder.clone());
        }
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("opened files".to_owned())
            .spawn(move || read_events(&queue, &watched, &told))?;
        Ok(Self {
            ended,
            thread: Some(thread),
        })
    }

    /// Ends the watch: the files that were opened, as paths below the top.
    ///
    /// # Errors
    /// When the kernel lost events, so that more files can have been opened.
    pub fn end(mut self) -> io::Result<BTreeSet<PathBuf>> {
        self.ended.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(opened)) => opened,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(BTreeSet::new()),
        }
    }
}

impl Drop for OpenedFiles {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// Takes events from the queue as they come, since it holds no more than some thousands, until
/// it is told to end and has come to the end of them.
fn read_events(
    queue: &OwnedFd,
    watched: &HashMap<i32, PathBuf>,
    ended: &AtomicBool,
) -> io::Result<BTreeSet<PathBuf>> {
    let mut opened = BTreeSet::new();
    let mut buffer = [MaybeUninit::uninit(); 64 << 10];
    loop {
        // Asked before the queue is read: what is opened before the end is in it by then.
        let is_last = ended.load(Ordering::Acquire);
        let mut events = inotify::Reader::new(queue, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                return Err(io::Error::other("the kernel lost events"));
            }
            // What folders hold is told by their names, not by having opened them.
            if event.events().contains(ReadFlags::ISDIR) {
                continue;
            }
            let (folder, name) = (watched.get(&event.wd()), event.file_name());
            if let (Some(folder), Some(name)) = (folder, name) {
                opened.insert(folder.join(OsStr::from_bytes(name.to_bytes())));
            }
        }
        if is_last {
            return Ok(opened);
        }
        let mut fds = [PollFd::new(queue, PollFlags::IN)];
        match poll(&mut fds, Some(&PATIENCE)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folders(names: &[&str]) -> BTreeSet<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn the_files_that_are_opened_are_told_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir_all(top.join("a/b")).unwrap();
        for file in ["x", "a/x", "a/b/x", "a/b/y"] {
            fs::write(top.join(file), file).unwrap();
        }
        fs::hard_link(top.join("a/x"), top.join("a/b/shared")).unwrap();
        std::os::unix::fs::symlink("b/y", top.join("a/link")).unwrap();
        let watch = OpenedFiles::watch(top, &folders(&["", "a", "a/b"])).unwrap();
        fs::read(top.join("a/b/x")).unwrap();
        fs::read(top.join("a/b/shared")).unwrap();
        fs::read(top.join("a/link")).unwrap();
        fs::read_dir(top.join("a")).unwrap().for_each(drop);
        fs::metadata(top.join("x")).unwrap();
        fs::read_link(top.join("a/link")).unwrap();
        assert_eq!(
            watch.end().unwrap(),
            folders(&["a/b/shared", "a/b/x", "a/b/y"])
        );
    }

    #[test]
    fn a_hundred_thousand_opens_are_all_told() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        for number in 0..1000 {
            fs::write(top.join(number.to_string()), "").unwrap();
        }
        let watch = OpenedFiles::watch(top, &folders(&[""])).unwrap();
        for round in 0..100 {
            for number in 0..1000 {
                fs::File::open(top.join((number * 7 % 1000).to_string()))
                    .unwrap_or_else(|error| panic!("{round}: {error}"));
            }
        }
        assert_eq!(watch.end().unwrap().len(), 1000);
    }

    #[test]
    fn a_folder_that_is_none_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(OpenedFiles::watch(folder.path(), &folders(&["", "file"])).is_err());
        assert!(OpenedFiles::watch(folder.path(), &folders(&["", "gone"])).is_err());
    }
}
