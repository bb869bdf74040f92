//! A compressed image that is booted: unpacked to a temporary file, which goes with the boot.

use std::{fs::File, os::unix::fs::FileExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{NixError, regular_file, temporary::TemporaryFolder};

use super::{Image, ImageFile, not_unpacked, reader::Reader};
use crate::{
    error::{Error, Kind},
    flake::session::Hears,
    process::machine::free_space,
    progress::follow::{Called, Watch, follow},
    text::size,
};

/// How much is unpacked at once. Blocks of zeros are left out of the file.
const BLOCK: usize = 1 << 20;

/// An image that was unpacked; the file goes with this value.
#[derive(Debug)]
pub struct UnpackedImage {
    /// The image, as it can be booted.
    pub image: Image,
    _folder: TemporaryFolder,
}

/// Unpacks `packed` to where temporary files go, `temporary`. `None` where it needs no unpacking.
///
/// # Errors
/// When there is no space for it, it is not whole, or a signal comes.
pub async fn unpack(
    (reporter, interrupt): Hears<'_>,
    temporary: &Utf8Path,
    packed: &ImageFile,
) -> Result<Option<UnpackedImage>, Error> {
    let (image, name) = (&packed.image, &packed.name);
    let Some(packing) = image.packing else {
        return Ok(None);
    };
    let free = free_space(temporary.as_std_path());
    let least = packing.size.at_least();
    if let Some(free) = free.filter(|free| *free < least) {
        return Err(no_space(
            temporary,
            format!(
                "{name} has {} when it is unpacked, but {temporary} has {} free",
                size(least),
                size(free)
            ),
        ));
    }
    let folder = TemporaryFolder::new().map_err(|error| {
        let error = Error::file(Kind::Environment, "write to", temporary, &error);
        error.hint("set TMPDIR to a folder that can hold it")
    })?;
    let path = Utf8PathBuf::try_from(folder.path().join("image"));
    let path = path.map_err(|error| {
        Error::new(Kind::Environment, error.to_string()).hint("set TMPDIR to another folder")
    })?;
    let unread = |error| Error::file(Kind::Artifact, "read", &image.path, &error);
    let file = regular_file::open(&image.path).map_err(unread)?;
    let made = File::create_new(&path);
    let made = made.map_err(|error| Error::file(Kind::Environment, "write", &path, &error))?;
    let what = format!("unpacking {name} to {temporary}");
    let called = Called {
        what: &what,
        title: None,
        done: Some("unpacked"),
    };
    let expected = packing.size.exact();
    let total = expected.unwrap_or(0);
    let sha256 = packed.sha256.clone();
    let unpacked = follow(reporter, interrupt, called, total, move |watch| {
        let mut reader = Reader::new(file, Some(packing.compression));
        copy(&mut reader, expected, &made, watch)?;
        let found = reader.sha256();
        match sha256.filter(|sha256| *sha256 != found) {
            Some(_) => Err(Failure::Changed(found)),
            None => Ok(()),
        }
    });
    let display_path = Utf8Path::new(name);
    unpacked.await.map_err(|failure| match failure {
        Failure::Stopped => match interrupt.signal() {
            Some(signal) => NixError::Interrupted(signal).into(),
            None => Error::new(Kind::Artifact, "unpacking stopped"),
        },
        Failure::Image(error) => not_unpacked(display_path, &error),
        Failure::Changed(found) => Error::new(
            Kind::Artifact,
            format!("{name} is not the image that was built (its SHA-256 is {found})"),
        )
        .hint("`nix store verify --all` tells whether the store is damaged"),
        Failure::Write(error) => no_space(
            temporary,
            format!("cannot unpack {name} to {temporary}: {error}"),
        ),
    })?;
    Ok(Some(UnpackedImage {
        image: Image {
            path,
            packing: None,
            ..image.clone()
        },
        _folder: folder,
    }))
}

fn no_space(temporary: &Utf8Path, message: String) -> Error {
    Error::new(Kind::Environment, message).hint(format!(
        "free some space in {temporary}, or set TMPDIR to a folder with more"
    ))
}

/// Why something was not unpacked.
enum Failure {
    Stopped,
    Image(std::io::Error),
    /// The file has this hash, and should have another.
    Changed(String),
    Write(std::io::Error),
}

fn copy(
    reader: &mut Reader<'_>,
    expected: Option<u64>,
    file: &File,
    watch: &Watch<'_>,
) -> Result<(), Failure> {
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    loop {
        if (watch.stop)() {
            return Err(Failure::Stopped);
        }
        let length = reader.fill(&mut block).map_err(Failure::Image)?;
        let filled = &block[..length];
        if filled.iter().any(|byte| *byte != 0) {
            file.write_all_at(filled, at).map_err(Failure::Write)?;
        }
        at += length as u64;
        (watch.progress)(at);
        if expected.is_some_and(|expected| at > expected) {
            break;
        }
        if length < block.len() {
            break;
        }
    }
    if expected.is_some_and(|expected| at != expected) {
        return Err(Failure::Image(std::io::Error::other(
            "it does not hold as much as it says beforehand: it is damaged",
        )));
    }
    file.set_len(at).map_err(Failure::Write)
}
