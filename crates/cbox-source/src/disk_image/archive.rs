//! Files that have other files in them, or are compressed in a way that is not unpacked here: what
//! they are called, and what unpacks them.

/// A file that is taken for an image and is something around one: what it is, and the beginning
/// of the command that unpacks it.
#[must_use]
pub fn other_container(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let mut all = CONTAINERS.iter();
    all.find(|(offset, mark, ..)| head.get(*offset..*offset + mark.len()) == Some(*mark))
        .map(|(_, _, what, command)| (*what, *command))
}

/// Where each has its mark, the mark, what it is, and what unpacks it. Sources: POSIX `pax`
/// (`ustar`), PKWARE's APPNOTE 4.3.7 and 4.3.16, 7zFormat.txt, the notes on RAR by its author, the
/// specifications of LZ4 frames, lzip and lzma, and those of cpio (`newc`) and ar.
#[rustfmt::skip]
static CONTAINERS: [(usize, &[u8], &str, &str); 11] = [
    (257, b"ustar", "a tar archive", "tar -xf"),
    (0, b"PK\x03\x04", "a zip archive", "unzip"),
    (0, b"PK\x05\x06", "an empty zip archive", "unzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unrar x"),
    (0, b"070701", "a cpio archive", "cpio -idF"),
    (0, b"!<arch>\n", "an ar archive", "ar x"),
    (0, &[0x04, 0x22, 0x4d, 0x18], "compressed with lz4", "lz4 -d"),
    (0, b"LZIP", "compressed with lzip", "lzip -dk"),
    (0, &[0x5d, 0, 0], "compressed with lzma", "xz -dk --format=lzma"),
    (0, &[0x89, b'L', b'Z', b'O'], "compressed with lzop", "lzop -d"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_by_their_marks() {
        for (offset, mark, what, _) in CONTAINERS {
            let mut head = vec![1; offset];
            head.extend_from_slice(mark);
            assert_eq!(other_container(&head).unwrap().0, what);
            head[offset] ^= 1;
            assert_eq!(other_container(&head), None, "{what}");
        }
        assert_eq!(other_container(b""), None);
    }
}
