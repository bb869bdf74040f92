//! The drive that is written to, open and ours alone.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::{FileExt as _, MetadataExt as _},
};

use camino::Utf8Path;
use rustix::{
    fs::{Advice, Mode, OFlags, fadvise, fdatasync, major, minor, open},
    io::Errno,
};

use super::copy::Medium;
use crate::{
    error::{Error, Kind},
    flash::block_devices::Number,
};

/// An open drive.
#[derive(Debug)]
pub struct Device {
    file: File,
    size: u64,
}

impl Device {
    /// Opens the drive with this number, which people know as `shown`, for nobody else: what is
    /// mounted, swapped to or part of something cannot be opened so, nor can that be done to it as
    /// long as it is open.
    pub fn open(path: &Utf8Path, display_path: &Utf8Path, number: Number) -> Result<Self, Error> {
        let device = Self::with(path, display_path, OFlags::EXCL)?;
        let metadata = device.file.metadata();
        let opened = metadata
            .map_err(|error| not_opened(display_path, error))?
            .rdev();
        // A drive that was plugged in meanwhile may have the name of the one that was shown.
        if (major(opened), minor(opened)) != number {
            return Err(Error::new(
                Kind::Environment,
                format!("{display_path} is a different drive now"),
            )
            .hint("look at it again: `cbox flash --dry-run` shows what is on it"));
        }
        Ok(device)
    }

    /// Opens a file that is to be written to as a drive of its size.
    pub fn open_file(path: &Utf8Path, display_path: &Utf8Path) -> Result<Self, Error> {
        Self::with(path, display_path, OFlags::empty())
    }

    fn with(path: &Utf8Path, display_path: &Utf8Path, flags: OFlags) -> Result<Self, Error> {
        let opened = open(
            path.as_std_path(),
            OFlags::RDWR | OFlags::CLOEXEC | flags,
            Mode::empty(),
        );
        let mut file = File::from(opened.map_err(|error| not_opened(display_path, error.into()))?);
        let size = file.seek(SeekFrom::End(0));
        let size = size.map_err(|error| not_opened(display_path, error))?;
        Ok(Self { file, size })
    }
}

impl Medium for Device {
    fn size(&self) -> u64 {
        self.size
    }

    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(fdatasync(&self.file)?)
    }

    fn forget(&mut self) -> io::Result<()> {
        Ok(fadvise(&self.file, 0, None, Advice::DontNeed)?)
    }

    fn read(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }
}

fn not_opened(path: &Utf8Path, error: io::Error) -> Error {
    let hint = match Errno::from_io_error(&error) {
        Some(Errno::BUSY) => {
            return Error::new(
                Kind::Environment,
                format!("{path} is in use: another program has opened it exclusively"),
            )
            .hint(format!(
                "end that program first; `sudo fuser --verbose {path}` shows it"
            ));
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            "only root writes to drives: `sudo \"$(command -v cbox)\" flash …`"
        }
        Some(Errno::NOMEDIUM) => "insert a medium, or name another drive; `lsblk` shows them",
        Some(Errno::ROFS) => "it is read-only: name another drive",
        _ => "",
    };
    Error::file(Kind::Environment, "write to", path, &error).hint(hint)
}
