//! Numbers and strings as archives and the protocols of Nix's stores write them: a number
//! is eight bytes, the least first; a string is its length, its bytes, and zeros up to the
//! next multiple of eight.
//!
//! Source: the Nix manual, "Nix Archive (NAR) format" and "Serialisation".

use std::io::{self, Read, Write};

/// Writes a number.
///
/// # Errors
/// When the sink fails.
pub fn write_number(sink: &mut impl Write, number: u64) -> io::Result<()> {
    sink.write_all(&number.to_le_bytes())
}

/// Writes a string, which may hold any bytes.
///
/// # Errors
/// When the sink fails.
pub fn write_string(sink: &mut impl Write, string: &[u8]) -> io::Result<()> {
    write_number(sink, string.len() as u64)?;
    sink.write_all(string)?;
    write_padding(sink, string.len() as u64)
}

/// Writes the zeros that follow `length` bytes.
///
/// # Errors
/// When the sink fails.
pub fn write_padding(sink: &mut impl Write, length: u64) -> io::Result<()> {
    sink.write_all(&[0; 8][..padding(length)])
}

/// Reads a number.
///
/// # Errors
/// When the source fails or ends.
pub fn read_number(source: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    source.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Reads a string of at most `limit` bytes: memory is taken for what comes, not for the
/// length that is announced.
///
/// # Errors
/// When the source fails or ends, and as `InvalidData` when the string is longer or what
/// follows it is not zero.
pub fn read_string(source: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let length = read_number(source)?;
    if length > limit {
        let message = format!("a string of {length} bytes, where {limit} are the most");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut string = Vec::new();
    source.by_ref().take(length).read_to_end(&mut string)?;
    if string.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut zeros = [0; 8];
    let zeros = &mut zeros[..padding(length)];
    source.read_exact(zeros)?;
    match zeros.iter().all(|byte| *byte == 0) {
        true => Ok(string),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a string that is not followed by zeros",
        )),
    }
}

fn padding(length: u64) -> usize {
    ((8 - length % 8) % 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(string: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_string(&mut bytes, string).unwrap();
        bytes
    }

    #[test]
    fn strings_are_padded() {
        assert_eq!(written(b""), [0; 8]);
        assert_eq!(written(b"abc"), *b"\x03\0\0\0\0\0\0\0abc\0\0\0\0\0");
        assert_eq!(written(b"12345678"), *b"\x08\0\0\0\0\0\0\x0012345678");
    }

    #[test]
    fn what_is_too_long_cut_off_or_badly_padded_is_an_error() {
        let kind = |mut bytes: &[u8]| read_string(&mut bytes, 8).unwrap_err().kind();
        assert_eq!(kind(&written(b"123456789")), io::ErrorKind::InvalidData);
        assert_eq!(kind(&u64::MAX.to_le_bytes()), io::ErrorKind::InvalidData);
        assert_eq!(kind(&written(b"abc")[..10]), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(&written(b"abc")[..14]), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(&[0; 7]), io::ErrorKind::UnexpectedEof);
        let mut dirty = written(b"abc");
        dirty[15] = 1;
        assert_eq!(kind(&dirty), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(string: Vec<u8>, number: u64) {
            let mut bytes = written(&string);
            write_number(&mut bytes, number).unwrap();
            let mut source = bytes.as_slice();
            prop_assert_eq!(read_string(&mut source, 1 << 20).unwrap(), string);
            prop_assert_eq!(read_number(&mut source).unwrap(), number);
            prop_assert!(source.is_empty());
        }
    }
}
