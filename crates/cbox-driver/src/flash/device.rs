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
    process::geteuid,
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
    /// Whether it is a file of holes as far as nothing was written to it, so that zeros need not be.
    is_empty: bool,
}

/// How much of a new file stays a hole where it would be empty.
const HOLE: usize = 1 << 16;

impl Device {
    /// Opens the drive with this number, which people know as `shown`, for nobody else: what is
    /// mounted, swapped to or part of something cannot be opened so, nor can that be done to it as
    /// long as it is open.
    pub fn open(path: &Utf8Path, display_path: &Utf8Path, number: Number) -> Result<Self, Error> {
        let device = Self::with(path, display_path, OFlags::EXCL, 0)?;
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
        Self::with(path, display_path, OFlags::empty(), 0)
    }

    /// Makes a file of `size` bytes that is to be written to as a drive. It is not there before.
    pub fn create(
        path: &Utf8Path,
        display_path: &Utf8Path,
        size: u64,
        mode: u32,
    ) -> Result<Self, Error> {
        let flags = OFlags::CREATE | OFlags::EXCL;
        let mut device = Self::with(path, display_path, flags, mode)?;
        let sized = device.file.set_len(size);
        sized.map_err(|error| {
            // It was made a moment ago, and a second fault says nothing more.
            std::fs::remove_file(path).ok();
            Error::file(Kind::Output, "write to", display_path, &error)
                .hint("free some space for the file, or name another")
        })?;
        device.size = size;
        device.is_empty = true;
        Ok(device)
    }

    fn with(
        path: &Utf8Path,
        display_path: &Utf8Path,
        flags: OFlags,
        mode: u32,
    ) -> Result<Self, Error> {
        let opened = open(
            path.as_std_path(),
            OFlags::RDWR | OFlags::CLOEXEC | flags,
            Mode::from_raw_mode(mode),
        );
        let mut file = File::from(opened.map_err(|error| not_opened(display_path, error.into()))?);
        let size = file.seek(SeekFrom::End(0));
        let size = size.map_err(|error| not_opened(display_path, error))?;
        Ok(Self {
            file,
            size,
            is_empty: false,
        })
    }
}

impl Medium for Device {
    fn size(&self) -> u64 {
        self.size
    }

    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        if !self.is_empty {
            return self.file.write_all_at(bytes, at);
        }
        let holes = bytes.chunks(HOLE).zip((at..).step_by(HOLE));
        for (chunk, at) in holes {
            if chunk.iter().any(|byte| *byte != 0) {
                self.file.write_all_at(chunk, at)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(fdatasync(&self.file)?)
    }

    fn forget(&mut self) -> io::Result<()> {
        self.is_empty = false;
        Ok(fadvise(&self.file, 0, None, Advice::DontNeed)?)
    }

    fn read(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }
}

fn not_opened(path: &Utf8Path, error: io::Error) -> Error {
    refused(path, &error, geteuid().is_root())
}

fn refused(path: &Utf8Path, error: &io::Error, is_root: bool) -> Error {
    let number = Errno::from_io_error(error);
    let hint = match number {
        Some(Errno::BUSY) => {
            return Error::new(
                Kind::Environment,
                format!("{path} is in use: another program has opened it exclusively"),
            )
            .hint(format!(
                "end that program first; `sudo fuser --verbose {path}` shows it, and `lsblk` outside \
                 of this container what is mounted or made of the drive there"
            ));
        }
        Some(Errno::ACCESS | Errno::PERM) if !is_root => {
            "only root writes to drives: `sudo \"$(command -v cbox)\" flash …`"
        }
        Some(Errno::PERM) => {
            "root may not do this here either: a container has to be given the drive \
             (`--device`), or run cbox outside of it"
        }
        Some(Errno::ACCESS) => {
            "not even root may write to it: cards and sticks have a switch for this, `blockdev --setrw` \
             lifts it elsewhere, and a container has to be given the drive (`--device`)"
        }
        Some(Errno::NOMEDIUM) => "insert a medium, or name another drive; `lsblk` shows them",
        Some(Errno::ROFS) => "it is read-only: name another drive",
        _ => "",
    };
    Error::file(Kind::Environment, "write to", path, error).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_drive_from_being_opened_is_explained() {
        let hint = |number: Errno, is_root: bool| {
            let error = refused("/dev/sdb".into(), &number.into(), is_root);
            assert_eq!(error.kind, Kind::Environment);
            assert!(error.message.contains("/dev/sdb"), "{error:?}");
            error.hint.unwrap_or_default()
        };
        for number in [Errno::ACCESS, Errno::PERM] {
            assert!(hint(number, false).starts_with("only root writes to drives: `sudo"));
        }
        assert!(hint(Errno::PERM, true).contains("a container has to be given the drive"));
        assert!(hint(Errno::ACCESS, true).contains("cards and sticks have a switch"));
        for is_root in [true, false] {
            assert!(hint(Errno::BUSY, is_root).contains("fuser"));
            assert!(hint(Errno::NOMEDIUM, is_root).contains("medium"));
        }
    }
}
