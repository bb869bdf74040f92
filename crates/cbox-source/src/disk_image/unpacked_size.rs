//! How large what is compressed is, as far as the file says it without being unpacked.
//!
//! A file of xz has an index at its end, and one of zstd sizes before its blocks, which are gone
//! through from one to the next. Both are seen not to be whole in passing, before anything is
//! done with them. A file of bzip2 says nothing. One of gzip ends with the size of its last member
//! modulo 2 to the 32 (RFC 1952, 2.3.1), which is no bound: where the file was cut short, other
//! bytes are there, and nothing tells them apart.

use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};

use super::{
    compressed::Compression,
    frame::{Block, Header, ZSTD, is_skippable},
    unpacked::UnpackError,
};

/// How large something is that is not unpacked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnpackedSize {
    /// So many bytes.
    Exactly(u64),
    /// So many bytes, or more.
    AtLeast(u64),
}

impl UnpackedSize {
    /// The size, where it is known.
    #[must_use]
    pub fn exact(self) -> Option<u64> {
        match self {
            Self::Exactly(bytes) => Some(bytes),
            Self::AtLeast(_) => None,
        }
    }

    /// What is certain: it is not smaller.
    #[must_use]
    pub fn at_least(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::AtLeast(bytes) => bytes,
        }
    }
}

/// The size of what is in `packed`.
pub(super) fn of(
    compression: Compression,
    mut packed: impl Read + Seek,
) -> io::Result<UnpackedSize> {
    match compression {
        Compression::Xz => {
            packed.rewind()?;
            let size = lzma_rust2::xz_uncompressed_size(packed);
            size.map(UnpackedSize::Exactly).map_err(no_index)
        }
        Compression::Zstd => all_frames(packed),
        Compression::Gzip | Compression::Bzip2 => Ok(UnpackedSize::AtLeast(0)),
    }
}

/// The error for the end of a file of xz, which is none.
fn no_index(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => UnpackError::End("xz").into(),
    }
}

/// What the headers of all frames of zstd say together.
fn all_frames(packed: impl Read + Seek) -> io::Result<UnpackedSize> {
    let mut frames = Frames::of(packed)?;
    let (mut sum, mut is_exact) = (0_u64, true);
    while let Some(content) = frames.next_frame().map_err(cut_short)? {
        is_exact &= content.is_some();
        sum = sum.saturating_add(content.unwrap_or(0));
    }
    Ok(match is_exact {
        true => UnpackedSize::Exactly(sum),
        false => UnpackedSize::AtLeast(sum),
    })
}

fn cut_short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => UnpackError::CutShort("zstd").into(),
        _ => error,
    }
}

/// The frames of a file, one after the other.
struct Frames<R> {
    packed: BufReader<R>,
    at: u64,
    end: u64,
}

impl<R: Read + Seek> Frames<R> {
    fn of(mut packed: R) -> io::Result<Self> {
        let end = packed.seek(SeekFrom::End(0))?;
        packed.rewind()?;
        Ok(Self {
            packed: BufReader::new(packed),
            at: 0,
            end,
        })
    }

    /// Goes on for `length` bytes, which have to be there.
    fn skip(&mut self, length: u64) -> io::Result<()> {
        self.at += length;
        if self.at > self.end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // No length that is read anywhere has more than 32 bits.
        self.packed.seek_relative(length as i64)
    }

    /// Reads with `read`, and keeps count of what it reads.
    fn read<T>(&mut self, read: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let value = read(self)?;
        self.at = self.packed.stream_position()?;
        Ok(value)
    }

    /// What the next frame says of its content (`Some(None)`: nothing); `None` at the end.
    fn next_frame(&mut self) -> io::Result<Option<Option<u64>>> {
        loop {
            if self.at == self.end {
                return Ok(None);
            }
            if self.at > 0 && self.packed.fill_buf()?.starts_with(&[0]) {
                return self.padding();
            }
            let begun = self.at;
            let mut mark = [0; 4];
            self.read(|this| this.packed.read_exact(&mut mark))?;
            if mark == ZSTD {
                break;
            }
            if !is_skippable(&mark) {
                return Err(UnpackError::Trailing("zstd", begun).into());
            }
            let mut length = [0; 4];
            self.read(|this| this.packed.read_exact(&mut length))?;
            self.skip(u64::from(u32::from_le_bytes(length)))?;
        }
        let header = self.read(|this| Header::read(&mut this.packed))?;
        loop {
            let begun = self.at;
            let Some(block) = self.read(|this| Block::read(&mut this.packed))? else {
                return Err(UnpackError::Damaged("zstd", begun, "no such block".into()).into());
            };
            self.skip(block.length)?;
            if block.is_last {
                break;
            }
        }
        if header.has_checksum {
            self.skip(4)?;
        }
        Ok(Some(header.content))
    }

    /// Nothing but zeros may be left.
    fn padding(&mut self) -> io::Result<Option<Option<u64>>> {
        loop {
            let bytes = self.packed.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let is_over = zeros < bytes.len();
            self.packed.consume(zeros);
            self.at += zeros as u64;
            if is_over {
                return Err(UnpackError::Trailing("zstd", self.at).into());
            }
        }
    }
}
