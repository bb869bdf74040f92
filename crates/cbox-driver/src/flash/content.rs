//! What is on a drive or a partition by its first bytes, where udev says nothing: in a container
//! it is not there to ask.

use cbox_source::disk_image::{self, HEAD};

/// What begins so, as a table of drives has it: `ext4`. A table of partitions is none.
///
/// The marks of what is on drives and never in a file, beside those of disk images: the boot
/// sectors of NTFS and exFAT (the name in bytes 3 to 10) and of BitLocker; `mkswap` (the end of a
/// page of 4 KiB); the label of LVM2 in sector 1 of the first four; md's superblock 1.2, which is
/// 4 KiB from the start, and 1.1, which is there (md(4)).
pub(super) fn of(head: &[u8]) -> Option<String> {
    let marks: [(&str, usize, &[u8]); 7] = [
        ("NTFS", 3, b"NTFS    "),
        ("exFAT", 3, b"EXFAT   "),
        ("BitLocker", 3, b"-FVE-FS-"),
        ("swap", 4086, b"SWAPSPACE2"),
        ("LVM", 512, b"LABELONE"),
        ("RAID", 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
        ("RAID", 0, &[0xfc, 0x4e, 0x2b, 0xa9]),
    ];
    let holds = |at: usize, mark: &[u8]| head.get(at..at + mark.len()) == Some(mark);
    let own = marks.iter().find(|(_, at, mark)| holds(*at, mark));
    if let Some((name, ..)) = own {
        return Some((*name).to_owned());
    }
    let what = disk_image::detect(head)?.what;
    // `an ext4 image`; `a disk image with a GPT` is a table.
    let (_, name) = what.strip_suffix(" image")?.split_once(' ')?;
    Some(name.to_owned())
}

/// How much of the beginning [`of`] looks at.
pub(super) const LENGTH: usize = HEAD;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_drives_is_known_and_tables_are_not_taken_for_it() {
        let of = |at: usize, mark: &[u8]| {
            let mut head = vec![0; LENGTH];
            head[at..at + mark.len()].copy_from_slice(mark);
            super::of(&head)
        };
        for (name, at, mark) in [
            ("NTFS", 3, &b"NTFS    "[..]),
            ("swap", 4086, b"SWAPSPACE2"),
            ("LVM", 512, b"LABELONE"),
            ("RAID", 4096, b"\xfc\x4e\x2b\xa9"),
            ("LUKS", 0, b"LUKS\xba\xbe"),
            ("XFS", 0, b"XFSB\0\0"),
            ("btrfs", 0x10040, b"_BHRfS_M"),
            ("ISO 9660", 0x8001, b"CD001"),
        ] {
            assert_eq!(of(at, mark).as_deref(), Some(name));
        }
        assert_eq!(of(512, b"EFI PART"), None);
        assert_eq!(of(0, b""), None);
        assert_eq!(super::of(b"NT"), None);
    }
}
