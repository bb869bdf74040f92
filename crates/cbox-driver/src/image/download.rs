//! A file on the command line where a target could be: which of the two is meant, and what is
//! checked before it is used.

use std::fs;

use camino::Utf8Path;
use nix_formats::system::System;

use super::{
    ImageFile,
    checksum::{self, Checksum},
    look_at,
};
use crate::{
    error::{Error, Kind},
    flake::{project::Project, session::Hears},
    process::environment::Environment,
    subject::target,
    target_name::TargetName,
};

/// What the names of image files end with, compressed ones among them.
pub const EXTENSIONS: [&str; 14] = [
    "img", "iso", "raw", "qcow2", "qed", "vmdk", "vdi", "vhd", "vhdx", "zst", "zstd", "gz", "xz",
    "bz2",
];

/// The file that `words` begin with, if they do not name a target: a path from `/`, `./`, `../`,
/// a name that ends like an image's, or one with a slash that is there and names no target.
///
/// # Errors
/// When a word is a target and a file.
pub fn named<'w>(
    environment: &Environment,
    project: Option<&Project>,
    words: &'w [String],
) -> Result<Option<&'w Utf8Path>, Error> {
    let Some(path) = words.first().map(|word| Utf8Path::new(word.as_str())) else {
        return Ok(None);
    };
    let word = path.as_str();
    if ["/", "./", "../"]
        .iter()
        .any(|start| word.starts_with(start))
    {
        return Ok(Some(path));
    }
    let ends_so = path
        .extension()
        .is_some_and(|extension| EXTENSIONS.contains(&&*extension.to_ascii_lowercase()));
    // A folder is no image, and `hosts/NAME` is a target.
    let found = fs::metadata(environment.absolute(path));
    let is_there = found.is_ok_and(|found| !found.is_dir());
    let may_be_file = ends_so || (word.contains('/') && is_there);
    if !may_be_file {
        return Ok(None);
    }
    match (is_target(project, word), is_there) {
        (true, true) => Err(
            Error::new(Kind::Usage, format!("`{word}` is a target and a file")).hint(format!(
                "`./{word}` names the file, and `{}` the target",
                word.replace('/', " ")
            )),
        ),
        (true, false) => Ok(None),
        (false, _) => Ok(Some(path)),
    }
}

fn is_target(project: Option<&Project>, word: &str) -> bool {
    match (project, word.parse()) {
        (Some(project), Ok(TargetName::Image { kind, format, .. })) => {
            target::find(project, &kind, &format).is_ok()
        }
        (Some(project), Ok(TargetName::Host { name })) => project.hosts().contains(&name),
        _ => false,
    }
}

/// A file that was named, and what was found out about it.
#[derive(Debug)]
pub struct Download {
    /// The image.
    pub file: ImageFile,
    /// The checksums that it was compared with.
    pub checksums: Vec<Checksum>,
}

impl Download {
    /// Whether its checksum was looked at, as a sentence.
    pub fn verdict(&self) -> String {
        let name = &self.file.name;
        match self.checksums.as_slice() {
            [] => format!(
                "{name}: neither {name}.sha256 nor a SHA256SUMS has a checksum for it, so it is taken as it is"
            ),
            all => {
                let all: Vec<&str> = all.iter().map(|one| one.said_in.as_str()).collect();
                format!("{name}: its SHA-256 is the one in {}", all.join(" and "))
            }
        }
    }
}

/// Finds the file at `shown`, and compares it with the checksums beside it.
///
/// # Errors
/// When it is no image, not whole, or not what a checksum says.
pub async fn find(
    environment: &Environment,
    hears: Hears<'_>,
    shown: &Utf8Path,
) -> Result<Download, Error> {
    let path = environment.absolute(shown);
    let bytes = check(&path, shown)?;
    let checksums = checksum::beside(&path, shown)?;
    // A file that is another one need not be understood.
    if !checksums.is_empty() {
        checksum::verify(hears, &path, shown, bytes, &checksums).await?;
    }
    let image = look_at(path, shown)?;
    Ok(Download {
        file: ImageFile {
            name: shown.to_string(),
            image,
            bytes,
            sha256: checksums.first().map(|one| one.sha256.clone()),
        },
        checksums,
    })
}

/// Its size, if it is a file that can be read from its beginning more than once.
pub(super) fn check(path: &Utf8Path, shown: &Utf8Path) -> Result<u64, Error> {
    use std::os::unix::fs::FileTypeExt as _;
    let wrong = |message: String, hint: &str| Err(Error::new(Kind::Usage, message).hint(hint));
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return wrong(
                format!("there is no file {shown}"),
                "`cbox list` shows the images that can be built",
            );
        }
        Err(error) => return Err(Error::file(Kind::Usage, "look at", shown, &error)),
    };
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => Ok(metadata.len()),
        () if kind.is_fifo() || kind.is_socket() => wrong(
            format!("{shown} is a pipe, but an image is read more than once"),
            "save it in a file first, and name that",
        ),
        () if kind.is_dir() => wrong(
            format!("{shown} is a folder, not an image"),
            "name the file in it",
        ),
        () => wrong(
            format!("{shown} is a device, not an image file"),
            "name a file; `dd` or `qemu-img convert` makes one of a drive",
        ),
    }
}

/// The system that the name of a file tells of: `…-aarch64.img.zst`, `…_arm64.raw`.
pub fn system_of_name(name: &str) -> Option<System> {
    let name = name.to_ascii_lowercase();
    let has = |words: [&str; 2]| words.iter().any(|word| name.contains(word));
    match (has(["x86_64", "amd64"]), has(["aarch64", "arm64"])) {
        (true, false) => "x86_64-linux".parse().ok(),
        (false, true) => "aarch64-linux".parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_tell_the_system() {
        let of = |name: &str| system_of_name(name).map(|system| system.to_string());
        for name in [
            "nixos-image-sd-card-25.11-aarch64-linux.img.zst",
            "a_arm64.raw",
            "ARM64.iso",
        ] {
            assert_eq!(of(name).as_deref(), Some("aarch64-linux"), "{name}");
        }
        for name in [
            "nixos-minimal-x86_64-linux.iso",
            "debian-13-amd64-netinst.iso",
            "a_x86_64.raw",
        ] {
            assert_eq!(of(name).as_deref(), Some("x86_64-linux"), "{name}");
        }
        for name in ["disk.img", "x86_64-to-aarch64.img"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
