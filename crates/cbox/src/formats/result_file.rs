//! A file that the user names for a result: nothing is lost that cbox did not write there, and
//! what is there stays until the new one is whole.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
};

use camino::Utf8Path;
use cbox_driver::{
    error::{Error, Kind},
    text::text_file,
};
use rustix::fs::{Access, access};

/// How near to its beginning a file says what it is.
const HEAD: u64 = 1024;

/// Below which it may be: it is the user who says where.
const ANYWHERE: &str = "/";

/// A kind of file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResultFile {
    /// What it is: `the page`.
    pub(crate) what: &'static str,
    /// What makes such files.
    pub(crate) made_by: &'static str,
    /// What such a file has near its beginning.
    pub(crate) mark: &'static str,
    /// What to do where no file can be.
    pub(crate) hint: &'static str,
}

impl ResultFile {
    /// Checks that it can be written to `file`, which the user calls `display_path`: nothing is
    /// written over that is not of this kind.
    pub(crate) fn check(&self, file: &Utf8Path, display_path: &Utf8Path) -> Result<(), Error> {
        let failed = |reason: &dyn fmt::Display| self.failed(display_path, reason);
        let folder = file.parent().unwrap_or(Utf8Path::new("/"));
        if !folder.is_dir() {
            return Err(failed(&format!("there is no folder {folder}")));
        }
        if let Err(error) = access(folder.as_std_path(), Access::WRITE_OK) {
            return Err(failed(&io::Error::from(error)));
        }
        // A rename would put it in the place of a device.
        let place = text_file::within(file, ANYWHERE.into()).map_err(|error| failed(&error))?;
        let there = match place.metadata() {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&error)),
        };
        if !there.is_file() {
            return Err(failed(&"it is not a file").hint(self.hint));
        }
        let mut head = Vec::new();
        File::open(place)
            .and_then(|page| page.take(HEAD).read_to_end(&mut head))
            .map_err(|error| failed(&error))?;
        match String::from_utf8_lossy(&head).contains(self.mark) {
            true => Ok(()),
            false => {
                let reason = format!("`{}` did not make the file that is there", self.made_by);
                Err(failed(&reason).hint("remove it, or name another file"))
            }
        }
    }

    /// Writes what `text` gives to `file`, which the user calls `display_path`.
    pub(crate) fn write(
        &self,
        file: &Utf8Path,
        display_path: &Utf8Path,
        text: impl FnOnce() -> Result<String, Error>,
    ) -> Result<(), Error> {
        // Somebody may have put something there since it was checked.
        self.check(file, display_path)?;
        text_file::replace(file, ANYWHERE.into(), &text()?)
            .map_err(|error| self.failed(display_path, &error))
    }

    fn failed(&self, display_path: &Utf8Path, reason: &dyn fmt::Display) -> Error {
        let Self { what, .. } = self;
        Error::new(
            Kind::Output,
            format!("cannot write {what} {display_path}: {reason}"),
        )
    }
}
