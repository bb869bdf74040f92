//! Writing an image to a drive, and reading it back: the two loops, without a clock, a
//! terminal or a device.
//!
//! The beginning of the drive, where firmware looks for what it can boot, is emptied first
//! and written last: whatever ends a copy early, what it leaves does not boot and shows no
//! partitions that are not there. The end of the drive is emptied too, where the table of
//! before may have its backup: firmware and tools would put that back when they find fault
//! with the new one, and marks of RAIDs and of ZFS there would claim the drive.

#[cfg(test)]
mod tests;

use std::io;

use crate::{image::reader::Reader, progress::follow::Watch};

/// How much is read and written at once, and between two looks at whether to stop.
pub(super) const BLOCK: usize = 4 << 20;

/// How many blocks may be on their way to the drive: what is behind them counts as written.
/// More would make progress jump on a slow drive, and fewer a fast one slow.
const ON_THE_WAY: u64 = 4;

/// How much of the drive's end is emptied. The backup of a GPT has 33 blocks (UEFI 5.3.1),
/// RAIDs mark the last 128 KiB (md(4)), and ZFS the last 512 KiB.
const END: u64 = 1 << 20;

/// What is written to.
pub(super) trait Medium {
    /// Its size in bytes.
    fn size(&self) -> u64;
    /// Writes all of `bytes` from the byte `at` on, now or with the next [`Medium::settle`].
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Waits until what was written is on it.
    fn settle(&mut self) -> io::Result<()>;
    /// Sees to it that what is read from now on comes from it, and not from memory.
    fn forget(&mut self) -> io::Result<()>;
    /// Fills `bytes` with what is on it from the byte `at` on.
    fn read(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()>;
}

/// Why a copy has ended early.
#[derive(Debug)]
pub(super) enum Cause {
    /// It was told to.
    Stopped,
    /// The image cannot be read.
    Image(io::Error),
    /// The image has another hash than its record says: this one.
    Changed(String),
    /// The medium has an end, and the image has none there.
    TooLarge,
    /// The medium does not take the bytes from `from` to `to`.
    Write {
        from: u64,
        to: u64,
        error: io::Error,
    },
    /// The medium does not give the bytes from here on.
    Read { at: u64, error: io::Error },
    /// The medium gives another byte here than was written.
    Differs { at: u64 },
}

/// What is on the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// What was there before.
    Untouched,
    /// So many bytes of the image, and not its beginning.
    Partly(u64),
    /// All of it, as far as the medium says.
    Written,
}

/// The early end of a copy.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    pub(super) state: State,
}

/// What was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// How many bytes.
    pub(super) bytes: u64,
    /// The hash of the image file.
    pub(super) sha256: String,
}

/// What is known of an image beforehand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    /// How many bytes are written.
    pub(super) length: Option<u64>,
    /// The hash of the image file.
    pub(super) sha256: Option<&'a str>,
}

/// Writes `image` to `medium`.
pub(super) fn write(
    image: &mut Reader<'_>,
    expected: Expected<'_>,
    medium: &mut impl Medium,
    watch: &Watch<'_>,
) -> Result<Written, Failure> {
    let mut copy = Copy {
        medium,
        beginning: 0,
        settled: 0,
        state: State::Untouched,
    };
    let written = copy.all(image, expected, watch);
    written.map_err(|cause| Failure {
        cause,
        state: copy.state,
    })
}

/// A copy that is under way.
struct Copy<'a, M> {
    medium: &'a mut M,
    /// How much of the image is written last.
    beginning: u64,
    /// Up to where the image is on the medium, but for its beginning.
    settled: u64,
    state: State,
}

impl<M: Medium> Copy<'_, M> {
    fn all(
        &mut self,
        image: &mut Reader<'_>,
        Expected { length, sha256 }: Expected<'_>,
        watch: &Watch<'_>,
    ) -> Result<Written, Cause> {
        let mut block = vec![0; length.map_or(BLOCK, at_once)];
        if (watch.stop)() {
            return Err(Cause::Stopped);
        }
        let filled = self.fill(image, &mut block, 0)?;
        let first = block[..filled].to_vec();
        self.beginning = first.len() as u64;
        check_end(self.beginning, length, block.len() - filled)?;
        self.empty(length.unwrap_or(self.beginning))?;
        let mut at = self.beginning;
        loop {
            if (watch.stop)() {
                return Err(Cause::Stopped);
            }
            let wanted = length.map_or(BLOCK, |length| at_once(length - at));
            let filled = self.fill(image, &mut block[..wanted], at)?;
            self.put(&block[..filled], at)?;
            at += filled as u64;
            check_end(at, length, wanted - filled)?;
            let is_over = filled < wanted || length == Some(at);
            if at > self.settled && (is_over || at - self.settled >= ON_THE_WAY * BLOCK as u64) {
                self.settle(at)?;
                (watch.progress)(at - self.beginning);
            }
            if is_over {
                break;
            }
        }
        image.end().map_err(Cause::Image)?;
        let hash = image.sha256();
        if sha256.is_some_and(|sha256| sha256 != hash) {
            return Err(Cause::Changed(hash));
        }
        if (watch.stop)() {
            return Err(Cause::Stopped);
        }
        self.put(&first, 0)?;
        let settled = self.medium.settle();
        let to = self.beginning;
        settled.map_err(|error| Cause::Write { from: 0, to, error })?;
        self.state = State::Written;
        (watch.progress)(at);
        Ok(Written {
            bytes: at,
            sha256: hash,
        })
    }

    /// Fills `block` with what comes from the byte `at` on, which has to be on the medium too.
    fn fill(&self, image: &mut Reader<'_>, block: &mut [u8], at: u64) -> Result<usize, Cause> {
        let filled = image.fill(block).map_err(Cause::Image)?;
        match at + filled as u64 > self.medium.size() {
            true => Err(Cause::TooLarge),
            false => Ok(filled),
        }
    }

    /// Empties the beginning of the medium, and its end where no image comes.
    fn empty(&mut self, length: u64) -> Result<(), Cause> {
        self.state = State::Partly(0);
        let size = self.medium.size();
        let end = size.saturating_sub(END).max(length);
        for (from, to) in [(0, self.beginning), (end, size)] {
            if from >= to {
                continue;
            }
            let zeros = vec![0; (to - from) as usize];
            self.put(&zeros, from)?;
            let settled = self.medium.settle();
            settled.map_err(|error| Cause::Write { from, to, error })?;
        }
        self.settled = self.beginning;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8], at: u64) -> Result<(), Cause> {
        let written = self.medium.write(bytes, at);
        written.map_err(|error| Cause::Write {
            from: at,
            to: at + bytes.len() as u64,
            error,
        })
    }

    fn settle(&mut self, to: u64) -> Result<(), Cause> {
        let from = self.settled;
        let settled = self.medium.settle();
        settled.map_err(|error| Cause::Write { from, to, error })?;
        self.settled = to;
        self.state = State::Partly(to - self.beginning);
        Ok(())
    }
}

/// Compares what is on `medium` with `image`, which has `length` bytes.
pub(super) fn compare(
    image: &mut Reader<'_>,
    length: u64,
    medium: &mut impl Medium,
    watch: &Watch<'_>,
) -> Result<(), Failure> {
    compare_all(image, length, medium, watch).map_err(|cause| Failure {
        cause,
        state: State::Written,
    })
}

fn compare_all(
    image: &mut Reader<'_>,
    length: u64,
    medium: &mut impl Medium,
    watch: &Watch<'_>,
) -> Result<(), Cause> {
    let unread = |at| move |error| Cause::Read { at, error };
    medium.forget().map_err(unread(0))?;
    let mut wanted = vec![0; at_once(length)];
    let mut found = wanted.clone();
    let mut at = 0;
    while at < length {
        if (watch.stop)() {
            return Err(Cause::Stopped);
        }
        let size = at_once(length - at);
        let (wanted, found) = (&mut wanted[..size], &mut found[..size]);
        if image.fill(wanted).map_err(Cause::Image)? < size {
            return Err(Cause::Image(io::ErrorKind::UnexpectedEof.into()));
        }
        medium.read(found, at).map_err(unread(at))?;
        let mut pairs = wanted.iter().zip(&*found);
        if wanted != found
            && let Some(place) = pairs.position(|(wanted, found)| wanted != found)
        {
            let at = at + place as u64;
            return Err(Cause::Differs { at });
        }
        at += size as u64;
        (watch.progress)(at);
    }
    Ok(())
}

/// How much of `left` bytes goes at once.
fn at_once(left: u64) -> usize {
    usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK))
}

/// Refuses an image that ends at `at`, `missing` bytes before a block is full, where it has to
/// have `length`.
fn check_end(at: u64, length: Option<u64>, missing: usize) -> Result<(), Cause> {
    match length {
        Some(length) if at < length && missing > 0 => {
            Err(Cause::Image(io::ErrorKind::UnexpectedEof.into()))
        }
        _ => Ok(()),
    }
}
