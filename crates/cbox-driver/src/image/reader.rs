//! An image as it is read: unpacked where it is compressed, with the hash of the file.

use std::{
    cell::RefCell,
    io::{self, BufReader, Read},
    rc::Rc,
};

use cbox_source::disk_image::Compression;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// How much of a compressed file is read at once.
const BUFFER: usize = 1 << 18;

/// What is in an image file.
pub struct Reader<'f> {
    content: Box<dyn Read + 'f>,
    hasher: Rc<RefCell<Sha256>>,
    is_packed: bool,
}

impl<'f> Reader<'f> {
    /// Reads `file`, which is compressed so.
    pub fn new(file: impl Read + 'f, compression: Option<Compression>) -> Self {
        let hasher = Rc::new(RefCell::new(Sha256::new()));
        let hashed = Hashed {
            file,
            hasher: Rc::clone(&hasher),
        };
        let content: Box<dyn Read + 'f> = match compression {
            None => Box::new(hashed),
            Some(compression) => {
                Box::new(compression.unpack(BufReader::with_capacity(BUFFER, hashed)))
            }
        };
        Self {
            content,
            hasher,
            is_packed: compression.is_some(),
        }
    }

    /// Fills `block`, or as much of it as there is. Answers how much that is.
    pub(crate) fn fill(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < block.len() {
            match self.content.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Checks that a compressed file is whole, and that nothing more is in it. What follows an
    /// image that is not compressed is not its own.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        if self.is_packed && self.fill(&mut [0])? > 0 {
            return Err(io::Error::other(
                "it holds more than it says beforehand: it is damaged",
            ));
        }
        Ok(())
    }

    /// The hash of the file, as far as it is read.
    pub(crate) fn sha256(&self) -> String {
        HEXLOWER.encode(&self.hasher.borrow().clone().finalize())
    }
}

struct Hashed<R> {
    file: R,
    hasher: Rc<RefCell<Sha256>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.hasher.borrow_mut().update(&buffer[..length]);
        Ok(length)
    }
}
