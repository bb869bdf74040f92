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

use crate::progress::follow::Watch;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// What is on a drive that was never written to.
    const OLD: u8 = 0xaa;

    /// A drive in memory, which can be broken.
    struct Fake {
        bytes: Vec<u8>,
        /// Where the writes began.
        writes: Vec<u64>,
        /// The first byte that it does not take.
        full_at: Option<u64>,
        /// How many times it settles before it fails.
        settles: Option<usize>,
        /// The byte that it cannot read.
        unreadable: Option<u64>,
        /// The byte that it gives back as another one.
        wrong: Option<u64>,
    }

    impl Fake {
        fn of(size: usize) -> Self {
            Self {
                bytes: vec![OLD; size],
                writes: vec![],
                full_at: None,
                settles: None,
                unreadable: None,
                wrong: None,
            }
        }
    }

    fn range(bytes: &[u8], at: u64) -> std::ops::Range<usize> {
        at as usize..at as usize + bytes.len()
    }

    impl Medium for Fake {
        fn size(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
            let range = range(bytes, at);
            if self.full_at.is_some_and(|full| range.end as u64 > full) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.writes.push(at);
            self.bytes[range].copy_from_slice(bytes);
            Ok(())
        }

        fn settle(&mut self) -> io::Result<()> {
            match &mut self.settles {
                Some(0) => Err(io::Error::other("broken")),
                Some(left) => {
                    *left -= 1;
                    Ok(())
                }
                None => Ok(()),
            }
        }

        fn forget(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn read(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
            let range = range(bytes, at);
            let holds = |byte: Option<u64>| byte.filter(|byte| range.contains(&(*byte as usize)));
            if holds(self.unreadable).is_some() {
                return Err(io::Error::other("unreadable"));
            }
            bytes.copy_from_slice(&self.bytes[range.clone()]);
            if let Some(wrong) = holds(self.wrong) {
                bytes[(wrong - at) as usize] ^= 1;
            }
            Ok(())
        }
    }

    /// Bytes that repeat at no block, and are never those of an empty or old drive.
    fn image(size: usize) -> Vec<u8> {
        let pattern: Vec<u8> = (1..=101).collect();
        let mut image = pattern.repeat(size / pattern.len() + 1);
        image.truncate(size);
        image
    }

    fn sha256(bytes: &[u8]) -> String {
        HEXLOWER.encode(&Sha256::digest(bytes))
    }

    /// Writes, and is told to stop when it has asked so many times whether to.
    fn write_until(image: &[u8], medium: &mut Fake, asks: usize) -> Result<(), Failure> {
        let asked = Cell::new(0);
        let stop = || asked.replace(asked.get() + 1) == asks;
        let watch = Watch {
            progress: &|_| {},
            stop: &stop,
        };
        write(
            &mut &*image,
            image.len() as u64,
            &sha256(image),
            medium,
            &watch,
        )
    }

    fn write_all(image: &[u8], medium: &mut Fake) -> Result<(), Failure> {
        write_until(image, medium, usize::MAX)
    }

    fn compare_with(image: &[u8], medium: &mut Fake) -> Result<(), Failure> {
        let watch = Watch {
            progress: &|_| {},
            stop: &|| false,
        };
        compare(&mut &*image, image.len() as u64, medium, &watch)
    }

    #[test]
    fn an_image_is_written_as_it_is_whatever_its_size() {
        const END: usize = super::END as usize;
        for size in [1, 511, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 12_345] {
            let image = image(size);
            for more in [0, 1, END - 1, END, END + 5000] {
                let mut medium = Fake::of(size + more);
                write_all(&image, &mut medium).unwrap();
                assert!(medium.bytes[..size] == image, "{size} of {more}");
                let (kept, end) = medium.bytes[size..].split_at(more.saturating_sub(END));
                assert!(kept == vec![OLD; kept.len()], "{size} {more}");
                assert!(end == vec![0; end.len()], "{size} {more}");
                compare_with(&image, &mut medium).unwrap();
            }
        }
    }

    #[test]
    fn the_beginning_is_emptied_first_and_written_last() {
        let size = 3 * BLOCK;
        let mut medium = Fake::of(size + BLOCK);
        write_all(&image(size), &mut medium).unwrap();
        let (block, end) = (BLOCK as u64, 4 * BLOCK as u64 - END);
        assert_eq!(medium.writes, [0, end, block, 2 * block, 0]);
    }

    #[test]
    fn progress_is_what_is_on_the_drive() {
        let seen = RefCell::new(vec![]);
        let watch = Watch {
            progress: &|bytes| seen.borrow_mut().push(bytes),
            stop: &|| false,
        };
        let image = image(6 * BLOCK + 100);
        let (mut medium, length) = (Fake::of(image.len()), image.len() as u64);
        let hash = sha256(&image);
        write(&mut &*image, length, &hash, &mut medium, &watch).unwrap();
        let block = BLOCK as u64;
        assert_eq!(seen.take(), [4 * block, 5 * block + 100, length]);
        compare(&mut &*image, length, &mut medium, &watch).unwrap();
        assert_eq!(seen.borrow().last(), Some(&length));
    }

    #[test]
    fn what_was_stopped_does_not_boot() {
        let image = image(6 * BLOCK);
        let mut states = vec![];
        for asks in 0.. {
            let mut medium = Fake::of(image.len() + BLOCK);
            let Err(failure) = write_until(&image, &mut medium, asks) else {
                break;
            };
            assert!(matches!(failure.cause, Cause::Stopped), "{failure:?}");
            let beginning = if asks == 0 { OLD } else { 0 };
            assert!(medium.bytes[..BLOCK] == vec![beginning; BLOCK]);
            states.push(failure.state);
        }
        // The first question comes before anything, the last one before the beginning.
        let four = State::Partly(4 * BLOCK as u64);
        let [none, five] = [State::Partly(0), State::Partly(5 * BLOCK as u64)];
        let states_of = [State::Untouched, none, none, none, none, four, five];
        assert_eq!(states, states_of);
        let watch = Watch {
            progress: &|_| {},
            stop: &|| true,
        };
        let mut medium = Fake::of(image.len());
        let failure = compare(&mut &*image, 1, &mut medium, &watch).unwrap_err();
        assert!(matches!(failure.cause, Cause::Stopped));
        assert_eq!(failure.state, State::Written);
    }

    #[test]
    fn a_drive_that_fails_says_where() {
        let (image, block) = (image(7 * BLOCK), BLOCK as u64);
        let mut medium = Fake::of(image.len());
        medium.full_at = Some(6 * block + 7);
        let failure = write_all(&image, &mut medium).unwrap_err();
        let Cause::Write { from, to, error } = failure.cause else {
            panic!("{failure:?}")
        };
        assert_eq!((from, to), (6 * block, 7 * block));
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(failure.state, State::Partly(4 * block));
        // What memory has taken, the drive may still refuse; the beginning and the end of it
        // settle before.
        for (settles, wanted, state) in [
            (0, (0, block), State::Partly(0)),
            (2, (block, 5 * block), State::Partly(0)),
            (3, (5 * block, 7 * block), State::Partly(4 * block)),
            (4, (0, block), State::Partly(6 * block)),
        ] {
            let mut medium = Fake::of(image.len() + BLOCK);
            medium.settles = Some(settles);
            let failure = write_all(&image, &mut medium).unwrap_err();
            let Cause::Write { from, to, .. } = failure.cause else {
                panic!("{failure:?}")
            };
            assert_eq!(((from, to), failure.state), (wanted, state), "{settles}");
        }
    }

    #[test]
    fn a_drive_that_gives_other_bytes_is_found_out() {
        let image = image(2 * BLOCK + 100);
        for wrong in [0, BLOCK - 1, BLOCK, 2 * BLOCK + 99].map(|byte| byte as u64) {
            let mut medium = Fake::of(image.len() + 100);
            write_all(&image, &mut medium).unwrap();
            medium.wrong = Some(wrong);
            let failure = compare_with(&image, &mut medium).unwrap_err();
            assert!(
                matches!(failure.cause, Cause::Differs { at } if at == wrong),
                "{failure:?}"
            );
            assert_eq!(failure.state, State::Written);
            medium.unreadable = Some(wrong);
            let failure = compare_with(&image, &mut medium).unwrap_err();
            let block = wrong - wrong % BLOCK as u64;
            assert!(
                matches!(failure.cause, Cause::Read { at, .. } if at == block),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn another_image_than_was_built_gets_no_beginning() {
        let image = image(2 * BLOCK);
        let watch = Watch {
            progress: &|_| {},
            stop: &|| false,
        };
        let mut medium = Fake::of(image.len());
        let length = image.len() as u64;
        let failure = write(&mut &*image, length, "0", &mut medium, &watch).unwrap_err();
        assert!(matches!(failure.cause, Cause::Changed(hash) if hash == sha256(&image)));
        assert!(medium.bytes[..BLOCK] == vec![0; BLOCK]);
        // One that is shorter is another one too.
        let short = &image[..BLOCK + 1];
        let failure = write(&mut &*short, length, "0", &mut medium, &watch).unwrap_err();
        assert!(matches!(failure.cause, Cause::Image(_)), "{failure:?}");
    }
}
