//! What stands before the data of zstd: the headers of frames and of blocks (RFC 8878, 3.1).

use std::io::{self, Read};

/// With what a frame begins.
pub(super) const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Whether a frame that begins so has no data, but a length and something for other programs.
pub(super) fn is_skippable(mark: &[u8]) -> bool {
    matches!(mark, [first, 0x2a, 0x4d, 0x18, ..] if first & 0xf0 == 0x50)
}

/// The header of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// How large its content is, where it says that.
    pub(super) content: Option<u64>,
    /// Whether a checksum follows its blocks.
    pub(super) has_checksum: bool,
}

impl Header {
    /// Reads what follows the mark (3.1.1.1).
    pub(super) fn read(packed: &mut impl Read) -> io::Result<Self> {
        let mut descriptor = [0; 1];
        packed.read_exact(&mut descriptor)?;
        let [descriptor] = descriptor;
        let is_single_segment = descriptor & 0x20 != 0;
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content = match descriptor >> 6 {
            0 => usize::from(is_single_segment),
            size => 1 << size,
        };
        let before = usize::from(!is_single_segment) + dictionary;
        // Window, dictionary and size have 1, 4 and 8 bytes at the most.
        let mut fields = [0; 13];
        let fields = &mut fields[..before + content];
        packed.read_exact(fields)?;
        let mut number = [0; 8];
        number[..content].copy_from_slice(&fields[before..]);
        let number = u64::from_le_bytes(number);
        Ok(Self {
            content: match content {
                0 => None,
                2 => Some(number + 256),
                _ => Some(number),
            },
            has_checksum: descriptor & 4 != 0,
        })
    }
}

/// The header of a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Whether no other block of the frame follows.
    pub(super) is_last: bool,
    /// How many bytes follow that belong to it.
    pub(super) length: u64,
}

impl Block {
    /// Reads one (3.1.1.2); `None` where there can be none of this kind.
    pub(super) fn read(packed: &mut impl Read) -> io::Result<Option<Self>> {
        let mut header = [0; 4];
        packed.read_exact(&mut header[..3])?;
        let header = u32::from_le_bytes(header);
        let length = match header >> 1 & 3 {
            // One byte that is repeated.
            1 => 1,
            3 => return Ok(None),
            _ => u64::from(header >> 3),
        };
        Ok(Some(Self {
            is_last: header & 1 != 0,
            length,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_how_large_the_content_is() {
        let read = |bytes: &[u8]| Header::read(&mut &*bytes).unwrap();
        let content = |bytes: &[u8]| read(bytes).content;
        assert_eq!(content(&[0x00, 0x38]), None, "a window alone");
        assert_eq!(content(&[0x20, 7]), Some(7));
        assert_eq!(content(&[0x60, 1, 0]), Some(257));
        assert_eq!(content(&[0x81, 0x38, 9, 1, 0, 0, 1]), Some((1 << 24) + 1));
        assert_eq!(content(&[0xe0, 0, 0, 0, 0, 1, 0, 0, 0]), Some(1 << 32));
        assert!(read(&[0x24, 7]).has_checksum && !read(&[0x20, 7]).has_checksum);
        assert!(Header::read(&mut &[0x20][..]).is_err());
    }

    #[test]
    fn blocks_say_how_long_they_are() {
        let read = |kind: u32, length: u32, last: u32| {
            let header = (length << 3 | kind << 1 | last).to_le_bytes();
            Block::read(&mut &header[..3]).unwrap()
        };
        let block = |length, is_last| Some(Block { is_last, length });
        assert_eq!(read(0, 5, 0), block(5, false));
        assert_eq!(read(1, 5, 1), block(1, true));
        assert_eq!(read(2, 100_000, 1), block(100_000, true));
        assert_eq!(read(3, 5, 0), None);
    }
}
