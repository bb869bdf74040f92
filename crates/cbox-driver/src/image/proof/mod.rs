//! Whether an image file is what somebody with a key vouches for: the signature of the checksum
//! file beside it, the checksum, and whether what is told of it is its own ([`records`]).

mod records;

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;

use self::records::Subject;
use super::{
    checksum::{self, ALL, OWN},
    download,
};
use crate::{
    error::Error,
    flake::session::Hears,
    process::environment::Environment,
    signature::{EXTENSION, VerifyingKey},
};

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The signature of a checksum file.
    Signature,
    /// A checksum.
    Checksum,
    /// The manifest.
    Manifest,
    /// The provenance.
    Provenance,
    /// The SBOM.
    Sbom,
}

impl What {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Checksum => "checksum",
            Self::Manifest => "manifest",
            Self::Provenance => "provenance",
            Self::Sbom => "sbom",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It fits.
    Verified,
    /// It does not, or cannot be understood.
    Failed,
    /// It is not there.
    Missing,
}

impl Status {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is.
    pub what: What,
    /// What came of it.
    pub status: Status,
    /// The file, as people know it; `None` where there is none.
    pub file: Option<Utf8PathBuf>,
    /// A sentence on it.
    pub message: String,
}

/// What is known of an image file.
#[derive(Debug)]
pub struct Proof {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// All that was checked: signatures, checksums, the manifest, and provenance and SBOM where
    /// they are there.
    pub checks: Vec<Check>,
}

impl Proof {
    /// The first thing for which it is not verified. A signature and a checksum have to be there;
    /// one of several may be missing, and the manifest.
    #[must_use]
    pub fn fault(&self) -> Option<&Check> {
        let is_verified = |what| {
            let mut checks = self.checks.iter();
            checks.any(|check| check.what == what && check.status == Status::Verified)
        };
        self.checks.iter().find(|check| match check.status {
            Status::Verified => false,
            Status::Failed => true,
            Status::Missing => check.what != What::Manifest && !is_verified(check.what),
        })
    }
}

/// A checksum file that may name the image.
struct Listing {
    path: Utf8PathBuf,
    shown: Utf8PathBuf,
    /// Whether it is of the image alone.
    is_own: bool,
}

/// A checksum file whose signature was verified.
struct SignedList {
    shown: Utf8PathBuf,
    text: String,
}

/// The file called `name` beside that at `path`, which people know as `shown`.
fn beside(path: &Utf8Path, shown: &Utf8Path, name: &str) -> (Utf8PathBuf, Utf8PathBuf) {
    (path.with_file_name(name), shown.with_file_name(name))
}

/// The names, with `extension`, of what is written of the image at `path`: beside it, and for one
/// behind a link in `out/` beside the link.
fn candidates(
    path: &Utf8Path,
    shown: &Utf8Path,
    extension: &str,
) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
    let mut all = Vec::new();
    let name = path.file_name().unwrap_or_default();
    all.push(beside(path, shown, &format!("{name}{extension}")));
    for (path, shown) in path.ancestors().zip(shown.ancestors()).skip(1) {
        if let (Some(name), Some(_)) = (path.file_name(), shown.file_name())
            && path.is_symlink()
        {
            all.push(beside(path, shown, &format!("{name}{extension}")));
        }
    }
    all
}

/// Checks the image file that people know as `shown`: the signatures by `key` of the checksum
/// files beside it, whether it has those checksums, and whether what is told of it is its own.
///
/// # Errors
/// When the image is not there or cannot be read, or a signal comes. What does not fit is no
/// error here, but a [`Check`].
pub async fn check(
    environment: &Environment,
    hears: Hears<'_>,
    shown: &Utf8Path,
    key: &VerifyingKey,
) -> Result<Proof, Error> {
    let path = environment.absolute(shown);
    let bytes = download::check(&path, shown)?;
    let sha256 = checksum::of(hears, &path, shown, bytes).await?;
    let own = candidates(&path, shown, OWN).into_iter().enumerate();
    let mut listings: Vec<Listing> = own
        .map(|(nth, (path, shown))| Listing {
            path,
            shown,
            is_own: nth == 0,
        })
        .collect();
    let (all, all_shown) = beside(&path, shown, ALL);
    listings.push(Listing {
        path: all,
        shown: all_shown,
        is_own: false,
    });
    let (mut signatures, mut checksums, mut signed) = (Vec::new(), Vec::new(), Vec::new());
    let name = path.file_name().unwrap_or_default();
    for listing in listings {
        let Some((signature, checksum, text)) = judge(&listing, name, &sha256, key) else {
            continue;
        };
        if signature.status == Status::Verified {
            signed.push(SignedList {
                shown: listing.shown,
                text,
            });
        }
        signatures.push(signature);
        checksums.push(checksum);
    }
    if checksums.is_empty() {
        let missing = |what, message| Check {
            what,
            status: Status::Missing,
            file: None,
            message,
        };
        let neither = format!("neither {name}{OWN} nor a {ALL} has a checksum for {shown}");
        signatures.push(missing(
            What::Signature,
            format!("{neither}, so there is nothing that somebody could have signed"),
        ));
        checksums.push(missing(What::Checksum, neither));
    }
    let mut checks = signatures;
    checks.extend(checksums);
    let image = Subject::new(hears, (&path, shown), (bytes, &sha256)).await?;
    checks.extend(records::check(&image, &signed));
    Ok(Proof {
        bytes,
        sha256,
        checks,
    })
}

/// What a checksum file and its signature say of the image `name`, and its text; `None` where the
/// file is not there or does not name it.
fn judge(
    listing: &Listing,
    name: &str,
    sha256: &str,
    key: &VerifyingKey,
) -> Option<(Check, Check, String)> {
    let file = &listing.shown;
    // Read once: what is compared is what was signed.
    let text = match regular_file::read(&listing.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        read => read.map_err(|error| format!("cannot be read: {error}")),
    };
    let wanted = text.as_ref().map_err(String::clone).and_then(|text| {
        let text = String::from_utf8_lossy(text);
        checksum::look_up(&text, name, listing.is_own)
    });
    let (status, message) = match wanted {
        Ok(None) => return None,
        Ok(Some(wanted)) if wanted == sha256 => (
            Status::Verified,
            format!("the SHA-256 of {name} is the one in {file}"),
        ),
        Ok(Some(wanted)) => (
            Status::Failed,
            format!(
                "{name} is not the file that {file} is of: its SHA-256 is {sha256}, and should be {wanted}"
            ),
        ),
        Err(why) => (Status::Failed, format!("{file} {why}")),
    };
    let checksum = Check {
        what: What::Checksum,
        status,
        file: Some(file.clone()),
        message,
    };
    let signed = |path: &Utf8Path| Utf8PathBuf::from(format!("{path}{EXTENSION}"));
    let signature = signed(file);
    let (status, message) = match (regular_file::read(signed(&listing.path)), &text) {
        (Err(error), _) if error.kind() == ErrorKind::NotFound => (
            Status::Missing,
            format!("there is no {signature}: nobody vouches for {file}"),
        ),
        (Err(error), _) => (
            Status::Failed,
            format!("{signature} cannot be read: {error}"),
        ),
        (Ok(_), Err(_)) => (
            Status::Failed,
            format!("{signature} cannot be compared with {file}"),
        ),
        (Ok(of), Ok(text)) => match key.verify(text, &of) {
            Ok(comment) => (
                Status::Verified,
                format!(
                    "{signature} is of {file}, by the key {} ({})",
                    key.number,
                    comment.replace('\t', ", ")
                ),
            ),
            Err(why) => (Status::Failed, format!("{signature} {why}")),
        },
    };
    let file = (status != Status::Missing).then_some(signature);
    let signature = Check {
        what: What::Signature,
        status,
        file,
        message,
    };
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    Some((signature, checksum, text))
}
