//! The two loops, with a drive in memory that can be broken.

use super::*;
use cbox_source::disk_image::Compression;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
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

fn plain(image: &[u8]) -> Reader<'_> {
    Reader::new(image, None)
}

fn expected(length: usize, sha256: &str) -> Expected<'_> {
    Expected {
        length: Some(length as u64),
        sha256: Some(sha256),
    }
}

/// Writes, and is told to stop when it has asked so many times whether to.
fn write_until(image: &[u8], medium: &mut Fake, asks: usize) -> Result<(), Failure> {
    let asked = Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) == asks;
    let watch = Watch {
        progress: &|_| {},
        stop: &stop,
    };
    let sha256 = sha256(image);
    let written = write(
        &mut plain(image),
        expected(image.len(), &sha256),
        medium,
        &watch,
    )?;
    let bytes = image.len() as u64;
    assert_eq!(written, Written { bytes, sha256 });
    Ok(())
}

fn write_all(image: &[u8], medium: &mut Fake) -> Result<(), Failure> {
    write_until(image, medium, usize::MAX)
}

fn compare_with(image: &[u8], medium: &mut Fake) -> Result<(), Failure> {
    let watch = Watch {
        progress: &|_| {},
        stop: &|| false,
    };
    compare(&mut plain(image), image.len() as u64, medium, &watch)
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
    let expected = expected(image.len(), &hash);
    write(&mut plain(&image), expected, &mut medium, &watch).unwrap();
    let block = BLOCK as u64;
    assert_eq!(seen.take(), [4 * block, 5 * block + 100, length]);
    compare(&mut plain(&image), length, &mut medium, &watch).unwrap();
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
    let failure = compare(&mut plain(&image), 1, &mut medium, &watch).unwrap_err();
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
    let expected = expected(image.len(), "0");
    let failure = write(&mut plain(&image), expected, &mut medium, &watch).unwrap_err();
    assert!(matches!(failure.cause, Cause::Changed(hash) if hash == sha256(&image)));
    assert!(medium.bytes[..BLOCK] == vec![0; BLOCK]);
    // One that is shorter is another one too.
    let short = &image[..BLOCK + 1];
    let failure = write(&mut plain(short), expected, &mut medium, &watch).unwrap_err();
    assert!(matches!(failure.cause, Cause::Image(_)), "{failure:?}");
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut gzip, content).unwrap();
    gzip.finish().unwrap()
}

/// Writes what is packed, of which nothing is known.
fn write_packed(packed: &[u8], medium: &mut Fake) -> Result<Written, Failure> {
    let watch = Watch {
        progress: &|_| {},
        stop: &|| false,
    };
    let nothing = Expected {
        length: None,
        sha256: None,
    };
    let mut reader = Reader::new(packed, Some(Compression::Gzip));
    write(&mut reader, nothing, medium, &watch)
}

#[test]
fn what_is_packed_is_unpacked_to_its_end() {
    for size in [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK] {
        let image = image(size);
        let packed = gzip(&image);
        for more in [0, 1, 2 * BLOCK] {
            let mut medium = Fake::of(size + more);
            let written = write_packed(&packed, &mut medium).unwrap();
            assert_eq!(written.bytes, size as u64);
            assert_eq!(written.sha256, sha256(&packed));
            assert!(medium.bytes[..size] == image, "{size} of {more}");
            let watch = Watch {
                progress: &|_| {},
                stop: &|| false,
            };
            let mut again = Reader::new(&*packed, Some(Compression::Gzip));
            compare(&mut again, written.bytes, &mut medium, &watch).unwrap();
        }
    }
}

#[test]
fn what_turns_out_too_large_or_broken_gets_no_beginning() {
    let packed = gzip(&image(3 * BLOCK));
    let mut medium = Fake::of(3 * BLOCK - 1);
    let failure = write_packed(&packed, &mut medium).unwrap_err();
    assert!(matches!(failure.cause, Cause::TooLarge), "{failure:?}");
    assert!(medium.bytes[..BLOCK] == vec![0; BLOCK]);
    let mut small = Fake::of(BLOCK - 1);
    let failure = write_packed(&packed, &mut small).unwrap_err();
    assert_eq!(failure.state, State::Untouched);
    assert!(small.bytes == vec![OLD; BLOCK - 1]);
    let garbage = [&packed[..], b"garbage"].concat();
    for broken in [&packed[..packed.len() - 4], &garbage] {
        let mut medium = Fake::of(3 * BLOCK);
        let failure = write_packed(broken, &mut medium).unwrap_err();
        assert!(matches!(failure.cause, Cause::Image(_)), "{failure:?}");
        assert!(medium.bytes[..BLOCK] == vec![0; BLOCK]);
    }
}

/// What a file says of its size can be wrong, and then it is damaged.
#[test]
fn what_is_packed_has_the_size_that_it_says() {
    let image = image(2 * BLOCK);
    let packed = gzip(&image);
    let watch = Watch {
        progress: &|_| {},
        stop: &|| false,
    };
    for length in [1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK + 1, 3 * BLOCK] {
        let mut medium = Fake::of(4 * BLOCK);
        let said = Expected {
            length: Some(length as u64),
            sha256: None,
        };
        let mut reader = Reader::new(&*packed, Some(Compression::Gzip));
        let failure = write(&mut reader, said, &mut medium, &watch).unwrap_err();
        assert!(matches!(failure.cause, Cause::Image(_)), "{failure:?}");
        let beginning = length.min(BLOCK);
        assert!(medium.bytes[..beginning] == vec![0; beginning], "{length}");
    }
}
