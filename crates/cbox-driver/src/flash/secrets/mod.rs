//! Secrets that go to a drive with an image, and never into the store: files in a folder of the
//! partition that firmware reads, which the machine takes at its first boot.
//!
//! What is written is made in memory first, over the image, so that all that can be wrong with the
//! image, the names or the room is told before the drive is touched. Once the image is on the drive
//! and compared, the same is made over the drive; the blocks that differ are written, read back
//! from the drive, and the files compared as a machine reads them.
//!
//! [`given`] reads the secrets, [`partition`] finds where they go, [`tables`] sees whether there is a
//! filesystem with room for them, and [`fat`] writes the files into an [`overlay`].

mod fat;
mod given;
mod overlay;
mod partition;
mod tables;
#[cfg(test)]
mod tests;

use std::{fs::File, io, os::unix::fs::FileExt as _};

use cbox_nix::regular_file;

use self::{
    fat::Trouble,
    overlay::{BLOCK, Base, Changes, Overlay},
    partition::NotFound,
};
use super::copy::Medium;
use crate::{
    error::{Error, Kind},
    image::{ImageFile, reader::Reader},
    text::{harmless, size},
};

pub use self::{
    given::{Secret, Secrets},
    partition::Partition,
};

/// The folder at the top of the partition that holds them.
pub const FOLDER: &str = "secrets";

/// How much of a compressed image is unpacked to look at its partition beforehand: partitions for
/// firmware are at the beginning, and the tables of a FAT at the beginning of these.
const PREFIX: u64 = 16 << 20;

impl Partition {
    /// As people are told of it: `partition 1 (BOXIMG-ESP)`.
    pub fn description(&self) -> String {
        match self.label.is_empty() {
            true => format!("partition {}", self.number),
            false => format!("partition {} ({})", self.number, harmless(&self.label, 36)),
        }
    }
}

/// Why the secrets cannot be on something.
#[derive(Debug)]
enum Refusal {
    Place(NotFound),
    Filesystem(Partition, Trouble),
}

/// What is written to a partition, and what it is.
fn plan(
    base: &mut dyn Base,
    total: u64,
    secrets: &Secrets,
) -> Result<(Partition, Changes), Refusal> {
    let partition = partition::find(base, total).map_err(Refusal::Place)?;
    let mut disk = Overlay::new(base, partition.start, partition.size);
    let planned =
        fat::put(&mut disk, &secrets.all).and_then(|()| disk.changes().map_err(Trouble::Damaged));
    match planned {
        Ok(changes) => Ok((partition, changes)),
        Err(trouble) => Err(Refusal::Filesystem(partition, trouble)),
    }
}

impl Secrets {
    /// Says why `source` cannot take them, or where they will be: `None` where only the drive
    /// will show it, as with a partition deep in a compressed image.
    ///
    /// # Errors
    /// When it has no place for them, no room, or something of their name.
    pub fn check(&self, source: &ImageFile) -> Result<Option<Partition>, Error> {
        let (name, image) = (&source.name, &source.image);
        if image.is_iso {
            let message = format!("{name} is an ISO, which has no place for secrets");
            return Err(Error::new(Kind::Unsupported, message)
                .hint("flash a raw disk image, whose EFI system partition takes them"));
        }
        let path = &image.path;
        let file = regular_file::open(path);
        let file = file.map_err(|error| Error::file(Kind::Artifact, "read", path, &error))?;
        let Some(packing) = image.packing else {
            let planned = plan(&mut OfFile(file), source.bytes, self);
            return match planned {
                Ok((partition, _)) => Ok(Some(partition)),
                Err(refusal) => Err(refusal.into_error(name)),
            };
        };
        let mut prefix = Prefix {
            reader: Reader::new(file, Some(packing.compression)),
            bytes: Vec::new(),
            is_left: false,
        };
        let total = packing.size.exact().unwrap_or(u64::MAX);
        match plan(&mut prefix, total, self) {
            Ok((partition, _)) => Ok(Some(partition)),
            Err(refusal) if !prefix.is_left => Err(refusal.into_error(name)),
            Err(Refusal::Filesystem(partition, _)) => Ok(Some(partition)),
            Err(Refusal::Place(_)) => Ok(None),
        }
    }

    /// Writes them to a drive that has the image, and compares them. `path` is its name for people.
    pub(super) fn put(&self, device: &mut impl Medium, path: &str) -> Result<Partition, Error> {
        let total = device.size();
        let planned = plan(&mut OfMedium(device), total, self);
        let (partition, changes) = planned.map_err(|refusal| refusal.into_error(path))?;
        write(device, &changes, path)?;
        let mut base = OfMedium(device);
        let mut disk = Overlay::new(&mut base, partition.start, partition.size);
        let compared = fat::compare(&mut disk, &self.all);
        drop(disk);
        match compared {
            Ok(()) => Ok(partition),
            Err(trouble) => Err(Refusal::Filesystem(partition, trouble).into_error(path)),
        }
    }
}

/// Writes blocks, and compares what the drive gives back. The tables of a FAT come before what
/// they lead to, so a cut in between leaves space that is taken by nothing, and no file that leads
/// anywhere else.
fn write(device: &mut impl Medium, changes: &Changes, path: &str) -> Result<(), Error> {
    let failed = |message: String| Error::new(Kind::Output, message);
    for (at, block) in &changes.0 {
        let written = device.write(block, *at);
        written.map_err(|error| {
            failed(format!(
                "cannot write the secrets at byte {at} of {path}: {error}"
            ))
        })?;
    }
    device
        .settle()
        .map_err(|error| failed(format!("cannot write the secrets to {path}: {error}")))?;
    device
        .forget()
        .map_err(|error| failed(format!("cannot read the secrets back from {path}: {error}")))?;
    let mut found = [0; BLOCK];
    for (at, block) in &changes.0 {
        let read = device.read(&mut found, *at);
        read.map_err(|error| {
            failed(format!(
                "cannot read the secrets back at byte {at} of {path}: {error}"
            ))
        })?;
        if found != *block {
            return Err(failed(format!(
                "what {path} has of the secrets at byte {at} differs from what was written: do not use it"
            )));
        }
    }
    Ok(())
}

impl Refusal {
    /// The error for `name`, an image or a drive.
    fn into_error(self, name: &str) -> Error {
        let error = |kind, message: String, hint: &str| Error::new(kind, message).hint(hint);
        let (partition, trouble) = match self {
            Self::Filesystem(partition, trouble) => (partition.description(), trouble),
            Self::Place(NotFound::Read(reason)) => {
                return Error::file(Kind::Artifact, "read the partitions of", name, &reason);
            }
            Self::Place(NotFound::NoTable | NotFound::NoPartition) => {
                return error(
                    Kind::Unsupported,
                    format!(
                        "{name} has no EFI system partition and no other FAT partition for secrets"
                    ),
                    "flash it without `--secret`, or an image that has such a partition",
                );
            }
            Self::Place(NotFound::Damaged(what)) => {
                return error(
                    Kind::Artifact,
                    format!("{name} is damaged where secrets would go: {what}"),
                    AGAIN,
                );
            }
        };
        match trouble {
            Trouble::NoFilesystem(reason) => error(
                Kind::Artifact,
                format!(
                    "{partition} of {name} is no FAT filesystem that secrets can go to: {reason}"
                ),
                AGAIN,
            ),
            Trouble::Full { needed, free } => error(
                Kind::Unsupported,
                format!(
                    "the secrets need {} on {partition} of {name}, which has {} free",
                    size(needed),
                    size(free)
                ),
                "give it fewer or smaller ones, or build the image with a larger partition",
            ),
            Trouble::There => error(
                Kind::Unsupported,
                format!("{partition} of {name} has a folder `{FOLDER}` already"),
                "leave that out of the image: with it, nobody knows which secrets count",
            ),
            Trouble::Damaged(reason) => error(
                Kind::Artifact,
                format!("{partition} of {name} does not take the secrets: {reason}"),
                AGAIN,
            ),
            Trouble::Differs(secret) => error(
                Kind::Output,
                format!(
                    "the secret {secret} on {partition} of {name} differs from what was written"
                ),
                "try another port, then another drive",
            ),
        }
    }
}

/// The way out of a damaged image.
const AGAIN: &str = "download or build the image again";

struct OfFile(File);

impl Base for OfFile {
    fn read_at(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, at)
    }
}

struct OfMedium<'m, M>(&'m mut M);

impl<M: Medium> Base for OfMedium<'_, M> {
    fn read_at(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read(bytes, at)
    }
}

/// The beginning of a compressed image; what is behind is taken for empty.
struct Prefix<'r> {
    reader: Reader<'r>,
    bytes: Vec<u8>,
    /// Whether something was asked for that is behind.
    is_left: bool,
}

impl Base for Prefix<'_> {
    fn read_at(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.saturating_add(bytes.len() as u64);
        if end > PREFIX {
            self.is_left = true;
            bytes.fill(0);
            return Ok(());
        }
        let (at, end) = (at as usize, end as usize);
        if self.bytes.len() < end {
            let known = self.bytes.len();
            // Some more than is asked for, since it is asked for in small pieces.
            let wanted = end.next_multiple_of(1 << 16);
            self.bytes.resize(wanted, 0);
            let filled = self.reader.fill(&mut self.bytes[known..])?;
            self.bytes.truncate(known + filled);
        }
        let found = self.bytes.get(at..end);
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
