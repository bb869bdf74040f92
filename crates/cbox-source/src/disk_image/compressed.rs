//! How a compressed file begins once it is unpacked: as much as tells a disk image.
//!
//! Only the first bytes are unpacked, and nothing that the file says of itself decides how
//! much memory that takes: where it names a window or a dictionary, a small one is enough.

use std::io::{self, BufReader, Read};

use bzip2::read::BzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::Lzma2Reader;
use ruzstd::decoding::StreamingDecoder;

use super::HEAD;

/// More of a compressed file is not read. A block of bzip2, which is unpacked as a whole, is
/// smaller than 1 MiB.
const MOST_READ: u64 = 4 << 20;

/// The dictionary of LZMA2 for what is unpacked here, which is no more than [`HEAD`].
const DICTIONARY: u32 = 1 << 20;

/// A format of compressed files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compression {
    /// What it is called.
    pub(super) name: &'static str,
    /// With what a file of it begins.
    mark: &'static [u8],
    unpack: fn(Box<dyn Read + '_>, &mut Vec<u8>) -> io::Result<()>,
}

/// RFC 1952 2.3.1, the specification of .xz 2.1.1, RFC 8878 3.1.1 and 3.1.2, and the header
/// of bzip2 with the size of its blocks left out.
static COMPRESSIONS: [Compression; 5] = [
    row("gzip", &[0x1f, 0x8b, 8], gzip),
    row("xz", b"\xfd7zXZ\0", xz),
    row("zstd", &ZSTD, zstd),
    // A skippable frame comes first in what pzstd writes, and in seekable files.
    row("zstd", &[0x50, 0x2a, 0x4d, 0x18], zstd),
    row("bzip2", b"BZh", bzip2),
];

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

const fn row(
    name: &'static str,
    mark: &'static [u8],
    unpack: fn(Box<dyn Read + '_>, &mut Vec<u8>) -> io::Result<()>,
) -> Compression {
    Compression { name, mark, unpack }
}

/// The compression of a file that begins with `head`.
pub(super) fn detect(head: &[u8]) -> Option<Compression> {
    let mut all = COMPRESSIONS.iter().copied();
    all.find(|compression| head.starts_with(compression.mark))
}

impl Compression {
    /// The first bytes of what is compressed in `packed`, as many as tell an image, or as
    /// many as can be unpacked.
    pub(super) fn head(&self, packed: impl Read) -> Vec<u8> {
        let mut head = Vec::with_capacity(HEAD);
        let packed = BufReader::new(packed.take(MOST_READ));
        // What is broken further on may still have told what it is.
        let _end = (self.unpack)(Box::new(packed), &mut head);
        head
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
        if mark[0] & 0xf0 != 0x50 || mark[1..] != [0x2a, 0x4d, 0x18] {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut size = [0; 4];
        packed.read_exact(&mut size)?;
        let size = u64::from(u32::from_le_bytes(size));
        io::copy(&mut packed.by_ref().take(size), &mut io::sink())?;
    }
    let mut descriptor = [0; 1];
    packed.read_exact(&mut descriptor)?;
    let [descriptor] = descriptor;
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content_size = match descriptor >> 6 {
        0 => usize::from(single_segment),
        size => 1 << size,
    };
    let mut fields = vec![0; usize::from(!single_segment) + dictionary + content_size];
    packed.read_exact(&mut fields)?;
    // No checksum, no size, no dictionary; a window of 128 KiB, 2 to the 10 + 7, which is
    // the size of the largest block.
    let header = [&ZSTD[..], &[0, 7 << 3]].concat();
    let frame = StreamingDecoder::new(io::Cursor::new(header).chain(packed));
    fill(frame.map_err(io::Error::other)?, head)
}
