//! Formats of compressed files, and how one begins once it is unpacked: as much as tells a disk
//! image.
//!
//! Only the first bytes are unpacked here, and nothing that the file says of itself decides how
//! much memory that takes: where it names a window or a dictionary, a small one is enough.

use std::io::{self, BufRead, BufReader, Read, Seek};

use bzip2::read::BzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::Lzma2Reader;
use ruzstd::decoding::StreamingDecoder;

use super::{
    HEAD,
    frame::{self, ZSTD},
    unpacked::Unpacked,
    unpacked_size::{self, UnpackedSize},
};

/// More of a compressed file is not read. A block of bzip2, which is unpacked as a whole, is
/// smaller than 1 MiB.
const MOST_READ: u64 = 4 << 20;

/// The dictionary of LZMA2 for what is unpacked here, which is no more than [`HEAD`].
const DICTIONARY: u32 = 1 << 20;

/// A format of compressed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// The specification of .xz.
    Xz,
    /// RFC 8878.
    Zstd,
    /// The format of bzip2.
    Bzip2,
}

/// With what files begin: RFC 1952 2.3.1, the specification of .xz 2.1.1, RFC 8878 3.1.1 and
/// 3.1.2, and the header of bzip2 with the size of its blocks left out. A skippable frame of zstd
/// comes first in what pzstd writes, and in seekable files.
static MARKS: [(Compression, &[u8]); 5] = [
    (Compression::Gzip, &[0x1f, 0x8b, 8]),
    (Compression::Xz, b"\xfd7zXZ\0"),
    (Compression::Zstd, &ZSTD),
    (Compression::Zstd, &[0x50, 0x2a, 0x4d, 0x18]),
    (Compression::Bzip2, b"BZh"),
];

impl Compression {
    /// The compression of a file that begins with `head`.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        let mut all = MARKS.iter();
        all.find(|(_, mark)| head.starts_with(mark))
            .map(|(compression, _)| *compression)
    }

    /// What it is called, which is what its program is called too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }

    /// The first bytes of what is compressed in `packed`, as many as tell an image, or as
    /// many as can be unpacked.
    pub fn head(self, packed: impl Read) -> Vec<u8> {
        let mut head = Vec::with_capacity(HEAD);
        let packed: Box<dyn Read + '_> = Box::new(BufReader::new(packed.take(MOST_READ)));
        // What is broken further on may still have told what it is.
        let _end = match self {
            Self::Gzip => gzip(packed, &mut head),
            Self::Xz => xz(packed, &mut head),
            Self::Zstd => zstd(packed, &mut head),
            Self::Bzip2 => bzip2(packed, &mut head),
        };
        head
    }

    /// All of what is compressed in `packed`, as it is read.
    pub fn unpack<R: BufRead>(self, packed: R) -> Unpacked<R> {
        Unpacked::new(self, packed)
    }

    /// How large that is, as far as `packed` says it without being unpacked.
    ///
    /// # Errors
    /// When it cannot be read, or is seen not to be whole.
    pub fn unpacked_size(self, packed: impl Read + Seek) -> io::Result<UnpackedSize> {
        unpacked_size::of(self, packed)
    }
}

/// Reads up to [`HEAD`] bytes.
fn fill(unpacked: impl Read, head: &mut Vec<u8>) -> io::Result<()> {
    unpacked.take(HEAD as u64).read_to_end(head).map(drop)
}

fn gzip(packed: Box<dyn Read + '_>, head: &mut Vec<u8>) -> io::Result<()> {
    fill(MultiGzDecoder::new(packed), head)
}

fn bzip2(packed: Box<dyn Read + '_>, head: &mut Vec<u8>) -> io::Result<()> {
    fill(BzDecoder::new(packed), head)
}

/// The first block; its header says where its data begin (the specification of .xz, 3.1).
/// The data are LZMA2. Where a filter stands before that, it changes addresses of calls and
/// no mark.
fn xz(mut packed: Box<dyn Read + '_>, head: &mut Vec<u8>) -> io::Result<()> {
    const STREAM_HEADER: usize = 12;
    let mut start = [0; STREAM_HEADER + 1];
    packed.read_exact(&mut start)?;
    let header = usize::from(start[STREAM_HEADER]) * 4 + 3;
    io::copy(&mut packed.by_ref().take(header as u64), &mut io::sink())?;
    fill(Lzma2Reader::new(packed, DICTIONARY, None), head)
}

/// The frames from the first that is none to skip. Each is given a header of its own, with a
/// small window, which is right for its beginning (RFC 8878, 3.1.1.1).
fn zstd(mut packed: Box<dyn Read + '_>, head: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut mark = [0; 4];
        packed.read_exact(&mut mark)?;
        if mark == ZSTD {
            break;
        }
        if !frame::is_skippable(&mark) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut size = [0; 4];
        packed.read_exact(&mut size)?;
        let size = u64::from(u32::from_le_bytes(size));
        io::copy(&mut packed.by_ref().take(size), &mut io::sink())?;
    }
    frame::Header::read(&mut packed)?;
    // No checksum, no size, no dictionary; a window of 128 KiB, 2 to the 10 + 7, which is
    // the size of the largest block.
    let header = [&ZSTD[..], &[0, 7 << 3]].concat();
    let frame = StreamingDecoder::new(io::Cursor::new(header).chain(packed));
    fill(frame.map_err(io::Error::other)?, head)
}
