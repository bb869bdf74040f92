//! The signature of a checksum, `<link>.sha256.minisig`, made when the image is what its records
//! say. What makes another link of the name takes it away ([`super::records`]).

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;

use super::{
    WAITING,
    entries::{CHECKSUM, MANIFEST, SIGNATURE, is_signature, read_manifest},
};
use crate::{
    error::{Error, Kind},
    flake::session::Hears,
    progress::folder_lock::lock,
    signature::SigningKey,
    text::text_file,
};

/// Signs the checksum of `link` with `key`, and gives the file of the signature.
///
/// # Errors
/// When the records of the link are not whole, what is in the way is no signature, or a file
/// cannot be read or written.
pub async fn sign(
    hears: Hears<'_>,
    link: &Utf8Path,
    shown: &Utf8Path,
    key: &SigningKey,
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
    let manifest = read_manifest(&of(MANIFEST)).and_then(Result::ok);
    let is_whole = manifest.is_some_and(|manifest| {
        let is_link = link.read_link_utf8();
        is_link.is_ok_and(|target| target == manifest.out.as_str())
            && manifest
                .checksum(slug)
                .is_some_and(|text| text.as_bytes() == checksum)
    });
    if !is_whole {
        let message = format!("{shown}{CHECKSUM} is not the checksum of what {shown} points to");
        return Err(Error::new(Kind::Artifact, message)
            .hint("build it again, which writes its records anew; nothing was signed"));
    }
    let file = of(SIGNATURE);
    if file.symlink_metadata().is_ok() && !is_signature(&file) {
        let message =
            format!("{shown}{SIGNATURE} is in the way: it is not a signature of minisign");
        return Err(Error::new(Kind::Output, message).hint("move it away"));
    }
    let signature = key.sign(&checksum, &format!("{slug}{CHECKSUM}"))?;
    text_file::put(&file, &signature)
        .map_err(|error| Error::file(Kind::Output, "write", &file, &error))?;
    Ok(file)
}
