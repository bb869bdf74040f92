//! Writing an image to a drive, and reading it back: the two loops, without a clock, a
//! terminal or a device.
//!
//! The beginning of the drive, where firmware looks for what it can boot, is emptied first
//! and written last: whatever ends a copy early, what it leaves does not boot and shows no
//! partitions that are not there. The end of the drive is emptied too, where the table of
//! before may have its backup: firmware and tools would put that back when they find fault
//! with the new one, and marks of RAIDs and of ZFS there would claim the drive.

use std::io::{self, Read};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

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

/// What a copy works with beside its medium.
pub(super) struct Watch<'a> {
    /// Takes how many bytes are done.
    pub(super) progress: &'a dyn Fn(u64),
    /// Whether to stop.
    pub(super) stop: &'a dyn Fn() -> bool,
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

/// Writes `image`, which has `length` bytes with the hash `sha256`, to `medium`.
pub(super) fn write(
    image: &mut impl Read,
    length: u64,
    sha256: &str,
    medium: &mut impl Medium,
    watch: &Watch<'_>,
) -> Result<(), Failure> {
    let mut copy = Copy {
        medium,
        beginning: at_once(length) as u64,
        settled: 0,
        state: State::Untouched,
    };
    let written = copy.all(image, length, sha256, watch);
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
        image: &mut impl Read,
        length: u64,
        sha256: &str,
        watch: &Watch<'_>,
    ) -> Result<(), Cause> {
        let mut hasher = Sha256::new();
        let mut first = vec![0; at_once(length)];
        let mut block = first.clone();
        let mut at = self.beginning;
        if (watch.stop)() {
            return Err(Cause::Stopped);
        }
        fill(image, &mut first, &mut hasher)?;
        self.empty(length)?;
        while at < length {
            if (watch.stop)() {
                return Err(Cause::Stopped);
            }
            let block = &mut block[..at_once(length - at)];
            fill(image, block, &mut hasher)?;
            self.put(block, at)?;
            at += block.len() as u64;
            if at - self.settled >= ON_THE_WAY * BLOCK as u64 || at == length {
                self.settle(at)?;
                (watch.progress)(at - self.beginning);
            }
        }
        let hash = HEXLOWER.encode(&hasher.finalize());
        if hash != sha256 {
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
        (watch.progress)(length);
        Ok(())
    }

    /// Empties the beginning of the medium, and its end where no image comes.
    fn empty(&mut self, length: u64) -> Result<(), Cause> {
        self.state = State::Partly(0);
        let size = self.medium.size();
        let end = size.saturating_sub(END).max(length);
        for (from, to) in [(0, self.beginning), (end, size)] {
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
    image: &mut impl Read,
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
    image: &mut impl Read,
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
        image.read_exact(wanted).map_err(Cause::Image)?;
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

fn fill(image: &mut impl Read, block: &mut [u8], hasher: &mut Sha256) -> Result<(), Cause> {
    image.read_exact(block).map_err(Cause::Image)?;
    hasher.update(block);
    Ok(())
}
