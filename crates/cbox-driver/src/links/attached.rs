//! What lies beside an image for others and is of no other: a signature of its checksum, its
//! provenance, or its SBOM. It is made when the image is what its records say. What makes another link
//! of the name takes it away ([`super::records`]).

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;

use super::{
    WAITING,
    entries::{CHECKSUM, Companion, MANIFEST, read_manifest},
    manifest::Manifest,
};
use crate::{
    error::{Error, Kind},
    flake::session::Hears,
    progress::folder_lock::lock,
    signature::SigningKey,
    text::text_file,
};

/// The records of a link, while no other run changes them.
#[derive(Debug)]
pub struct Records<'r> {
    /// The manifest.
    pub manifest: &'r Manifest,
    /// The name of the checksum.
    name: &'r str,
    /// What is in it.
    checksum: &'r [u8],
}

impl Records<'_> {
    /// The signature of the checksum, by `key`.
    ///
    /// # Errors
    /// Those of [`SigningKey::sign`].
    pub fn sign(&self, key: &SigningKey) -> Result<String, Error> {
        key.sign(self.checksum, self.name)
    }
}

/// Writes what `make` makes of the records of `link`, which people know as `shown`, beside it, and
/// gives the file.
///
/// # Errors
/// When the records of the link are not whole, what is in the way is nothing of the kind, or a
/// file cannot be read or written; and those of `make`.
pub async fn attach(
    hears: Hears<'_>,
    (link, shown): (&Utf8Path, &Utf8Path),
    companion: Companion,
    make: impl FnOnce(&Records<'_>) -> Result<String, Error>,
) -> Result<Utf8PathBuf, Error> {
    let (folder, slug) = (
        link.parent().unwrap_or(Utf8Path::new("/")),
        link.file_name().unwrap_or_default(),
    );
    let of = |extension: &str| Utf8PathBuf::from(format!("{link}{extension}"));
    let unlocked = |error: &io::Error| Error::file(Kind::Output, "open", folder, error);
    // No other run makes another link meanwhile.
    let _turn = lock(hears, folder, WAITING, unlocked).await?;
    let checksum = regular_file::read(of(CHECKSUM)).unwrap_or_default();
    let is_whole = |manifest: &Manifest| {
        let is_link = link.read_link_utf8();
        is_link.is_ok_and(|target| target == manifest.out.as_str())
            && manifest
                .checksum(slug)
                .is_some_and(|text| text.as_bytes() == checksum)
    };
    let manifest = read_manifest(&of(MANIFEST)).and_then(Result::ok);
    let Some(manifest) = manifest.filter(is_whole) else {
        let message = format!("{shown}{CHECKSUM} is not the checksum of what {shown} points to");
        return Err(Error::new(Kind::Artifact, message)
            .hint("build it again, which writes its records anew; nothing was written"));
    };
    let file = of(companion.extension());
    if file.symlink_metadata().is_ok() && !companion.is_at(&file) {
        let (extension, what) = (companion.extension(), companion.what());
        let message = format!("{shown}{extension} is in the way: it is not {what}");
        return Err(Error::new(Kind::Output, message).hint("move it away"));
    }
    let text = make(&Records {
        manifest: &manifest,
        name: &format!("{slug}{CHECKSUM}"),
        checksum: &checksum,
    })?;
    text_file::put(&file, &text)
        .map_err(|error| Error::file(Kind::Output, "write", &file, &error))?;
    Ok(file)
}
