//! Disk images, told by what they hold and not by their names.
//!
//! An image in the source of an image makes every build contain the one before;
//! it is found whatever it is called.

/// How much of a file's beginning [`detect`] has to see.
pub const HEAD: usize = 0x8006;

/// What kind of image a file is, from its first [`HEAD`] bytes (fewer where the file
/// ends earlier); `None` for everything else.
///
/// The marks: ECMA-119 8.1.2 (the standard identifier of the first volume descriptor,
/// in sector 16), the QCOW specification (magic), UEFI 5.3.2 (the signature in block
/// 1, for blocks of 512 and of 4096 bytes) and the squashfs superblock.
#[must_use]
pub fn detect(head: &[u8]) -> Option<&'static str> {
    let holds = |offset: usize, mark: &[u8]| head.get(offset..offset + mark.len()) == Some(mark);
    if holds(0x8001, b"CD001") {
        Some("an ISO 9660 image")
    } else if holds(0, b"QFI\xfb") {
        Some("a qcow2 image")
    } else if holds(512, b"EFI PART") || holds(4096, b"EFI PART") {
        Some("a disk image with a GPT")
    } else if holds(0, b"hsqs") {
        Some("a squashfs image")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(detect(&with(offset, mark)), Some(name));
            assert_eq!(
                detect(&with(offset + 1 - 2 * (offset % 2), mark)),
                None,
                "{name} elsewhere"
            );
        }
        assert_eq!(detect(b""), None);
        assert_eq!(detect(b"hs"), None);
        assert_eq!(detect(&vec![0; HEAD]), None);
    }
}
