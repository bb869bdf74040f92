//! Disk images, told by what they hold and not by their names.
//!
//! An image in the source of an image makes every build contain the one before;
//! it is found whatever it is called, also where it is compressed or in an archive.

mod archive;
mod compressed;
mod frame;
#[cfg(test)]
mod real_images;
#[cfg(test)]
mod real_unpacking;
mod unpacked;
mod unpacked_size;

use std::{fmt, io};

pub use self::{
    archive::other_container,
    compressed::Compression,
    unpacked::{UnpackError, Unpacked},
    unpacked_size::UnpackedSize,
};

/// How much of a file's beginning [`detect`] has to see, also where an archive has its own
/// header before it.
pub const HEAD: usize = 0x10048 + TAR_HEADER;

/// The length of the header of a file in a tar archive.
const TAR_HEADER: usize = 512;

/// A format of disk images.
#[derive(Debug)]
pub struct Format {
    /// What a file of it is, in a sentence: `an ISO 9660 image`.
    pub what: &'static str,
    /// QEMU's name for it, if a machine can boot from it.
    pub qemu: Option<&'static str>,
    /// Whether a file that begins so is of it.
    is_of: fn(&[u8]) -> bool,
}

/// All of them; the first that fits counts.
///
/// The marks: ECMA-119 8.1.2 (the standard identifier of the first volume descriptor,
/// in sector 16); the specifications of QCOW, QED, VMDK, VDI, VHDX and VHD (magic, cookie);
/// Proxmox's of VMA (magic); LUKS1 and LUKS2 (magic); UEFI 5.3.2 (the signature
/// in block 1, for blocks of 512 and of 4096 bytes) and 5.2.1 (the partition records of an
/// MBR); the superblocks of squashfs, erofs, btrfs, XFS, F2FS and ext4 as Linux has them in
/// their headers; Microsoft's specification of FAT (the name in the boot sector, which
/// decides nothing but is written by all).
#[rustfmt::skip]
static FORMATS: [Format; 18] = [
    row("an ISO 9660 image", Some("raw"), |head| holds(head, 0x8001, b"CD001")),
    row("a qcow2 image", Some("qcow2"), |head| holds(head, 0, b"QFI\xfb")),
    row("a QED image", Some("qed"), |head| holds(head, 0, b"QED\0")),
    row("a VMDK image", Some("vmdk"), |head| holds(head, 0, b"KDMV")),
    row("a VDI image", Some("vdi"), |head| holds(head, 0x40, &[0x7f, 0x10, 0xda, 0xbe])),
    row("a VHDX image", Some("vhdx"), |head| holds(head, 0, b"vhdxfile")),
    row(VHD, Some("vpc"), |head| holds(head, 0, VHD_COOKIE)),
    row("a VMA image", None, |head| holds(head, 0, b"VMA\0")),
    row("a LUKS image", None, |head| holds(head, 0, b"LUKS\xba\xbe")),
    row("a disk image with a GPT", Some("raw"), |head| {
        holds(head, 512, b"EFI PART") || holds(head, 4096, b"EFI PART")
    }),
    row("a squashfs image", None, |head| holds(head, 0, b"hsqs")),
    row("an erofs image", None, |head| holds(head, 0x400, &[0xe2, 0xe1, 0xf5, 0xe0])),
    row("a btrfs image", None, |head| holds(head, 0x10040, b"_BHRfS_M")),
    row("an XFS image", None, |head| holds(head, 0, b"XFSB\0\0")),
    row("an F2FS image", None, |head| holds(head, 0x400, &[0x10, 0x20, 0xf5, 0xf2])),
    row("a FAT image", None, |head| {
        holds(head, 510, &[0x55, 0xaa])
            && (holds(head, 0x36, b"FAT1") || holds(head, 0x52, b"FAT32   "))
    }),
    row("a disk image with an MBR", Some("raw"), has_partitions),
    row("an ext4 image", None, is_ext4),
];

const VHD: &str = "a VHD image";

/// Stands at the end of every VHD, and at the beginning of one that grows.
const VHD_COOKIE: &[u8] = b"conectix";

const fn row(what: &'static str, qemu: Option<&'static str>, is_of: fn(&[u8]) -> bool) -> Format {
    Format { what, qemu, is_of }
}

impl Format {
    /// Whether it is the format of CDs.
    #[must_use]
    pub fn is_iso(&self) -> bool {
        self.what == FORMATS[0].what
    }
}

/// A disk image, and what it is packed into.
#[derive(Debug)]
pub struct Image {
    format: &'static Format,
    in_archive: bool,
    compression: Option<Compression>,
}

/// As a sentence has it: `a qcow2 image, compressed with gzip`.
impl fmt::Display for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.format.what)?;
        if self.in_archive {
            formatter.write_str(" in a tar archive")?;
        }
        match self.compression {
            Some(compression) => write!(formatter, ", compressed with {}", compression.name()),
            None => Ok(()),
        }
    }
}

/// Finds the disk image that a file of `size` bytes is or that is packed into it. `head` are
/// its first [`HEAD`] bytes (fewer where it ends earlier); `read_at` reads more of it, from an
/// offset on, and is only asked where that can tell something.
pub fn find(
    head: &[u8],
    size: u64,
    read_at: &dyn Fn(&mut [u8], u64) -> io::Result<usize>,
) -> Option<Image> {
    if let Some(compression) = Compression::of(head) {
        let packed = At { offset: 0, read_at };
        return within(&compression.head(packed), Some(compression));
    }
    within(head, None).or_else(|| {
        let footer = size.checked_sub(512).filter(|_| size.is_multiple_of(512))?;
        let mut cookie = [0; VHD_COOKIE.len()];
        let is_fixed_vhd = match head.get(usize::try_from(footer).ok()?..) {
            Some(footer) => footer.starts_with(VHD_COOKIE),
            None => {
                let length = read_at(&mut cookie, footer);
                length.is_ok_and(|length| length == cookie.len()) && cookie == VHD_COOKIE
            }
        };
        is_fixed_vhd.then_some(Image {
            format: FORMATS.iter().find(|format| format.what == VHD)?,
            in_archive: false,
            compression: None,
        })
    })
}

/// The image that begins with `head`, or the one that comes first in an archive that does.
fn within(head: &[u8], compression: Option<Compression>) -> Option<Image> {
    let image = |format, in_archive| Image {
        format,
        in_archive,
        compression,
    };
    let in_archive = || {
        let inside = head
            .get(TAR_HEADER..)
            .filter(|_| holds(head, 257, b"ustar"))?;
        Some(image(detect(inside)?, true))
    };
    match detect(head) {
        Some(format) => Some(image(format, false)),
        None => in_archive(),
    }
}

/// A file that is read from `offset` on, without moving where others read it.
struct At<'f> {
    offset: u64,
    read_at: &'f dyn Fn(&mut [u8], u64) -> io::Result<usize>,
}

impl io::Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (self.read_at)(buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}

/// The format of a file, from its first [`HEAD`] bytes (fewer where the file ends earlier);
/// `None` where it is no disk image.
#[must_use]
pub fn detect(head: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.is_of)(head))
}

fn holds(head: &[u8], offset: usize, mark: &[u8]) -> bool {
    head.get(offset..offset + mark.len()) == Some(mark)
}

/// Whether there is a superblock of ext2, ext3 or ext4 that makes sense, or nothing before it:
/// two bytes of mark alone stand in many a file.
fn is_ext4(head: &[u8]) -> bool {
    let Some(superblock) = head.get(0x400..0x800) else {
        return false;
    };
    let number = |offset: usize| {
        let bytes = &superblock[offset..offset + 4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    let (inodes, blocks, block_size, revision) = (number(0), number(4), number(24), number(76));
    let (per_group, inodes_per_group) = (number(32), number(40));
    let makes_sense = inodes != 0
        && blocks != 0
        && block_size <= 6
        && revision <= 1
        && per_group != 0
        && (1..=inodes).contains(&inodes_per_group);
    holds(superblock, 56, &[0x53, 0xef]) && (makes_sense || holds(head, 0, &[0; 512]))
}

/// Whether there is an MBR whose four partition records make sense and are not all empty.
/// The signature alone stands in many a file that is no disk.
fn has_partitions(head: &[u8]) -> bool {
    let Some(sector) = head
        .get(..512)
        .filter(|sector| sector.ends_with(&[0x55, 0xaa]))
    else {
        return false;
    };
    let records = || sector[446..510].chunks_exact(16);
    let empty = |record: &[u8]| record.iter().all(|&byte| byte == 0);
    // Active or not, a type, and a size that is not zero.
    let sound =
        |record: &[u8]| matches!(record[0], 0 | 0x80) && record[4] != 0 && record[12..16] != [0; 4];
    records().all(|record| empty(record) || sound(record)) && !records().all(empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(head: &[u8]) -> Option<&'static str> {
        detect(head).map(|format| format.what)
    }

    fn with(offset: usize, mark: &[u8]) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        head[offset..offset + mark.len()].copy_from_slice(mark);
        head
    }

    #[test]
    fn images_are_told_by_their_marks() {
        for (offset, mark, name) in [
            (0x8001, b"CD001".as_slice(), "an ISO 9660 image"),
            (0, b"QFI\xfb", "a qcow2 image"),
            (512, b"EFI PART", "a disk image with a GPT"),
            (4096, b"EFI PART", "a disk image with a GPT"),
            (0, b"hsqs", "a squashfs image"),
            (0, b"KDMV", "a VMDK image"),
            (0x40, &[0x7f, 0x10, 0xda, 0xbe], "a VDI image"),
            (0, b"vhdxfile", "a VHDX image"),
            (0, b"QED\0", "a QED image"),
            (0, b"conectix", "a VHD image"),
            (0, b"VMA\0\0\0\0\x01", "a VMA image"),
            (0x438, &[0x53, 0xef], "an ext4 image"),
            (0, b"LUKS\xba\xbe\0\x02", "a LUKS image"),
            (0x400, &[0xe2, 0xe1, 0xf5, 0xe0], "an erofs image"),
            (0x10040, b"_BHRfS_M", "a btrfs image"),
            (0, b"XFSB\0\0\x10\0", "an XFS image"),
            (0x400, &[0x10, 0x20, 0xf5, 0xf2], "an F2FS image"),
        ] {
            assert_eq!(what(&with(offset, mark)), Some(name));
            assert_eq!(
                what(&with(offset + 1 - 2 * (offset % 2), mark)),
                None,
                "{name} elsewhere"
            );
        }
        assert_eq!(what(b""), None);
        assert_eq!(what(b"hs"), None);
        assert_eq!(what(&vec![0; HEAD]), None);
    }

    #[test]
    fn an_mbr_is_more_than_its_signature() {
        let mut sector = with(510, &[0x55, 0xaa]);
        assert_eq!(what(&sector), None, "no partition");
        sector[446 + 4] = 0x83;
        assert_eq!(what(&sector), None, "a partition without a size");
        sector[446 + 12] = 1;
        assert_eq!(what(&sector), Some("a disk image with an MBR"));
        sector[462] = 7;
        assert_eq!(what(&sector), None, "a record that makes no sense");
    }
}
