//! UEFI firmware for QEMU: where it is, and whether a file is any.
//!
//! Distributions describe theirs in JSON files (QEMU, docs/interop/firmware.json), which
//! is the way that all tools find it. Where there are none, the usual places are looked at.

use cbox_nix::regular_file;
use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
};

use camino::{Utf8Path, Utf8PathBuf};
use globset::Glob;
use serde::Deserialize;

use super::arch::Arch;
use crate::error::{Error, Kind};

/// The firmware of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Firmware {
    /// QEMU's own BIOS.
    Bios,
    /// UEFI in flash memory.
    Flash {
        /// The firmware itself.
        code: Flash,
        /// What its variables are at first.
        variables: Option<Flash>,
    },
    /// UEFI in one file that is loaded as a BIOS is.
    Memory {
        /// The firmware itself.
        code: Utf8PathBuf,
    },
}

/// The content of a flash memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// The file.
    pub path: Utf8PathBuf,
    /// QEMU's name for its format.
    pub format: String,
}

impl Firmware {
    /// The file with its code; the BIOS has none.
    pub fn code(&self) -> Option<&Utf8Path> {
        match self {
            Self::Bios => None,
            Self::Flash { code, .. } => Some(&code.path),
            Self::Memory { code } => Some(code),
        }
    }
}

/// Where firmware is looked for.
#[derive(Debug, Default)]
pub struct Places {
    /// What the user named: a folder like `/usr/share`, or one with the files themselves.
    pub named: Option<PathBuf>,
    /// Folders of descriptions, those that count most first.
    pub descriptions: Vec<PathBuf>,
    /// Folders like `/usr/share`.
    pub shares: Vec<PathBuf>,
}

impl Places {
    /// The usual ones, with those of the QEMU that is used, as they are in `root`.
    pub fn usual(
        root: &Path,
        named: Option<&Utf8Path>,
        config_home: Option<&Utf8Path>,
        program: Option<&Path>,
    ) -> Self {
        // A QEMU outside the system, as Nix has it, brings what it needs.
        let own = program
            .and_then(|program| Some(program.canonicalize().ok()?.parent()?.join("../share")));
        let mut shares: Vec<PathBuf> = ["usr/share", "run/current-system/sw/share"]
            .iter()
            .map(|share| root.join(share))
            .collect();
        shares.extend(own);
        let of_user = config_home.map(|home| home.as_std_path().join("qemu/firmware"));
        let descriptions = of_user
            .into_iter()
            .chain([root.join("etc/qemu/firmware")])
            .chain(shares.iter().map(|share| share.join("qemu/firmware")));
        Self {
            named: named.map(|named| named.as_std_path().to_owned()),
            descriptions: descriptions.collect(),
            shares,
        }
    }

    /// Finds firmware for `arch`.
    pub fn find(&self, arch: Arch) -> Option<Firmware> {
        let named = self.named.iter().find_map(|folder| {
            in_share(folder, arch).or_else(|| {
                PLACES.iter().filter(|place| place.0 == arch).find_map(
                    |(_, format, code, variables)| {
                        let inside = |file: &str| folder.join(base_name(file));
                        flash(format, &inside(code), &inside(variables))
                    },
                )
            })
        });
        named
            .or_else(|| described(&self.descriptions, arch))
            .or_else(|| self.shares.iter().find_map(|share| in_share(share, arch)))
    }
}

/// Architecture, format, code and variables, below a folder like `/usr/share`: Debian and
/// Ubuntu, Arch, Fedora, openSUSE, QEMU's own, and the output of the package in nixpkgs.
const PLACES: &[(Arch, &str, &str, &str)] = &[
    (
        Arch::X86_64,
        "raw",
        "OVMF/OVMF_CODE_4M.fd",
        "OVMF/OVMF_VARS_4M.fd",
    ),
    (
        Arch::X86_64,
        "raw",
        "edk2/x64/OVMF_CODE.4m.fd",
        "edk2/x64/OVMF_VARS.4m.fd",
    ),
    (
        Arch::X86_64,
        "qcow2",
        "edk2/ovmf/OVMF_CODE_4M.qcow2",
        "edk2/ovmf/OVMF_VARS_4M.qcow2",
    ),
    (
        Arch::X86_64,
        "raw",
        "edk2/ovmf/OVMF_CODE.fd",
        "edk2/ovmf/OVMF_VARS.fd",
    ),
    (
        Arch::X86_64,
        "raw",
        "OVMF/OVMF_CODE.fd",
        "OVMF/OVMF_VARS.fd",
    ),
    (
        Arch::X86_64,
        "raw",
        "qemu/ovmf-x86_64-code.bin",
        "qemu/ovmf-x86_64-vars.bin",
    ),
    (
        Arch::X86_64,
        "raw",
        "qemu/edk2-x86_64-code.fd",
        "qemu/edk2-i386-vars.fd",
    ),
    (
        Arch::Aarch64,
        "raw",
        "AAVMF/AAVMF_CODE.fd",
        "AAVMF/AAVMF_VARS.fd",
    ),
    (
        Arch::Aarch64,
        "raw",
        "edk2/aarch64/QEMU_EFI-pflash.raw",
        "edk2/aarch64/vars-template-pflash.raw",
    ),
    (
        Arch::Aarch64,
        "raw",
        "edk2/aarch64/QEMU_CODE.fd",
        "edk2/aarch64/QEMU_VARS.fd",
    ),
    (
        Arch::Aarch64,
        "raw",
        "qemu/aavmf-aarch64-code.bin",
        "qemu/aavmf-aarch64-vars.bin",
    ),
    (
        Arch::Aarch64,
        "raw",
        "qemu/edk2-aarch64-code.fd",
        "qemu/edk2-arm-vars.fd",
    ),
];

fn in_share(share: &Path, arch: Arch) -> Option<Firmware> {
    let of_arch = PLACES.iter().filter(|place| place.0 == arch);
    of_arch
        .into_iter()
        .find_map(|(_, format, code, variables)| {
            flash(format, &share.join(code), &share.join(variables))
        })
}

fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Two files as firmware, if both can be read.
fn flash(format: &str, code: &Path, variables: &Path) -> Option<Firmware> {
    let readable = |path: &Path| {
        let path = Utf8PathBuf::from_path_buf(path.canonicalize().ok()?).ok()?;
        regular_file::open(&path).ok()?;
        Some(Flash {
            path,
            format: format.to_owned(),
        })
    };
    Some(Firmware::Flash {
        code: readable(code)?,
        variables: Some(readable(variables)?),
    })
}

/// What is read of a description.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Description {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    features: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<FlashFile>,
    nvram_template: Option<FlashFile>,
}

#[derive(Debug, Deserialize)]
struct FlashFile {
    filename: PathBuf,
    format: String,
}

#[derive(Debug, Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

impl Description {
    /// Whether it is UEFI in flash for a plain machine of `arch` that starts what is unsigned.
    fn fits(&self, arch: Arch) -> bool {
        const UNFIT: [&str; 2] = ["requires-smm", "enrolled-keys"];
        let machine = match arch {
            Arch::X86_64 => "pc-q35-11.0",
            Arch::Aarch64 => "virt-11.0",
        };
        let takes = |pattern: &String| {
            Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(machine))
        };
        let target = |target: &Target| {
            target.architecture == arch.name() && target.machines.iter().any(takes)
        };
        self.interface_types.iter().any(|kind| kind == "uefi")
            && self.mapping.device == "flash"
            && self.targets.iter().any(target)
            && !self
                .features
                .iter()
                .any(|feature| UNFIT.contains(&feature.as_str()))
    }

    fn firmware(&self) -> Option<Firmware> {
        let executable = self.mapping.executable.as_ref()?;
        let variables = self.mapping.nvram_template.as_ref()?;
        // Both have one format in all distributions, and nobody mixes them.
        let same = executable.format == variables.format;
        same.then(|| {
            flash(
                &executable.format,
                &executable.filename,
                &variables.filename,
            )
        })?
    }
}

/// The first firmware that the descriptions in `folders` offer.
///
/// All files count in the order of their names, wherever they are; one in an earlier
/// folder takes the place of its namesakes, and an empty one hides them.
fn described(folders: &[PathBuf], arch: Arch) -> Option<Firmware> {
    let mut files = BTreeMap::new();
    for folder in folders {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "json") {
                files.entry(entry.file_name()).or_insert(entry.path());
            }
        }
    }
    files.values().find_map(|file| {
        let text = regular_file::read(file).ok()?;
        // What cannot be read is for machines of another kind, or of the future.
        let description: Description = serde_json::from_slice(&text).ok()?;
        description
            .fits(arch)
            .then(|| description.firmware())
            .flatten()
    })
}

/// The most that QEMU takes for x86_64 (`max-fw-size` of its PC machines).
const LARGEST_X86: u64 = 8 << 20;

/// The size of each flash memory of `virt`: a file has exactly this one.
const FLASH_AARCH64: u64 = 64 << 20;

/// The firmware in a file that the user named, with the variables that lie beside it.
pub fn from_file(path: &Utf8Path, display_path: &Utf8Path, arch: Arch) -> Result<Firmware, Error> {
    let unreadable = |error: std::io::Error| {
        Error::file(Kind::Environment, "read the firmware", display_path, &error)
    };
    let mut file = regular_file::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut content = Vec::new();
    (&mut file)
        .take(FLASH_AARCH64 + 1)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    let format = if content.starts_with(b"QFI\xfb") {
        "qcow2"
    } else {
        check(&content, arch).map_err(|reason| {
            Error::new(
                Kind::Environment,
                format!(
                    "{display_path} is not UEFI firmware for {}: {reason}",
                    arch.name()
                ),
            )
            .hint(
                "leave out `--firmware` to let cbox find one, or name the file that QEMU uses as flash memory: OVMF_CODE_4M.fd, AAVMF_CODE.fd",
            )
        })?;
        "raw"
    };
    let is_whole = match arch {
        Arch::X86_64 => true,
        Arch::Aarch64 => size == FLASH_AARCH64,
    };
    // Less than a whole flash memory cannot be one.
    if format == "raw" && !is_whole {
        return Ok(Firmware::Memory {
            code: path.to_owned(),
        });
    }
    let flash = |path: Utf8PathBuf| Flash {
        path,
        format: format.to_owned(),
    };
    Ok(Firmware::Flash {
        code: flash(path.to_owned()),
        variables: beside(path).map(flash),
    })
}

/// Why `content` cannot be firmware, as far as a look at it tells.
///
/// A firmware volume has its signature 40 bytes from its beginning, on a boundary of 8
/// (UEFI Platform Initialization, volume 3, 3.2.1). An x86 processor starts 16 bytes before
/// the end, where there has to be an instruction; ARM's starts at the beginning, and edk2
/// has a branch there.
fn check(content: &[u8], arch: Arch) -> Result<(), String> {
    let size = content.len();
    if size == 0 || !size.is_multiple_of(4096) {
        return Err(format!("its {size} bytes are not a multiple of 4096"));
    }
    let largest = match arch {
        Arch::X86_64 => LARGEST_X86,
        Arch::Aarch64 => FLASH_AARCH64,
    };
    if size as u64 > largest {
        return Err(format!("it is larger than {} MiB", largest >> 20));
    }
    let has_volume = content
        .chunks_exact(8)
        .skip(5)
        .any(|block| block.starts_with(b"_FVH"));
    if !has_volume {
        return Err("it contains no firmware volume".to_owned());
    }
    let starts = match arch {
        Arch::X86_64 => {
            let first = &content[size - 16..];
            !(first.iter().all(|&byte| byte == 0) || first.iter().all(|&byte| byte == 0xff))
        }
        Arch::Aarch64 => content[3] & 0xfc == 0x14,
    };
    if starts {
        Ok(())
    } else {
        Err("it has no code at the address where the processor starts".to_owned())
    }
}

/// The template of the variables that belongs to a file of code, by its name.
fn beside(code: &Utf8Path) -> Option<Utf8PathBuf> {
    let name = code.file_name()?;
    let named = [("CODE", "VARS"), ("code", "vars")]
        .iter()
        .map(|(code, variables)| name.replace(code, variables))
        .filter(|other| other != name);
    named
        .flat_map(|name| [name.replace(".secboot", ""), name])
        .map(|name| code.with_file_name(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
#[path = "firmware/tests.rs"]
mod tests;
