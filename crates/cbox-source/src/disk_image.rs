//! Disk images, told by what they hold and not by their names.
//!
//! An image in the source of an image makes every build contain the one before;
//! it is found whatever it is called.

/// How much of a file's beginning [`detect`] has to see.
pub const HEAD: usize = 0x8006;

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
/// in sector 16); the specifications of QCOW, VMDK, VDI and VHDX (magic); UEFI 5.3.2 (the
/// signature in block 1, for blocks of 512 and of 4096 bytes) and 5.2.1 (the partition
/// records of an MBR); the superblocks of squashfs and ext4.
#[rustfmt::skip]
static FORMATS: [Format; 9] = [
    row("an ISO 9660 image", Some("raw"), |head| holds(head, 0x8001, b"CD001")),
    row("a qcow2 image", Some("qcow2"), |head| holds(head, 0, b"QFI\xfb")),
    row("a VMDK image", Some("vmdk"), |head| holds(head, 0, b"KDMV")),
    row("a VDI image", Some("vdi"), |head| holds(head, 0x40, &[0x7f, 0x10, 0xda, 0xbe])),
    row("a VHDX image", Some("vhdx"), |head| holds(head, 0, b"vhdxfile")),
    row("a disk image with a GPT", Some("raw"), |head| {
        holds(head, 512, b"EFI PART") || holds(head, 4096, b"EFI PART")
    }),
    row("a squashfs image", None, |head| holds(head, 0, b"hsqs")),
    row("a disk image with an MBR", Some("raw"), has_partitions),
    row("an ext4 image", None, |head| holds(head, 0x438, &[0x53, 0xef]) && holds(head, 0, &[0; 512])),
];

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

/// The format of a file, from its first [`HEAD`] bytes (fewer where the file ends earlier);
/// `None` where it is no disk image.
#[must_use]
pub fn detect(head: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.is_of)(head))
}

fn holds(head: &[u8], offset: usize, mark: &[u8]) -> bool {
    head.get(offset..offset + mark.len()) == Some(mark)
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
            (0x438, &[0x53, 0xef], "an ext4 image"),
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
