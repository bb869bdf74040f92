//! The texts in which Linux tells what its block devices are used for.

/// The number of a block device: major and minor.
pub type Number = (u32, u32);

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The device that the filesystem says it is on; the major is 0 where it has none, and
    /// with filesystems that span several.
    pub number: Number,
    /// Where it is mounted.
    pub point: String,
    /// What it is: `ext4`.
    pub filesystem: String,
    /// What was mounted: `/dev/sdb1`.
    pub source: String,
}

/// The mounts of `/proc/self/mountinfo` (proc(5)), in its order: of two at the same place the
/// later one hides the other. Lines that are no mount are passed over.
#[must_use]
pub fn mounts(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (before, behind) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(2);
        let number = number(before.next()?)?;
        let point = before.nth(1)?;
        let mut behind = behind.split(' ');
        Some(Mount {
            number,
            point: unescape(point, "\\", 8, 3),
            filesystem: behind.next()?.to_owned(),
            source: unescape(behind.next()?, "\\", 8, 3),
        })
    };
    text.lines().filter_map(mount).collect()
}

/// The partitions and files that `/proc/swaps` (proc(5)) names.
#[must_use]
pub fn swaps(text: &str) -> Vec<String> {
    let first = |line: &str| Some(unescape(line.split_whitespace().next()?, "\\", 8, 3));
    text.lines().skip(1).filter_map(first).collect()
}

/// What udev has found on a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// What it is: `vfat`.
    pub filesystem: Option<String>,
    /// What it is called.
    pub label: Option<String>,
}

/// What a file of udev's database says, `/run/udev/data/b<major>:<minor>`. Its lines `E:` hold
/// the properties that `udevadm info` shows; systemd's `sd-device` reads them the same way.
#[must_use]
pub fn content(text: &str) -> Content {
    let property = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("E:"));
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    Content {
        filesystem: property("ID_FS_TYPE").map(str::to_owned),
        label: property("ID_FS_LABEL_ENC").map(|text| unescape(text, "\\x", 16, 2)),
    }
}

/// `8:17`, as the kernel writes it.
#[must_use]
pub fn number(text: &str) -> Option<Number> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `text` with its characters for those that cannot stand in it: `\040` in octal, of three
/// digits, and `\x20` in hexadecimal, of two. `prefix` is what stands before the digits.
fn unescape(text: &str, prefix: &str, radix: u32, digits: usize) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once(prefix) {
        bytes.extend_from_slice(plain.as_bytes());
        let byte = behind
            .get(..digits)
            .and_then(|code| u8::from_str_radix(code, radix).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[digits..];
            }
            None => {
                bytes.extend_from_slice(prefix.as_bytes());
                rest = behind;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_have_optional_fields_and_escaped_blanks() {
        let text = "\
24 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
90 24 0:45 /root /home rw - btrfs /dev/mapper/luks-1 rw,subvol=/home
91 24 8:17 / /media/me/MY\\040STICK\\134 rw shared:2 master:3 - vfat /dev/sdb1 rw
nonsense
1 2 x:y / / rw - ext4 /dev/sda1 rw
";
        let mounts = mounts(text);
        let points: Vec<_> = mounts
            .iter()
            .map(|mount| {
                (
                    mount.number,
                    &*mount.point,
                    &*mount.filesystem,
                    &*mount.source,
                )
            })
            .collect();
        assert_eq!(
            points,
            [
                ((8, 2), "/", "ext4", "/dev/sda2"),
                ((0, 45), "/home", "btrfs", "/dev/mapper/luks-1"),
                ((8, 17), "/media/me/MY STICK\\", "vfat", "/dev/sdb1"),
            ]
        );
    }

    #[test]
    fn swaps_have_a_head() {
        let text = "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n\
            /dev/sda3                               partition\t8\t0\t-2\n\
            /swap\\040file                          file\t8\t0\t-3\n";
        assert_eq!(swaps(text), ["/dev/sda3", "/swap file"]);
        assert_eq!(swaps(""), [""; 0]);
    }

    #[test]
    fn udev_knows_what_is_on_a_device() {
        let text = "S:disk/by-label/MY\\x20STICK\nI:1\nE:ID_FS_TYPE=vfat\n\
            E:ID_FS_LABEL=MY_STICK\nE:ID_FS_LABEL_ENC=MY\\x20ST\\xc3\\xbcCK\\x\nG:systemd\n";
        let found = content(text);
        assert_eq!(found.filesystem.as_deref(), Some("vfat"));
        assert_eq!(found.label.as_deref(), Some("MY STüCK\\x"));
        assert_eq!(content("I:1\nE:ID_BUS=usb\n"), Content::default());
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescape("a\\0", "\\", 8, 3), "a\\0");
        assert_eq!(unescape("\\777ü\\üüü", "\\", 8, 3), "\\777ü\\üüü");
    }
}
