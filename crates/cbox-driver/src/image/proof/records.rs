//! What is told of an image beside it, its manifest, its provenance and its SBOM: whether each is of
//! this image, and whether what was signed covers it.

use std::io::{self, ErrorKind, Seek as _};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{NixError, regular_file};
use cbox_source::disk_image::Compression;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Check, SignedList, Status, What, candidates};
use crate::{
    error::Error,
    flake::session::Hears,
    image::{
        checksum::{self, look_up},
        compression_of,
        reader::Reader,
    },
    links::{
        entries::{Companion, MANIFEST, read_manifest_text},
        manifest::Manifest,
    },
    progress::follow::{Called, follow},
    provenance, sbom,
};

/// An image file, and what is in it where it is compressed: records are of either.
pub(super) struct Subject<'s> {
    path: &'s Utf8Path,
    shown: &'s Utf8Path,
    /// The size and the SHA-256 of the file.
    file: (u64, &'s str),
    /// Those of what is in it, or why it cannot be unpacked.
    content: Option<Result<(u64, String), String>>,
}

impl<'s> Subject<'s> {
    /// The image at the first path, which people know by the second, with its size and SHA-256. It
    /// is unpacked only where there is a record to compare.
    ///
    /// # Errors
    /// When a signal comes.
    pub(super) async fn new(
        hears: Hears<'_>,
        (path, shown): (&'s Utf8Path, &'s Utf8Path),
        file: (u64, &'s str),
    ) -> Result<Self, Error> {
        let mut subject = Self {
            path,
            shown,
            file,
            content: None,
        };
        let extensions = [
            MANIFEST,
            Companion::Provenance.extension(),
            Companion::Sbom.extension(),
        ];
        let has_record = |extension: &&str| {
            let mut all = candidates(path, shown, extension).into_iter();
            all.any(|(path, _)| path.exists())
        };
        if let Some(compression) = compression_of(path)
            && extensions.iter().any(has_record)
        {
            subject.content = Some(unpacked(hears, (path, shown), compression).await?);
        }
        Ok(subject)
    }

    /// Whether this is the image that a record is of, by its size and its SHA-256; an error says,
    /// as the end of a sentence, why nobody knows.
    fn is(&self, one: impl Fn(u64, &str) -> bool) -> Result<bool, String> {
        match &self.content {
            _ if one(self.file.0, self.file.1) => Ok(true),
            None => Ok(false),
            Some(Ok((size, sha256))) => Ok(one(*size, sha256)),
            Some(Err(why)) => Err(format!(
                "cannot be compared with {}, which cannot be unpacked: {why}",
                self.shown
            )),
        }
    }
}

/// The size and the SHA-256 of what is in a compressed file, or why it cannot be unpacked.
async fn unpacked(
    (reporter, interrupt): Hears<'_>,
    (path, shown): (&Utf8Path, &Utf8Path),
    compression: Compression,
) -> Result<Result<(u64, String), String>, Error> {
    let called = Called {
        what: &format!("hashing what is in {shown}"),
        title: None,
        done: None,
    };
    // Whoever looks for the size leaves off somewhere in the file.
    let opened = regular_file::open(path).and_then(|mut file| {
        let size = compression.unpacked_size(&file).ok();
        file.rewind().map(|()| (file, size))
    });
    let (file, size) = match opened {
        Ok((file, size)) => (file, size.and_then(|size| size.exact()).unwrap_or(0)),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let hashed = follow(reporter, interrupt, called, size, move |watch| {
        let mut content = Content {
            reader: Reader::new(file, Some(compression)),
            size: 0,
        };
        let sha256 = checksum::sha256(&mut content, watch)?;
        Ok::<_, io::Error>(sha256.map(|sha256| (content.size, sha256)))
    });
    match (hashed.await, interrupt.signal()) {
        (Ok(Some(content)), _) => Ok(Ok(content)),
        (_, Some(signal)) => Err(NixError::Interrupted(signal).into()),
        (Ok(None), None) => Ok(Err("that was stopped".to_owned())),
        (Err(error), None) => Ok(Err(error.to_string())),
    }
}

/// What is in a compressed file, with its size as far as it was read.
struct Content<'f> {
    reader: Reader<'f>,
    size: u64,
}

impl io::Read for Content<'_> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.fill(block)?;
        self.size += length as u64;
        Ok(length)
    }
}

/// What is told of `image`, judged: its manifest, and the others where they are there.
pub(super) fn check(image: &Subject<'_>, signed: &[SignedList]) -> Vec<Check> {
    let mut checks = vec![manifest(image, signed)];
    checks.extend(provenance(image, signed));
    checks.extend(sbom(image, signed));
    checks
}

/// Whether the manifest beside the image is its own.
fn manifest(image: &Subject<'_>, signed: &[SignedList]) -> Check {
    let Some(record) = record(image, MANIFEST, |path| {
        let text = read_manifest_text(path)?;
        Some(text.map_err(|error| format!("cannot be used: {error}")))
    }) else {
        let name = image.path.file_name().unwrap_or_default();
        return Check {
            what: What::Manifest,
            status: Status::Missing,
            file: None,
            message: format!("there is no {name}{MANIFEST}, so nothing is known of its origin"),
        };
    };
    let manifest = record.text.as_deref().map_err(String::clone);
    let manifest = manifest.and_then(|text| {
        let parsed = Manifest::parse(text);
        parsed.map_err(|error| format!("cannot be used: {error}"))
    });
    let judged = manifest.and_then(|manifest| {
        let target = &manifest.target;
        let is_own = image.is(|size, sha256| {
            let mut artifacts = manifest.artifacts.iter();
            artifacts.any(|one| one.sha256 == sha256 && one.size == size)
        });
        match is_own? {
            true => Ok(format!("is of this image, {target}")),
            false => Err(format!("is the manifest of another image, one of {target}")),
        }
    });
    told(What::Manifest, record, judged, signed)
}

/// Whether the provenance beside the image is its own; `None` where there is none.
fn provenance(image: &Subject<'_>, signed: &[SignedList]) -> Option<Check> {
    let record = record(image, Companion::Provenance.extension(), read)?;
    let text = record.text.as_deref().map_err(String::clone);
    let claim = text.and_then(provenance::claim);
    let judged = claim.and_then(|claim| {
        match image.is(|_, sha256| claim.sha256.iter().any(|one| one == sha256))? {
            true => Ok(format!("is of this image, by {}", claim.builder)),
            false => Err("is the provenance of another image".to_owned()),
        }
    });
    Some(told(What::Provenance, record, judged, signed))
}

/// Whether the SBOM beside the image is its own; `None` where there is none, or it names no image.
fn sbom(image: &Subject<'_>, signed: &[SignedList]) -> Option<Check> {
    let record = record(image, Companion::Sbom.extension(), read)?;
    let text = record.text.as_deref().map_err(String::clone);
    let judged = match text.and_then(sbom::images) {
        Err(why) => Err(why),
        Ok(images) if images.is_empty() => return None,
        Ok(images) => match image.is(|_, sha256| images.iter().any(|one| one == sha256)) {
            Ok(true) => Ok("is of this image".to_owned()),
            Ok(false) => Err("is the SBOM of another image".to_owned()),
            Err(why) => Err(why),
        },
    };
    Some(told(What::Sbom, record, judged, signed))
}

/// A file beside the image that tells something of it, read once: what is judged is what was signed.
struct Record {
    /// Its name in a list of checksums.
    name: String,
    /// As people know it.
    shown: Utf8PathBuf,
    /// What is in it, or why nobody knows, as the end of a sentence.
    text: Result<Vec<u8>, String>,
}

/// The first record beside the image whose name ends with `extension`, as `read` reads it, which
/// gives `None` where there is none.
fn record(
    image: &Subject<'_>,
    extension: &str,
    read: impl Fn(&Utf8Path) -> Option<Result<Vec<u8>, String>>,
) -> Option<Record> {
    let mut all = candidates(image.path, image.shown, extension).into_iter();
    all.find_map(|(path, shown)| {
        Some(Record {
            text: read(&path)?,
            name: path.file_name().unwrap_or_default().to_owned(),
            shown,
        })
    })
}

/// The file at `path`, if it is there.
fn read(path: &Utf8Path) -> Option<Result<Vec<u8>, String>> {
    match regular_file::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => Some(read.map_err(|error| format!("cannot be read: {error}"))),
    }
}

/// What is to be said of a record: that it fits and who says so, or that it does not.
fn told(
    what: What,
    record: Record,
    judged: Result<String, String>,
    signed: &[SignedList],
) -> Check {
    let judged = judged.and_then(|good| match signing_list(&record, signed)? {
        Some(list) => Ok(format!("{good}, and signed in {list}")),
        None => Ok(format!("{good}; no signature covers what else it says")),
    });
    let (status, message) = match judged {
        Ok(message) => (Status::Verified, message),
        Err(message) => (Status::Failed, message),
    };
    Check {
        what,
        status,
        message: format!("{} {message}", record.shown),
        file: Some(record.shown),
    }
}

/// The signed list that has the checksum of a record, if one has; an error says, as the end of a
/// sentence, that it is another file.
fn signing_list<'s>(
    record: &Record,
    signed: &'s [SignedList],
) -> Result<Option<&'s Utf8Path>, String> {
    let text = record.text.as_ref().map_err(String::clone)?;
    for list in signed {
        let wanted = look_up(&list.text, &record.name, false);
        let wanted = wanted.map_err(|why| format!("cannot be judged: {} {why}", list.shown))?;
        let Some(wanted) = wanted else { continue };
        let found = HEXLOWER.encode(&Sha256::digest(text));
        if found != wanted {
            return Err(format!(
                "is not the file that {} is of: its SHA-256 is {found}, and should be {wanted}",
                list.shown
            ));
        }
        return Ok(Some(&list.shown));
    }
    Ok(None)
}
