//! The files of a target that has several: disks of one machine, or a kernel with its initial
//! RAM disk, as a network boots them. Each is told by its content.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;
use cbox_source::disk_image::{Compression, HEAD, other_container};

use super::{ImageFile, head, look_at};
use crate::{
    error::{Error, Kind},
    links::image::{Built, BuiltFile},
};

/// The largest script that is read for the words of a kernel.
const LARGEST_SCRIPT: u64 = 1 << 16;

/// What a machine boots of a target.
#[derive(Debug)]
pub enum Parts {
    /// Drives, in the order of `artifact`; the machine boots the first.
    Drives(Vec<ImageFile>),
    /// A kernel.
    Kernel(DirectBoot),
}

/// A kernel that a machine starts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectBoot {
    /// The kernel.
    pub kernel: Utf8PathBuf,
    /// Its initial RAM disk.
    pub initrd: Utf8PathBuf,
    /// What the kernel is told.
    pub words: String,
}

/// What one file is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Kernel,
    InitialRamDisk,
    Script,
    Other,
}

/// Tells what `built` is for a machine.
///
/// # Errors
/// When it is nothing that boots.
pub fn of(built: &Built, name: &str) -> Result<Parts, Error> {
    let parts: Vec<Part> = built
        .files
        .iter()
        .map(|file| part(&file.path))
        .collect::<Result<_, _>>()?;
    let all = |wanted| {
        let pairs = built.files.iter().zip(&parts);
        pairs
            .filter(move |(_, part)| **part == wanted)
            .map(|(file, _)| file)
    };
    let kernels: Vec<&BuiltFile> = all(Part::Kernel).collect();
    let Some(kernel) = kernels.first() else {
        let drives = built.files.iter().map(|file| image_file(file, name));
        return Ok(Parts::Drives(drives.collect::<Result<_, _>>()?));
    };
    let unclear = |message: String| {
        Err(Error::new(Kind::Unsupported, message)
            .hint("boot them by hand: `qemu-system-… -kernel KERNEL -initrd INITRD -append WORDS`"))
    };
    let names = || {
        let names: Vec<&str> = built.files.iter().map(BuiltFile::name).collect();
        names.join(", ")
    };
    let initrds: Vec<&BuiltFile> = all(Part::InitialRamDisk).collect();
    let [initrd] = initrds.as_slice() else {
        return unclear(format!(
            "{name} has a kernel, and {} that can be its initial RAM disk: {}",
            match initrds.len() {
                0 => "no file".to_owned(),
                number => format!("{number} files"),
            },
            names()
        ));
    };
    if kernels.len() > 1 || all(Part::Other).next().is_some() {
        return unclear(format!(
            "{name} is more than a kernel and its initial RAM disk: {}",
            names()
        ));
    }
    let script = all(Part::Script).next();
    let words = script.map(|script| words_of(&script.path)).transpose()?;
    Ok(Parts::Kernel(DirectBoot {
        kernel: kernel.path.clone(),
        initrd: initrd.path.clone(),
        words: words.unwrap_or_default(),
    }))
}

/// One file of a target as an image.
///
/// # Errors
/// When it is none.
pub fn image_file(file: &BuiltFile, name: &str) -> Result<ImageFile, Error> {
    Ok(ImageFile {
        name: name.to_owned(),
        image: look_at(file.path.clone(), &file.path)?,
        bytes: file.artifact.size,
        sha256: Some(file.artifact.sha256.clone()),
    })
}

/// What a file is, by its content: the header of a kernel for PCs (Linux, Documentation,
/// arch/x86/boot.rst), that of one for ARM (arch/arm64/booting.rst), one that unpacks itself
/// (`zimg`, drivers/firmware/efi/libstub), a cpio archive, compressed or not, or a script of iPXE.
fn part(path: &Utf8Path) -> Result<Part, Error> {
    let unread = |error| Error::file(Kind::Artifact, "read", path, &error);
    let mut file = regular_file::open(path).map_err(unread)?;
    let start = head(&mut file).map_err(unread)?;
    let holds = |offset: usize, mark: &[u8]| start.get(offset..offset + mark.len()) == Some(mark);
    if holds(0x202, b"HdrS") || holds(0x38, b"ARM\x64") || holds(4, b"zimg") {
        return Ok(Part::Kernel);
    }
    if start.starts_with(b"#!ipxe") {
        return Ok(Part::Script);
    }
    let unpacked = match Compression::of(&start) {
        Some(compression) => compression.head(&start[..]),
        None => start,
    };
    // One of nixpkgs begins with a cpio archive that is not compressed.
    let is_cpio = other_container(&unpacked).is_some_and(|(what, _)| what.contains("cpio"));
    Ok(match is_cpio {
        true => Part::InitialRamDisk,
        false => Part::Other,
    })
}

/// The words that a script of iPXE gives to the kernel: those behind its name, without the name
/// of the initial RAM disk and without variables.
fn words_of(path: &Utf8Path) -> Result<String, Error> {
    let mut text = String::new();
    regular_file::open(path)
        .and_then(|file| file.take(LARGEST_SCRIPT).read_to_string(&mut text))
        .map_err(|error| Error::file(Kind::Artifact, "read", path, &error))?;
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("kernel "));
    let words = line.unwrap_or_default().split_whitespace().skip(1);
    let words = words.filter(|word| !word.starts_with("initrd=") && !word.contains("${"));
    Ok(words.collect::<Vec<_>>().join(" "))
}

const _: () = assert!(HEAD > 0x206);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_and_what_belongs_to_them_are_told_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("file")).unwrap();
        let part = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            part(&path).unwrap()
        };
        let with = |offset: usize, mark: &[u8]| [&vec![0; offset][..], mark].concat();
        assert_eq!(part(&with(0x202, b"HdrS")), Part::Kernel);
        assert_eq!(part(&with(0x38, b"ARM\x64")), Part::Kernel);
        assert_eq!(part(b"MZ\0\0zimg"), Part::Kernel);
        assert_eq!(part(b"070701000"), Part::InitialRamDisk);
        assert_eq!(part(b"#!ipxe\nkernel a\n"), Part::Script);
        assert_eq!(part(&with(512, b"EFI PART")), Part::Other);
        assert_eq!(part(b""), Part::Other);
    }

    #[test]
    fn a_script_says_what_the_kernel_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Utf8Path::from_path(file.path()).unwrap();
        let script = "#!ipxe\n# Use the cmdline variable\nkernel bzImage init=/nix/store/x/init \
                      initrd=initrd loglevel=4 ${cmdline}\ninitrd initrd\nboot\n";
        std::fs::write(path, script).unwrap();
        assert_eq!(words_of(path).unwrap(), "init=/nix/store/x/init loglevel=4");
        std::fs::write(path, "#!ipxe\n").unwrap();
        assert_eq!(words_of(path).unwrap(), "");
    }
}
