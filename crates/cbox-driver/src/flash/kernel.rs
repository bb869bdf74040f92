//! What the kernel and udev tell of block devices, read from files.
//!
//! Version: the kernel's `Documentation/ABI/{stable,testing}/sysfs-block*` and proc(5). A
//! program like `lsblk` reads the same files; without it there is nothing to be missing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::drive::{Drive, Holder, HolderKind, How, Part, Use};
use crate::flash::block_devices::{self, Content, Mount, Number};

/// How many devices are looked for on top of one another.
const DEPTH: usize = 8;

/// The unit of `size` in sysfs, whatever the drive's own blocks are.
const SECTOR: u64 = 512;

/// What a number of a block device stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BlockDevice {
    /// A drive as a whole.
    Whole(Box<Drive>),
    /// A partition, with the name of its drive.
    Partition(String),
}

/// The kernel's files at a moment.
#[derive(Debug)]
pub(super) struct Kernel {
    root: PathBuf,
    mounts: Vec<Mount>,
    /// The names of the devices that are swap.
    swaps: Vec<String>,
}

impl Kernel {
    /// Reads what is mounted and swapped to. `root` is `/`, but in tests.
    pub(super) fn read(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let mut kernel = Self {
            root: root.to_owned(),
            mounts: block_devices::mounts(&read("proc/self/mountinfo")),
            swaps: vec![],
        };
        let swaps = block_devices::swaps(&read("proc/swaps"));
        kernel.swaps = swaps.iter().filter_map(|path| kernel.named(path)).collect();
        kernel
    }

    /// The device of this number; `None` for one that the kernel does not know.
    pub(super) fn device(&self, number: Number) -> Option<BlockDevice> {
        let name = self.numbered(number)?;
        let folder = self.folder(&name)?;
        if folder.join("partition").exists() {
            let drive = folder.parent()?.file_name()?.to_str()?;
            return Some(BlockDevice::Partition(drive.to_owned()));
        }
        let whole = self.part(&name)?;
        let mut partitions: Vec<Part> = names(&folder)
            .filter(|name| folder.join(name).join("partition").exists())
            .filter_map(|name| self.part(&name))
            .collect();
        // `sdb10` behind `sdb9`.
        partitions.sort_by(|one, other| {
            (one.name.len(), &one.name).cmp(&(other.name.len(), &other.name))
        });
        let attribute = |path: &str| read_attribute(&folder.join(path));
        Some(BlockDevice::Whole(Box::new(Drive {
            size: whole.size,
            vendor: attribute("device/vendor"),
            // Cards have a name, and loop devices a file.
            model: attribute("device/model")
                .or_else(|| attribute("device/name"))
                .or_else(|| attribute("loop/backing_file")),
            transport: transport(&name, &folder),
            is_read_only: attribute("ro").as_deref() == Some("1"),
            whole,
            partitions,
            is_unknown: false,
            name,
        })))
    }

    fn part(&self, name: &str) -> Option<Part> {
        let folder = self.folder(name)?;
        let mut uses = vec![];
        self.find_uses(name, &folder, &[], &mut uses);
        let number =
            read_attribute(&folder.join("dev")).and_then(|text| block_devices::number(&text));
        let content = number.map(|number| self.content(number));
        Some(Part {
            name: name.to_owned(),
            size: sectors(&folder, "size"),
            start: match folder.join("partition").exists() {
                true => sectors(&folder, "start"),
                false => 0,
            },
            content: content.unwrap_or_default(),
            uses,
        })
    }

    /// Adds the uses of a device and of all that is made of it.
    fn find_uses(&self, name: &str, folder: &Path, through: &[Holder], uses: &mut Vec<Use>) {
        let begin = uses.len();
        let of = |how| Use {
            how,
            through: through.to_vec(),
        };
        let is_it = |mount: &&Mount| self.device_of(mount).as_deref() == Some(name);
        let mounts: Vec<&Mount> = self.mounts.iter().filter(is_it).collect();
        for mount in &mounts {
            uses.push(of(How::Mounted(printable(&mount.point))));
        }
        if self.swaps.iter().any(|swap| swap == name) {
            uses.push(of(How::Swap));
        }
        let mut holders: Vec<String> = names(&folder.join("holders")).collect();
        for device in self.made_of(name).chain(self.loops(name, &mounts)) {
            if !holders.contains(&device) {
                holders.push(device);
            }
        }
        for device in holders {
            if through.len() >= DEPTH {
                break;
            }
            let Some(folder) = self.folder(&device) else {
                continue;
            };
            let kind = holder_kind(&device, &folder);
            let holder = Holder {
                device: device.clone(),
                kind,
            };
            let through = [through, &[holder]].concat();
            self.find_uses(&device, &folder, &through, uses);
        }
        if !through.is_empty() && uses.len() == begin {
            uses.push(of(How::Held));
        }
    }

    /// The devices that say themselves that they are made of this one. A container may see them
    /// and not what holds the drive.
    fn made_of(&self, name: &str) -> impl Iterator<Item = String> {
        let block = self.root.join("sys/class/block");
        names(&block).filter(move |device| {
            let slave = block.join(device).join("slaves").join(name);
            slave.symlink_metadata().is_ok()
        })
    }

    /// The loop devices of this one, and those whose files are on one of these filesystems: a
    /// live system runs off such a file on the drive that it was booted from.
    fn loops(&self, device: &str, mounts: &[&Mount]) -> Vec<String> {
        let is_on = |name: &String| {
            let file = self.root.join("sys/class/block").join(name);
            let Ok(file) = fs::read_to_string(file.join("loop/backing_file")) else {
                return false;
            };
            let file = file.trim_end();
            if self.named(file).is_some_and(|named| named == device) {
                return name != device;
            }
            let holds = |mount: &&Mount| Path::new(file).starts_with(&mount.point);
            // Of those at one place the last one is seen.
            let of = self.mounts.iter().filter(holds);
            let of = of.max_by_key(|mount| mount.point.len());
            of.is_some_and(|of| mounts.contains(&of))
        };
        names(&self.root.join("sys/class/block"))
            .filter(is_on)
            .collect()
    }

    /// The name of the device that a filesystem is on.
    fn device_of(&self, mount: &Mount) -> Option<String> {
        // Filesystems that span several devices have a number of their own.
        self.numbered(mount.number)
            .or_else(|| self.named(&mount.source))
    }

    fn numbered(&self, (major, minor): Number) -> Option<String> {
        let link = format!("sys/dev/block/{major}:{minor}");
        file_name(&self.root.join(link).canonicalize().ok()?)
    }

    /// The name of the device at a path below `/dev`, which may be a link to it.
    fn named(&self, path: &str) -> Option<String> {
        let path = path.strip_prefix("/dev/")?;
        let name = file_name(&self.root.join("dev").join(path).canonicalize().ok()?)?;
        self.folder(&name).map(|_| name)
    }

    fn folder(&self, name: &str) -> Option<PathBuf> {
        let link = self.root.join("sys/class/block").join(name);
        link.canonicalize().ok()
    }

    fn content(&self, (major, minor): Number) -> Content {
        let file = self.root.join(format!("run/udev/data/b{major}:{minor}"));
        let Content { filesystem, label } =
            block_devices::content(&fs::read_to_string(file).unwrap_or_default());
        Content {
            filesystem: filesystem.as_deref().map(printable),
            label: label.as_deref().map(printable),
        }
    }
}

/// What made a device of others.
fn holder_kind(name: &str, folder: &Path) -> HolderKind {
    let Some(mapped) = read_attribute(&folder.join("dm/name")) else {
        return match name {
            name if name.starts_with("md") => HolderKind::Raid,
            name if name.starts_with("loop") => HolderKind::Loop,
            _ => HolderKind::Other,
        };
    };
    // What is before the first hyphen says who made it (dmsetup(8), "uuid").
    let uuid = read_attribute(&folder.join("dm/uuid")).unwrap_or_default();
    match uuid.split('-').next() {
        Some("CRYPT") => HolderKind::Crypt(mapped),
        Some("LVM") => HolderKind::Lvm(mapped),
        _ => HolderKind::Mapped(mapped),
    }
}

/// How a drive is connected, as its place among the devices says. The nearest connection
/// counts: what is on USB is on PCI too.
fn transport(name: &str, folder: &Path) -> Option<&'static str> {
    let is_in = |prefix: &str| {
        let mut names = folder.iter().filter_map(|part| part.to_str());
        names.any(|name| {
            let number = name.strip_prefix(prefix);
            number.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        })
    };
    [
        ("usb", is_in("usb")),
        ("nvme", name.starts_with("nvme")),
        ("card", name.starts_with("mmcblk")),
        ("sata", is_in("ata")),
        ("virtio", is_in("virtio")),
        ("loop", name.starts_with("loop")),
    ]
    .into_iter()
    .find_map(|(transport, is_it)| is_it.then_some(transport))
}

/// The entries of a folder that have a name in UTF-8, as all devices have.
fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let folder = Utf8Path::from_path(folder).map(Utf8Path::to_owned);
    let entries = folder.and_then(|folder: Utf8PathBuf| folder.read_dir_utf8().ok());
    entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_owned()))
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

/// An attribute of a device that counts sectors, in bytes.
fn sectors(folder: &Path, attribute: &str) -> u64 {
    let sectors: Option<u64> =
        read_attribute(&folder.join(attribute)).and_then(|text| text.parse().ok());
    sectors.unwrap_or(0).saturating_mul(SECTOR)
}

/// What a file of sysfs says, without the blanks that devices fill it with.
fn read_attribute(file: &Path) -> Option<String> {
    let text = printable(fs::read_to_string(file).ok()?.trim());
    (!text.is_empty()).then_some(text)
}

/// `text` in one line without anything that moves a cursor or turns the direction of writing:
/// a drive says what it likes.
fn printable(text: &str) -> String {
    let is_plain = |one: &char| one.is_alphanumeric() || one.is_ascii_punctuation() || *one == ' ';
    text.chars().filter(is_plain).collect()
}
