//! Files that are whole or not there, also after a power cut.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::failure::{Code, Context, Result};

/// Makes the folders of README.md.
pub(crate) fn prepare(config: &Config) -> Result<()> {
    let shown = |name| config.runtime.join(name);
    // The desktop lists what there is to show; the files are its user's alone.
    for (folder, mode) in [
        (&config.state, 0o700),
        (&config.stamps, 0o700),
        (&config.unix, 0o700),
        (&config.runtime, 0o755),
        (&shown("console"), 0o700),
        (&shown("serial"), 0o700),
        (&shown("desktop"), 0o755),
    ] {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(mode)))
            .to("prepare", folder)?;
    }
    Ok(())
}

/// The lock of this file, until what it gives is dropped: one at a time. The renewal timer, a
/// reset and a restart after 'later' may meet.
pub(crate) fn lock(path: &Path, patience: Duration) -> Result<File> {
    let file = private().append(true).open(path).to("open", path)?;
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error).to("lock", path),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Code::Later.fail(format!("another start still holds {}", path.display()));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Whether a descriptor that a caller left open, who holds the lock, is one of the lock.
pub(crate) fn check_held(descriptor: &str, lock: &Path) -> Result<()> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let held = identity(&Path::new("/proc/self/fd").join(descriptor));
    if held.is_none() || held != identity(lock) {
        let text = format!("FIRST_BOOT_LOCK_FD does not have {} open", lock.display());
        return Code::Config.fail(format!("{text}: '{descriptor}'"));
    }
    Ok(())
}

/// Writes a file, as its owner's where that is another user.
pub(crate) fn write(
    path: &Path,
    mode: u32,
    owner: Option<u32>,
    content: &(impl AsRef<[u8]> + ?Sized),
) -> Result<()> {
    let new = path.with_added_extension("new");
    // It is private from its first moment; mode and owner are set before the name appears, and the
    // content is on the disk before the name is.
    let write = || {
        let mut file = private().write(true).truncate(true).open(&new)?;
        file.write_all(content.as_ref())?;
        fs::set_permissions(&new, Permissions::from_mode(mode))?;
        if owner.is_some() {
            chown(&new, owner, None)?;
        }
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(path.parent().unwrap_or(path))?.sync_all()
    };
    write().to("write", path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

/// The content of a file without the end of its line; none where it is missing or empty.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            Ok(Some(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        error => error.map(|_| None).to("read", path),
    }
}

/// Removes a file that may be gone.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.to("remove", path),
    }
}

/// Overwrites a file, which may be gone, and removes it. Flash memory may keep the old content
/// elsewhere: that no program can help.
pub(crate) fn erase(path: &Path) -> Result<()> {
    let overwrite = || {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let size = file.metadata()?.len();
        io::copy(&mut io::repeat(0).take(size), &mut file)?;
        file.sync_all()
    };
    match overwrite() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        result => result.to("overwrite", path)?,
    }
    remove(path)
}

/// Removes what is of one server's database: the token and the stamps.
pub(crate) fn forget_server(config: &Config) -> Result<()> {
    remove(&config.token_file)?;
    for entry in fs::read_dir(&config.stamps).to("list", &config.stamps)? {
        remove(&entry.to("list", &config.stamps)?.path())?;
    }
    Ok(())
}
