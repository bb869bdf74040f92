//! A drive, and whether it may be erased.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use camino::Utf8Path;
use cbox_nix::process::Command;
use serde_json::{Value, json};

use crate::{
    error::{Error, Kind},
    flash::{block_devices::Content, content},
    text::{columns, size},
};

/// Where the running system lives: what is mounted at or below one of them is never erased.
const SYSTEM: [&str; 5] = ["/boot", "/efi", "/nix", "/usr", "/var"];

/// A drive as the kernel and udev know it. All of its texts are fit to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// Its name, which is typed to erase it: `sdb`.
    pub name: String,
    /// Its size in bytes; 0 where there is no medium in it.
    pub size: u64,
    /// Who made it.
    pub vendor: Option<String>,
    /// What its maker calls it.
    pub model: Option<String>,
    /// How it is connected: `usb`.
    pub transport: Option<&'static str>,
    /// Whether nothing can be written to it.
    pub is_read_only: bool,
    /// What is on it as a whole.
    pub whole: Part,
    /// What is on its partitions.
    pub partitions: Vec<Part>,
    /// Whether nobody could say what is on it.
    pub is_unknown: bool,
}

/// A partition, or a drive as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// `sdb1`
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it begins on the drive, in bytes.
    pub start: u64,
    pub content: Content,
    pub uses: Vec<Use>,
}

/// What a part is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub how: How,
    /// The devices between the part and this use, the nearest first: none where the part
    /// itself is used.
    pub through: Vec<Holder>,
}

/// A way to use a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It is mounted there.
    Mounted(String),
    /// It takes what memory does not hold.
    Swap,
    /// Another device is made of it, the last one of [`Use::through`].
    Held,
}

/// A device that is made of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The kernel's name: `dm-0`, `md127`.
    pub device: String,
    pub kind: HolderKind,
}

/// What makes a device of others, with its name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderKind {
    /// An encrypted volume.
    Crypt(String),
    /// A logical volume.
    Lvm(String),
    /// Another volume of the device mapper.
    Mapped(String),
    /// A RAID.
    Raid,
    /// A file on a filesystem of the part, which is a drive itself.
    Loop,
    /// Something else.
    Other,
}

/// How a file that is written to as a drive is connected.
const FILE: &str = "file";

impl Drive {
    /// A file that is written to as a drive of its size.
    pub fn of_file(name: &str, size: u64) -> Self {
        Self {
            name: name.to_owned(),
            size,
            vendor: None,
            model: None,
            transport: Some(FILE),
            is_read_only: false,
            whole: Part {
                name: name.to_owned(),
                size,
                ..Part::default()
            },
            partitions: vec![],
            is_unknown: false,
        }
    }

    /// Looks for what udev did not say in the drive itself, if that can be opened.
    pub fn examine(&mut self, opened: io::Result<File>) {
        let parts = std::iter::once(&mut self.whole).chain(&mut self.partitions);
        let silent: Vec<&mut Part> = parts
            .filter(|part| part.content == Content::default())
            .collect();
        match opened {
            Ok(file) => {
                for part in silent {
                    let mut head = vec![0; content::LENGTH];
                    let length = file.read_at(&mut head, part.start).unwrap_or(0);
                    part.content.filesystem = content::of(&head[..length]);
                }
            }
            Err(_) => self.is_unknown = !silent.is_empty(),
        }
    }

    /// As the JSON result holds it.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "size": self.size,
            "vendor": self.vendor,
            "model": self.model,
            "transport": self.transport,
            "filesystem": self.whole.content.filesystem,
            "label": self.whole.content.label,
            "partitions": self.partitions.iter().map(Part::to_json).collect::<Vec<_>>(),
        })
    }

    /// What it is, in a line: `sdb: SanDisk Ultra, 30.8 GB, usb`.
    pub fn title(&self) -> String {
        let words = [self.vendor.as_deref(), self.model.as_deref()];
        let model: Vec<&str> = words.into_iter().flatten().collect();
        let mut parts = vec![size(self.size)];
        if !model.is_empty() {
            parts.insert(0, model.join(" "));
        }
        parts.extend(self.transport.map(str::to_owned));
        format!("{}: {}", self.name, parts.join(", "))
    }

    /// What is on it, as rows.
    pub fn rows(&self) -> Vec<String> {
        let whole = &self.whole;
        let has_content = whole.content != Content::default();
        let is_used = has_content || !whole.uses.is_empty();
        let mut rows: Vec<[String; 5]> = self.partitions.iter().map(Part::row).collect();
        if is_used {
            let mut row = whole.row();
            if has_content {
                let used = std::mem::replace(&mut row[4], "on the whole drive".to_owned());
                let used = Some(used).filter(|used| !used.is_empty());
                row[4].extend(used.map(|used| format!(", {used}")));
            }
            rows.insert(0, row);
        }
        if rows.is_empty() && self.transport == Some(FILE) {
            return vec!["  the contents of a file are not examined".to_owned()];
        }
        let mut lines = match rows.is_empty() {
            true => vec!["no partitions".to_owned()],
            false => columns(&rows),
        };
        if self.is_unknown {
            lines.push("what is on it could not be read".to_owned());
        }
        lines.iter().map(|line| format!("  {line}")).collect()
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.whole).chain(&self.partitions)
    }

    fn uses(&self) -> impl Iterator<Item = (&Part, &Use)> {
        self.parts()
            .flat_map(|part| part.uses.iter().map(move |one| (part, one)))
    }

    /// Says why it must not be erased, or cannot take `bytes`. `path` is its name for people.
    pub fn check(&self, path: &Utf8Path, bytes: u64) -> Result<(), Error> {
        let refused = |message: String| Error::new(Kind::Environment, message);
        if let Some((part, point)) = self.uses().find_map(|(part, one)| match &one.how {
            How::Mounted(point) if is_system(point) => Some((part, point)),
            _ => None,
        }) {
            return Err(refused(format!(
                "{path} is the drive of the running system: {point} is on {}",
                part.name
            ))
            .hint("name another drive; `lsblk` shows them"));
        }
        if let Some((part, holder)) = self
            .uses()
            .find_map(|(part, one)| Some((part, one.through.first()?)))
        {
            return Err(refused(format!(
                "{path} is in use: {} belongs to {}",
                part.name,
                holder.description()
            ))
            .hint(holder.way_out()));
        }
        let points: Vec<&str> = self.uses().filter_map(|(_, one)| one.point()).collect();
        if !points.is_empty() {
            return Err(refused(format!(
                "{path} is in use: it is mounted at {}",
                points.join(" and ")
            ))
            .hint(format!("unmount it: `{}`", shell("umount", &points))));
        }
        if let Some((part, _)) = self.uses().find(|(_, one)| one.how == How::Swap) {
            let device = format!("/dev/{}", part.name);
            return Err(
                refused(format!("{path} is in use: {} is swap space", part.name))
                    .hint(format!("release it: `{}`", shell("swapoff", &[&device]))),
            );
        }
        if self.size == 0 {
            return Err(refused(format!("there is no medium in {path}"))
                .hint("insert one, or name another drive; `lsblk` shows them"));
        }
        if self.is_read_only {
            return Err(refused(format!("{path} is read-only"))
                .hint("cards have a switch for this; elsewhere `blockdev --setrw` lifts it"));
        }
        if self.size < bytes {
            return Err(refused(format!(
                "{path} is too small: it has {} ({} bytes), but the image has {} ({bytes} bytes)",
                size(self.size),
                self.size,
                size(bytes)
            ))
            .hint("name a bigger drive"));
        }
        Ok(())
    }
}

impl Part {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "size": self.size,
            "filesystem": self.content.filesystem,
            "label": self.content.label,
        })
    }

    fn row(&self) -> [String; 5] {
        let Content { filesystem, label } = &self.content;
        let uses: Vec<String> = self.uses.iter().map(Use::description).collect();
        [
            self.name.clone(),
            size(self.size),
            filesystem.clone().unwrap_or_default(),
            label.clone().unwrap_or_default(),
            uses.join(", "),
        ]
    }
}

impl Use {
    fn point(&self) -> Option<&str> {
        match &self.how {
            How::Mounted(point) => Some(point),
            _ => None,
        }
    }

    fn description(&self) -> String {
        let how = match &self.how {
            How::Mounted(point) => format!("mounted at {point}"),
            How::Swap => "swap".to_owned(),
            How::Held => return format!("part of {}", self.names()),
        };
        match self.through.is_empty() {
            true => how,
            false => format!("{how} through {}", self.names()),
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.through.iter().map(Holder::name).collect();
        names.join(" and ")
    }
}

impl Holder {
    /// The name that the one who made it gave it, or the kernel's.
    pub fn name(&self) -> &str {
        match &self.kind {
            HolderKind::Crypt(name) | HolderKind::Lvm(name) | HolderKind::Mapped(name) => name,
            HolderKind::Raid | HolderKind::Loop | HolderKind::Other => &self.device,
        }
    }

    fn description(&self) -> String {
        let what = match &self.kind {
            HolderKind::Crypt(_) => "the encrypted volume",
            HolderKind::Lvm(_) => "the logical volume",
            HolderKind::Mapped(_) => "the mapped volume",
            HolderKind::Raid => "the RAID",
            HolderKind::Loop => "the loop device",
            HolderKind::Other => "the device",
        };
        format!("{what} {}", self.name())
    }

    fn way_out(&self) -> String {
        let device = format!("/dev/{}", self.device);
        let command = match &self.kind {
            HolderKind::Crypt(name) => shell("cryptsetup", &["close", name]),
            HolderKind::Lvm(name) => shell(
                "lvchange",
                &["--activate", "n", &format!("/dev/mapper/{name}")],
            ),
            HolderKind::Mapped(name) => shell("dmsetup", &["remove", name]),
            HolderKind::Raid => shell("mdadm", &["--stop", &device]),
            HolderKind::Loop => shell("losetup", &["--detach", &device]),
            HolderKind::Other => return "release that first".to_owned(),
        };
        format!("release it: unmount what is on it, then `{command}`")
    }
}

/// A command that is to be run as root, as a shell takes it.
fn shell(program: &str, arguments: &[&str]) -> String {
    let words = [&[program], arguments].concat();
    Command::new("sudo", words).to_shell()
}

fn is_system(point: &str) -> bool {
    point == "/"
        || SYSTEM
            .iter()
            .any(|place| Utf8Path::new(point).starts_with(place))
}
