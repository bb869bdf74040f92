//! What is in a compressed file, all of it, as it is read.
//!
//! A file can be several that were written one behind the other, which is what `cat` makes of
//! them and parallel programs write: all are read. What is behind them has to be nothing, or
//! zeros, as tapes and the padding of xz have them. Where a format has checksums, they are
//! checked. Memory has a bound, whatever the file asks for.

use std::{
    error::Error,
    io::{self, BufRead, Read},
};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{
    FrameDecoder, StreamingDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use thiserror::Error;

use super::{compressed::Compression, frame::is_skippable};

/// The largest window or dictionary. `zstd -d` takes 128 MiB unless it is told otherwise, and no
/// preset of xz has more than 64 MiB.
const LARGEST_WINDOW: u64 = 256 << 20;

/// As many bytes tell every format.
const MARK: usize = 6;

/// Why a file cannot be unpacked, as the end of a sentence about it.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// Something of it is missing.
    #[error("its {0} data end in the middle: it was cut short")]
    CutShort(&'static str),
    /// Something else is behind it.
    #[error("what follows its {0} data, from byte {1} on, does not belong to them")]
    Trailing(&'static str, u64),
    /// It does not end as it has to.
    #[error("it does not end like {0} data: it was cut short, or something was added to it")]
    End(&'static str),
    /// It makes no sense, or is not what its checksum says.
    #[error("its {0} data are damaged near byte {1} ({2})")]
    Damaged(&'static str, u64, String),
    /// It needs too much memory.
    #[error("its {0} data need more than {limit} MiB of memory to be unpacked", limit = LARGEST_WINDOW >> 20)]
    Memory(&'static str),
}

impl From<UnpackError> for io::Error {
    fn from(error: UnpackError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// A compressed file that is unpacked as it is read.
pub struct Unpacked<R: BufRead> {
    compression: Compression,
    state: State<R>,
}

enum State<R: BufRead> {
    /// Between two members, or before the first one.
    Between { source: Source<R>, is_first: bool },
    /// In the middle of one.
    Within(Member<R>),
    /// All is read.
    Over,
    /// It went wrong, and nothing more can be said.
    Failed,
}

/// One of the files that are behind each other, with the name that each format has for it.
enum Member<R: BufRead> {
    Gzip(Box<GzDecoder<Source<R>>>),
    Bzip2(Box<BzDecoder<Source<R>>>),
    XzStream(Box<XzReader<Source<R>>>),
    ZstdFrame(Box<StreamingDecoder<Source<R>, FrameDecoder>>),
}

impl<R: BufRead> Unpacked<R> {
    pub(super) fn new(compression: Compression, packed: R) -> Self {
        let source = Source {
            inner: packed,
            ahead: Vec::new(),
            at: 0,
        };
        Self {
            compression,
            state: State::Between {
                source,
                is_first: true,
            },
        }
    }

    /// Begins with the next member; `None` behind the last one.
    fn begin(&self, mut source: Source<R>, is_first: bool) -> io::Result<Option<Member<R>>> {
        let name = self.compression.name();
        let mut is_first = is_first;
        loop {
            let ahead = source.peek(MARK)?;
            match (ahead, is_first) {
                ([], true) => return Err(UnpackError::CutShort(name).into()),
                ([], false) => return Ok(None),
                ([0, ..], false) => {
                    source.skip_zeros()?;
                    continue;
                }
                _ => {}
            }
            let is_skipped = self.compression == Compression::Zstd && is_skippable(ahead);
            if !is_skipped && Compression::of(ahead) != Some(self.compression) {
                return Err(UnpackError::Trailing(name, source.at).into());
            }
            if !is_skipped {
                break;
            }
            is_first = false;
            let mut header = [0; 8];
            source.read_exact(&mut header)?;
            let [.., a, b, c, d] = header;
            let length = u64::from(u32::from_le_bytes([a, b, c, d]));
            if io::copy(&mut source.by_ref().take(length), &mut io::sink())? < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Some(match self.compression {
            Compression::Gzip => Member::Gzip(Box::new(GzDecoder::new(source))),
            Compression::Bzip2 => Member::Bzip2(Box::new(BzDecoder::new(source))),
            Compression::Xz => {
                let limit = (LARGEST_WINDOW >> 10) as u32;
                Member::XzStream(Box::new(XzReader::new_mem_limit(source, false, limit)))
            }
            Compression::Zstd => {
                let frame = StreamingDecoder::new_with_max_window_size(source, LARGEST_WINDOW);
                Member::ZstdFrame(Box::new(frame.map_err(header_error)?))
            }
        }))
    }

    /// What went wrong, in this file's words, near the byte `at`.
    fn explain(&self, error: io::Error, at: u64) -> io::Error {
        let name = self.compression.name();
        if error.kind() == io::ErrorKind::OutOfMemory {
            return UnpackError::Memory(name).into();
        }
        if error
            .get_ref()
            .is_some_and(|inner| inner.is::<UnpackError>())
        {
            return error;
        }
        // Decoders wrap the errors of what they read.
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(read) = inner.downcast_ref::<io::Error>() {
                if let Some(number) = read.raw_os_error() {
                    return io::Error::from_raw_os_error(number);
                }
                if read.kind() == io::ErrorKind::UnexpectedEof {
                    return UnpackError::CutShort(name).into();
                }
                // Of an error that wraps another, `source` is that one's.
                cause = match read.get_ref() {
                    Some(wrapped) => Some(wrapped),
                    None => None,
                };
            } else {
                cause = inner.source();
            }
        }
        UnpackError::Damaged(name, at, error.to_string()).into()
    }

    fn step(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Failed => Err(io::Error::other("it could not be unpacked")),
            State::Over => {
                self.state = State::Over;
                Ok(Some(0))
            }
            State::Between { source, is_first } => {
                let at = source.at;
                let begun = self.begin(source, is_first);
                self.state = match begun.map_err(|error| self.explain(error, at))? {
                    Some(member) => State::Within(member),
                    None => State::Over,
                };
                Ok(None)
            }
            State::Within(mut member) => {
                let read = match &mut member {
                    Member::Gzip(gzip) => gzip.read(buffer),
                    Member::Bzip2(bzip2) => bzip2.read(buffer),
                    Member::XzStream(xz) => xz.read(buffer),
                    Member::ZstdFrame(zstd) => zstd.read(buffer),
                };
                let at = member.source().at;
                match read.map_err(|error| self.explain(error, at))? {
                    0 => {
                        let source = member.end();
                        let source = source.map_err(|error| self.explain(error, at))?;
                        self.state = State::Between {
                            source,
                            is_first: false,
                        };
                        Ok(None)
                    }
                    length => {
                        self.state = State::Within(member);
                        Ok(Some(length))
                    }
                }
            }
        }
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(length) = self.step(buffer)? {
                return Ok(length);
            }
        }
    }
}

impl<R: BufRead> Member<R> {
    fn source(&self) -> &Source<R> {
        match self {
            Self::Gzip(gzip) => gzip.get_ref(),
            Self::Bzip2(bzip2) => bzip2.get_ref(),
            Self::XzStream(xz) => xz.inner(),
            Self::ZstdFrame(zstd) => zstd.get_ref(),
        }
    }

    /// What follows it.
    fn end(self) -> io::Result<Source<R>> {
        Ok(match self {
            Self::Gzip(gzip) => gzip.into_inner(),
            Self::Bzip2(bzip2) => bzip2.into_inner(),
            Self::XzStream(xz) => xz.into_inner(),
            Self::ZstdFrame(zstd) => {
                let (source, decoder) = zstd.into_parts();
                // This one is computed, and compared by nobody.
                let wanted = decoder.get_checksum_from_data();
                if wanted.is_some() && wanted != decoder.get_calculated_checksum() {
                    let message = "it differs from its checksum";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                source
            }
        })
    }
}

fn header_error(error: FrameDecoderError) -> io::Error {
    match error {
        FrameDecoderError::WindowSizeTooBig { .. } => io::ErrorKind::OutOfMemory.into(),
        FrameDecoderError::ReadFrameHeaderError(
            ReadFrameHeaderError::MagicNumberReadError(error)
            | ReadFrameHeaderError::FrameDescriptorReadError(error)
            | ReadFrameHeaderError::WindowDescriptorReadError(error)
            | ReadFrameHeaderError::DictionaryIdReadError(error)
            | ReadFrameHeaderError::FrameContentSizeReadError(error),
        ) => error,
        error => io::Error::other(error),
    }
}

/// What is unpacked, with a few bytes that were looked at beforehand, and how far it is read.
struct Source<R> {
    inner: R,
    ahead: Vec<u8>,
    at: u64,
}

impl<R: BufRead> Source<R> {
    /// The next bytes, `wanted` or as many as there are.
    fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.ahead.len() < wanted {
            let bytes = fill(&mut self.inner)?;
            if bytes.is_empty() {
                break;
            }
            let taken = bytes.len().min(wanted - self.ahead.len());
            self.ahead.extend_from_slice(&bytes[..taken]);
            self.inner.consume(taken);
        }
        Ok(&self.ahead)
    }

    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.fill_buf()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let is_over = zeros < bytes.len() || zeros == 0;
            self.consume(zeros);
            if is_over {
                return Ok(());
            }
        }
    }
}

/// What is there next. A signal that came meanwhile is no error.
fn fill(inner: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match inner.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    inner.fill_buf()
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.ahead.is_empty() {
            true => fill(&mut self.inner),
            false => Ok(&self.ahead),
        }
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount as u64;
        match self.ahead.is_empty() {
            true => self.inner.consume(amount),
            false => drop(self.ahead.drain(..amount)),
        }
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        self.consume(length);
        Ok(length)
    }
}
