//! A partition that can be written to without changing what it is on: what is written stays in
//! memory, block by block, until somebody takes it.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
};

use super::given::wipe;

/// How much is kept together: what any drive writes at once divides by it, and any partition too.
pub(super) const BLOCK: usize = 512;

/// How often a filesystem may be read from and written to: one that is damaged can lead round in
/// circles, and the largest that is not needs a part of this.
const STEPS: u32 = 1 << 24;

/// What an overlay is over.
pub(super) trait Base {
    /// Fills `bytes` with what is there from the byte `at` on.
    fn read_at(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()>;
}

/// A block that was written.
pub(super) type Block = [u8; BLOCK];

/// A partition with what was written to it.
pub(super) struct Overlay<'b> {
    base: &'b mut dyn Base,
    start: u64,
    size: u64,
    at: u64,
    changed: BTreeMap<u64, Block>,
    /// The block of the base that was read last.
    last: Option<(u64, Block)>,
    steps: u32,
}

impl<'b> Overlay<'b> {
    /// The partition of `size` bytes at the byte `start`, both of them whole blocks.
    pub(super) fn new(base: &'b mut dyn Base, start: u64, size: u64) -> Self {
        Self {
            base,
            start,
            size,
            at: 0,
            changed: BTreeMap::new(),
            last: None,
            steps: STEPS,
        }
    }

    /// The blocks that are others than before, by where they are on the drive, in that order.
    pub(super) fn changes(mut self) -> io::Result<Changes> {
        let mut blocks = BTreeMap::new();
        let changed = std::mem::take(&mut self.changed);
        for (number, block) in changed {
            let at = self.start + number * BLOCK as u64;
            let mut before = [0; BLOCK];
            self.base.read_at(&mut before, at)?;
            if before != block {
                blocks.insert(at, block);
            }
        }
        Ok(Changes(blocks))
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The blocks that were written to.
    pub(super) fn changed_blocks(&mut self) -> impl Iterator<Item = &mut Block> {
        self.changed.values_mut()
    }

    fn block(&mut self, number: u64) -> io::Result<Block> {
        if let Some(block) = self.changed.get(&number) {
            return Ok(*block);
        }
        if let Some((last, block)) = &self.last
            && *last == number
        {
            return Ok(*block);
        }
        let mut block = [0; BLOCK];
        self.base
            .read_at(&mut block, self.start + number * BLOCK as u64)?;
        self.last = Some((number, block));
        Ok(block)
    }

    /// Where the next byte is, and how many of `length` there are in its block.
    fn place(&mut self, length: usize) -> io::Result<(u64, usize, usize)> {
        self.steps = self
            .steps
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("its tables lead round in circles"))?;
        let left = self.size.saturating_sub(self.at);
        let within = (self.at % BLOCK as u64) as usize;
        let length = length.min(BLOCK - within);
        let length = usize::try_from(left).map_or(length, |left| length.min(left));
        Ok((self.at / BLOCK as u64, within, length))
    }
}

impl Read for Overlay<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (number, within, length) = self.place(buffer.len())?;
        if length == 0 {
            return Ok(0);
        }
        let block = self.block(number)?;
        buffer[..length].copy_from_slice(&block[within..within + length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Write for Overlay<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (number, within, length) = self.place(buffer.len())?;
        if length == 0 {
            return Ok(0);
        }
        // What is written whole need not be read.
        let mut block = match length {
            BLOCK => [0; BLOCK],
            _ => self.block(number)?,
        };
        block[within..within + length].copy_from_slice(&buffer[..length]);
        self.changed.insert(number, block);
        wipe(&mut block);
        self.at += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Overlay<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Drop for Overlay<'_> {
    fn drop(&mut self) {
        self.changed.values_mut().for_each(|block| wipe(block));
        if let Some((_, block)) = &mut self.last {
            wipe(block);
        }
    }
}

/// What has to be written to a drive, by the byte where each block begins.
pub(super) struct Changes(pub(super) BTreeMap<u64, Block>);

impl Drop for Changes {
    fn drop(&mut self) {
        self.0.values_mut().for_each(|block| wipe(block));
    }
}
