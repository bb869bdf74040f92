//! Writing an image to a drive: which drive it is, what is on it and whether it may be erased
//! ([`kernel`], [`content`], [`drive`]), the drive as something open ([`device`]), writing and comparing ([`copy`]),
//! and secrets that are put on it besides ([`secrets`]). This file finds the drive, runs the copy beside the view, and says what became of it.

pub mod block_devices;
mod content;
mod copy;
mod device;
mod drive;
mod kernel;
pub mod secrets;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{Interrupt, Signal, process::Command, regular_file};
use rustix::fs::{major, minor};

use self::{
    copy::{Cause, Expected, Failure, State},
    device::Device,
    kernel::{BlockDevice, Kernel},
    secrets::{Partition, Secrets},
};
use crate::{
    error::{Error, Kind},
    flake::session::Hears,
    flash::block_devices::Number,
    image::{ImageFile, reader::Reader},
    process::blocking::blocking,
    progress::follow::{Called, follow},
    text::size,
};

pub use self::drive::Drive;

/// What is to be erased.
#[derive(Debug)]
pub struct Place {
    /// Its path as the user has it.
    pub display_path: Utf8PathBuf,
    /// The path, as the system has it.
    pub path: Utf8PathBuf,
    /// What the kernel says of it.
    pub drive: Drive,
    /// The number of the device; `None` for a file.
    number: Option<Number>,
    /// Whether it is a file that is not there yet.
    is_new: bool,
}

/// What kind of thing is meant by the path of a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// A drive.
    Drive,
    /// A file that is there, and is written to like a drive of its size.
    File,
    /// A file that is not there, and becomes as large as the image.
    NewFile,
}

/// Where no drive is: none is suggested by its spelling, since it is erased if that is believed.
const DRIVES: &str = "`lsblk -o NAME,SIZE,MODEL` shows the drives";

/// What was written, and how long that took.
#[derive(Debug, Clone)]
pub struct Flashed {
    /// How many bytes the drive has of the image.
    pub bytes: u64,
    /// The SHA-256 of the image file.
    pub sha256: String,
    /// How long the image was written.
    pub writing: Duration,
    /// How long it was read back.
    pub comparing: Duration,
    /// Where the secrets are, if there are any.
    pub secrets: Option<Partition>,
}

impl Place {
    /// Finds the drive at `path`, which people know as `shown`, and checks that it may be
    /// erased and takes `source`.
    ///
    /// A file can only be meant where `wanted` says so: it is good for trying things, and for
    /// drives that are passed on to a virtual machine, but a file that has the name of a drive
    /// by mistake, or a drive that is none any more, has to be told from it. For the same reason
    /// a file is only made where a new one is wanted.
    pub fn find(
        path: Utf8PathBuf,
        display_path: &Utf8Path,
        wanted: PlaceKind,
        source: &ImageFile,
    ) -> Result<Self, Error> {
        let wrong = |message: String| Error::new(Kind::Usage, message);
        let is_file = match wanted {
            PlaceKind::NewFile => return Self::new_file(path, display_path, source),
            PlaceKind::File => true,
            PlaceKind::Drive => false,
        };
        let kernel = Kernel::read(Path::new("/"));
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(match is_file {
                    true => wrong(format!("there is no file {display_path}"))
                        .hint(format!("`truncate --size 8G {display_path}` makes one")),
                    false => wrong(format!("there is no drive {display_path}")).hint(DRIVES),
                });
            }
            Err(error) => return Err(Error::file(Kind::Usage, "look at", display_path, &error)),
        };
        let kind = metadata.file_type();
        let place = |drive, number| Self {
            display_path: display_path.to_owned(),
            path: path.clone(),
            drive,
            number,
            is_new: false,
        };
        let place = match (kind.is_block_device(), kind.is_file()) {
            (true, _) if is_file => {
                return Err(wrong(format!("{display_path} is a drive, not a file"))
                    .hint("leave out `--file` to write to the drive"));
            }
            (true, _) => {
                let number = (major(metadata.rdev()), minor(metadata.rdev()));
                let mut drive = whole(&kernel, number, display_path)?;
                drive.examine(File::open(&path));
                place(drive, Some(number))
            }
            (_, true) if is_file => {
                let image = fs::metadata(&source.image.path).ok();
                if image.is_some_and(|image| {
                    (image.dev(), image.ino()) == (metadata.dev(), metadata.ino())
                }) {
                    return Err(wrong(format!("{display_path} is the image itself")));
                }
                let name = display_path.file_name().unwrap_or(display_path.as_str());
                place(Drive::of_file(name, metadata.len()), None)
            }
            (_, true) => {
                return Err(wrong(format!("{display_path} is a file, not a drive"))
                    .hint("use `--file` to write to it like a drive of its size"));
            }
            (_, false) => {
                return Err(wrong(format!("{display_path} is not a drive")).hint(DRIVES));
            }
        };
        let least = source.unpacked_size().at_least();
        place.drive.check(display_path, least)?;
        Ok(place)
    }

    /// A file that is to be made, as large as the image.
    fn new_file(
        path: Utf8PathBuf,
        display_path: &Utf8Path,
        source: &ImageFile,
    ) -> Result<Self, Error> {
        let wrong = |message: String| Error::new(Kind::Usage, message);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(wrong(format!("{display_path} is there already")).hint(
                "name a file that is not there yet, or use `--file` to write over this one",
            ));
        }
        let folder = path.parent().unwrap_or(&path);
        if !folder.is_dir() {
            return Err(
                wrong(format!("there is no folder {folder} for {display_path}"))
                    .hint("make it, or name another file"),
            );
        }
        let Some(size) = source.unpacked_size().exact() else {
            let message = format!(
                "{} does not say how large it is when it is unpacked",
                source.name
            );
            return Err(Error::new(Kind::Unsupported, message)
                .hint("unpack it first, or use `--file` to write to a file that is large enough"));
        };
        let name = display_path.file_name().unwrap_or(display_path.as_str());
        Ok(Self {
            drive: Drive::of_file(name, size),
            display_path: display_path.to_owned(),
            path,
            number: None,
            is_new: true,
        })
    }

    /// Whether it is a file that is not there yet, so that nothing is lost.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether it is a file that others can read.
    pub fn is_open_to_others(&self) -> bool {
        let mode = || Some(fs::metadata(&self.path).ok()?.mode());
        self.number.is_none() && mode().is_some_and(|mode| mode & 0o044 != 0)
    }

    /// Opens it for nobody else. A new file is made, for its owner alone where `is_private`.
    pub fn open(&self, is_private: bool) -> Result<Device, Error> {
        match self.number {
            _ if self.is_new => {
                let (size, mode) = (self.drive.size, if is_private { 0o600 } else { 0o666 });
                Device::create(&self.path, &self.display_path, size, mode)
            }
            Some(number) => Device::open(&self.path, &self.display_path, number),
            None => Device::open_file(&self.path, &self.display_path),
        }
    }

    /// The error of a signal that came before anything was written.
    pub fn untouched(&self, signal: Signal) -> Error {
        let state = State::Untouched;
        let failure = Failure {
            cause: Cause::Stopped,
            state,
        };
        self.failed(failure, Some(signal), None)
    }

    /// Has the kernel look at the partitions anew. Where udev runs, it does so by itself when
    /// the drive is closed. Answers whether the kernel knows them now.
    pub async fn reread(&self, interrupt: &Interrupt) -> bool {
        let words = ["--rereadpt", self.path.as_str()];
        self.number.is_none() || Command::new("blockdev", words).run(interrupt).await.is_ok()
    }

    /// Writes an image to it, and then secrets, and compares what is on it then. A file that was
    /// made for it goes with a failure.
    pub async fn flash(
        &self,
        device: Device,
        source: &ImageFile,
        secrets: Option<Secrets>,
        hears: Hears<'_>,
    ) -> Result<Flashed, Error> {
        let flashed = self.write(device, source, secrets, hears).await;
        if flashed.is_err() && self.is_new {
            let removed = fs::remove_file(&self.path);
            removed.map_err(|error| Error::file(Kind::Output, "remove", &self.path, &error))?;
        }
        flashed
    }

    async fn write(
        &self,
        device: Device,
        source: &ImageFile,
        secrets: Option<Secrets>,
        (reporter, interrupt): Hears<'_>,
    ) -> Result<Flashed, Error> {
        let (name, length) = (&self.drive.name, source.unpacked_size().exact());
        let title = format!("flashing {name}");
        let path = &source.image.path;
        let open = || {
            let image = regular_file::open(path);
            image.map_err(|error| Error::file(Kind::Artifact, "read", path, &error))
        };
        let compression = source.image.packing.map(|packing| packing.compression);
        let (image, again, mut device) = (open()?, open()?, device);
        let begun = Instant::now();
        let called = |what, done| Called {
            what,
            title: Some(&title),
            done: Some(done),
        };
        let writing = format!("writing to {name}");
        let called_so = called(&writing, "wrote");
        let (sha256, total) = (source.sha256.clone(), length.unwrap_or(0));
        let written = follow(reporter, interrupt, called_so, total, move |watch| {
            let expected = Expected {
                length,
                sha256: sha256.as_deref(),
            };
            let mut image = Reader::new(image, compression);
            copy::write(&mut image, expected, &mut device, watch).map(|written| (device, written))
        });
        let written = written.await;
        let signal = interrupt.signal();
        let written = written.map_err(|failure| self.failed(failure, signal, length));
        let (mut device, written) = written?;
        let bytes = written.bytes;
        let writing = begun.elapsed();
        let comparing = format!("comparing {name}");
        let called_so = called(&comparing, "compared");
        let compared = follow(reporter, interrupt, called_so, bytes, move |watch| {
            let mut again = Reader::new(again, compression);
            copy::compare(&mut again, bytes, &mut device, watch).map(|()| device)
        });
        let compared = compared.await;
        let signal = interrupt.signal();
        let mut device = compared.map_err(|failure| self.failed(failure, signal, length))?;
        let comparing = begun.elapsed().saturating_sub(writing);
        let partition = match secrets {
            None => None,
            // A few blocks, which no signal cuts short.
            Some(secrets) => {
                let path = self.display_path.to_string();
                Some(blocking(move || secrets.put(&mut device, &path)).await?)
            }
        };
        Ok(Flashed {
            bytes,
            sha256: written.sha256,
            writing,
            comparing,
            secrets: partition,
        })
    }

    /// Why a copy has ended early, and what is on the drive now.
    fn failed(&self, failure: Failure, signal: Option<Signal>, length: Option<u64>) -> Error {
        let path = &self.display_path;
        let state = match failure.state {
            _ if self.is_new => format!("{path} was not made"),
            State::Untouched => format!("nothing was written to {path}"),
            State::Partly(done) => format!(
                "{}{} were written to {path}, which cannot boot now and has lost its contents",
                size(done),
                length.map_or_else(String::new, |length| format!(" of {}", size(length)))
            ),
            State::Written => format!("{path} was written, but not compared"),
        };
        let (kind, message) = match failure.cause {
            Cause::Stopped => {
                let signal = signal.unwrap_or(Signal::Terminate);
                (
                    Kind::Interrupted(signal),
                    format!("stopped by {signal}: {state}"),
                )
            }
            Cause::Image(error) => (
                Kind::Artifact,
                format!("cannot read the image: {error}; {state}"),
            ),
            Cause::Changed(hash) => (
                Kind::Artifact,
                format!("the image is not the one that was built (its SHA-256 is {hash}); {state}"),
            ),
            Cause::TooLarge => (
                Kind::Environment,
                format!(
                    "the image is larger than {path}, which has {} ({} bytes); {state}",
                    size(self.drive.size),
                    self.drive.size
                ),
            ),
            Cause::Write { from, to, error } => (
                Kind::Output,
                format!("cannot write the bytes from {from} to {to} of {path}: {error}; {state}"),
            ),
            Cause::Read { at, error } => (
                Kind::Output,
                format!("cannot read {path} back from byte {at} on: {error}; {state}"),
            ),
            Cause::Differs { at } => (
                Kind::Output,
                format!("byte {at} of {path} differs from what was written: do not use it"),
            ),
        };
        Error::new(kind, message).hint(self.way_on(&kind, failure.state))
    }

    fn way_on(&self, kind: &Kind, state: State) -> &'static str {
        match (kind, state) {
            (Kind::Environment, _) => "name a bigger drive",
            (_, State::Untouched) => "",
            (Kind::Output, _) if self.number.is_none() => {
                "free some space for the file, or name another"
            }
            (Kind::Output, _) => "`dmesg` may tell more; try another port, then another drive",
            (Kind::Artifact, _) => {
                "download or build the image again; `nix store verify --all` tells whether the store is damaged"
            }
            _ => "run it again",
        }
    }
}

/// The drive with this number.
fn whole(kernel: &Kernel, number: Number, display_path: &Utf8Path) -> Result<Drive, Error> {
    match kernel.device(number) {
        Some(BlockDevice::Whole(drive)) => Ok(*drive),
        Some(BlockDevice::Partition(drive)) => Err(Error::new(
            Kind::Usage,
            format!("{display_path} is a partition, but an image takes a whole drive"),
        )
        .hint(format!(
            "its drive is /dev/{drive}; everything on that would be erased"
        ))),
        None => Err(Error::new(
            Kind::Environment,
            format!("the kernel has no entry for {display_path} in /sys"),
        )
        .hint("outside a container it has one")),
    }
}
