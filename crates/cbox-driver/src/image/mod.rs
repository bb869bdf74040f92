//! Image files, built or downloaded: what is in one ([`look_at`]), whether it is the one that
//! its checksum is of ([`checksum`]) and somebody vouches for ([`proof`]), a file instead of a target on the command line
//! ([`download`]), and what is read of a compressed one ([`reader`], [`unpack`]).

pub mod checksum;
pub mod download;
pub mod parts;
pub mod proof;
pub mod reader;
pub mod unpack;

use std::{
    fs::File,
    io::{Read as _, Seek as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;
use cbox_source::disk_image::{self, Compression, HEAD, UnpackedSize, other_container};

use crate::{
    error::{Error, Kind},
    text::size,
};

/// A file that a machine can boot, as it is, unpacked, or from the drive that it is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub path: Utf8PathBuf,
    /// QEMU's name for its format, once it is unpacked.
    pub format: &'static str,
    /// Whether it is an ISO 9660 image.
    pub is_iso: bool,
    /// How it is compressed, if it is.
    pub packing: Option<Packing>,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// The format.
    pub compression: Compression,
    /// How large it is when it is unpacked.
    pub size: UnpackedSize,
}

/// An image that is booted or written.
#[derive(Debug, Clone)]
pub struct ImageFile {
    /// What people call it: a target, or a file as it was typed.
    pub name: String,
    /// What is in it.
    pub image: Image,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// What its SHA-256 has to be, where somebody says that.
    pub sha256: Option<String>,
}

impl ImageFile {
    /// How much a drive or a machine gets of it.
    pub fn unpacked_size(&self) -> UnpackedSize {
        let packing = self.image.packing;
        packing.map_or(UnpackedSize::Exactly(self.bytes), |packing| packing.size)
    }

    /// Its size for people: `22.7 MB`, or `4.3 GB, unpacked from 1.1 GB`.
    pub fn shown_size(&self) -> String {
        let Some(packing) = self.image.packing else {
            return size(self.bytes);
        };
        match packing.size.exact() {
            Some(bytes) => format!("{}, unpacked from {}", size(bytes), size(self.bytes)),
            None => format!(
                "unpacked from {} of {}, which does not say to how much",
                size(self.bytes),
                packing.compression.name()
            ),
        }
    }
}

/// The first bytes of a file, as many as tell what it is.
pub(crate) fn head(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Tells what is in the file at `path`, which people know as `shown`, by its content.
///
/// # Errors
/// When it cannot be read, is no image, or is compressed and not whole.
pub fn look_at(path: Utf8PathBuf, shown: &Utf8Path) -> Result<Image, Error> {
    let unread = |error| Error::file(Kind::Artifact, "read", shown, &error);
    let mut file = regular_file::open(&path).map_err(unread)?;
    let packed = head(&mut file).map_err(unread)?;
    let Some(compression) = Compression::of(&packed) else {
        let (format, is_iso) = told(&packed, shown, None)?;
        return Ok(Image {
            path,
            format,
            is_iso,
            packing: None,
        });
    };
    file.rewind().map_err(unread)?;
    let (format, is_iso) = told(&compression.head(&file), shown, Some(compression))?;
    let size = compression.unpacked_size(&file);
    let size = size.map_err(|error| not_unpacked(shown, &error))?;
    Ok(Image {
        path,
        format,
        is_iso,
        packing: Some(Packing { compression, size }),
    })
}

/// How the file at `path` is compressed, if it is, whatever is in it.
fn compression_of(path: &Utf8Path) -> Option<Compression> {
    let mut file = regular_file::open(path).ok()?;
    Compression::of(&head(&mut file).ok()?)
}

/// The error for a compressed file that cannot be unpacked.
pub(crate) fn not_unpacked(shown: &Utf8Path, error: &std::io::Error) -> Error {
    Error::new(
        Kind::Artifact,
        format!("{shown} cannot be unpacked: {error}"),
    )
    .hint("download it again, or build it again; nothing was written")
}

/// QEMU's name for the format of an image that begins with `head`, and whether it is an ISO.
fn told(
    head: &[u8],
    shown: &Utf8Path,
    compression: Option<Compression>,
) -> Result<(&'static str, bool), Error> {
    let refused = |what: &str, hint: String| {
        let within = compression.map_or_else(String::new, |compression| {
            format!(", compressed with {}", compression.name())
        });
        let message = format!("{shown} is {what}{within}: it cannot be booted");
        Error::new(Kind::Unsupported, message).hint(hint)
    };
    if let Some(known) = disk_image::detect(head)
        && let Some(format) = known.qemu
    {
        return Ok((format, known.is_iso()));
    }
    if head.is_empty() && compression.is_none() {
        return Err(Error::new(Kind::Artifact, format!("{shown} is empty"))
            .hint("download or build it again"));
    }
    if let Some((what, command)) = other_container(head) {
        return Err(refused(
            what,
            format!("unpack it first, and name the image in it: `{command} {shown}`"),
        ));
    }
    let what = disk_image::detect(head).map_or("not a disk image", |known| known.what);
    Err(refused(
        what,
        "machines boot from ISO 9660 images, disk images with a partition table, and the formats of virtual machines".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_booted_is_told_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        let look_at = |offset: usize, mark: &[u8]| {
            let mut content = vec![0; HEAD];
            content[offset..offset + mark.len()].copy_from_slice(mark);
            let file = folder.join("image");
            std::fs::write(&file, content).unwrap();
            look_at(file.clone(), &file)
        };
        let iso = look_at(0x8001, b"CD001").unwrap();
        assert!(iso.is_iso && iso.format == "raw" && iso.packing.is_none());
        let qcow2 = look_at(0, b"QFI\xfb").unwrap();
        assert!(!qcow2.is_iso && qcow2.format == "qcow2");
        assert_eq!(look_at(512, b"EFI PART").unwrap().format, "raw");
        for (mark, what) in [
            (&b"hsqs"[..], "a squashfs image"),
            (b"text", "not a disk image"),
            (b"PK\x03\x04", "a zip archive"),
        ] {
            let error = look_at(0, mark).unwrap_err();
            assert_eq!(error.kind, Kind::Unsupported);
            assert!(error.message.contains(what), "{error:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
