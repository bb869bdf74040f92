//! Taking turns: what one run at a time does in a folder.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    time::Duration,
};

use camino::Utf8Path;
use cbox_nix::{Interrupt, NixError};
use rustix::fs::OFlags;

use crate::{
    error::Error,
    progress::{Event, Reporter},
};

/// How often is looked whether it is free.
const PAUSE: Duration = Duration::from_millis(20);

/// Locks `folder`, waiting for whoever has it. The lock goes with the value. `waiting` is what is
/// shown meanwhile, `failed` makes the error of a folder that cannot be locked.
///
/// # Errors
/// When it cannot be locked, or a signal comes.
pub async fn lock(
    (reporter, interrupt): (&dyn Reporter, &Interrupt),
    folder: &Utf8Path,
    waiting: &str,
    failed: impl Fn(&io::Error) -> Error,
) -> Result<File, Error> {
    let mut options = File::options();
    // What is there now may be no folder any more, but a pipe.
    let flags = OFlags::DIRECTORY.bits().cast_signed();
    let options = options.read(true).custom_flags(flags);
    let file = options.open(folder).map_err(|error| failed(&error))?;
    // Not by waiting in the call itself, which would not hear Ctrl-C.
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
            Err(TryLockError::WouldBlock) => {}
        }
        reporter.report(Event::Waiting(waiting));
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            signal = interrupt.wait() => {
                return Err(NixError::Interrupted(signal).into());
            }
        }
    }
}
