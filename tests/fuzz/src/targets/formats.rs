//! Formats of files: derivations, disk images, patterns.

// What coverage-guided fuzzing holds too: `cargo fuzz` takes it from there.
#[path = "../../../../crates/drv-causes/fuzz/fuzz_targets/pairs.rs"]
mod pairs;
#[path = "../../../../crates/nix-formats/fuzz/fuzz_targets/round_trip.rs"]
mod round_trip;

use std::{
    io::{BufReader, Cursor, Read as _},
    path::Path,
};

use cbox_driver::boot::iso9660;
use cbox_source::{
    disk_image::{self, Compression},
    pattern::{Above, Patterns},
};

use super::{kind_of, roughly, told};

/// What is read comes back as itself when it is written.
pub(super) fn derivation(bytes: &[u8]) -> u64 {
    let derivation = match round_trip::round_trip(bytes) {
        Ok(derivation) => derivation,
        Err(error) => return told(kind_of(error)),
    };
    let numbers = [
        derivation.outputs().len(),
        derivation.inputs().len(),
        derivation.sources().len(),
        derivation.arguments().len(),
        derivation.environment().count(),
    ];
    told(numbers.map(roughly))
}

/// The old one, the new one and what they need, with an empty line between them.
pub(super) fn explain(bytes: &[u8]) -> u64 {
    let (derivations, explanations) = match pairs::explain(bytes) {
        Ok(explained) => explained,
        Err(error) => return told(kind_of(error)),
    };
    let causes = explanations.iter().flat_map(|found| &found.causes);
    let differences = causes.map(|cause| cause.differences.len().min(9));
    told(
        std::iter::once(derivations)
            .chain(differences)
            .collect::<Vec<_>>(),
    )
}

/// A file of any size whose beginning is this; what is packed into it is unpacked with a bound.
pub(super) fn disk_image(bytes: &[u8]) -> u64 {
    let read_at = |buffer: &mut [u8], offset: u64| {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| bytes.get(at..))
            .unwrap_or_default();
        let length = buffer.len().min(rest.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    };
    let head = &bytes[..bytes.len().min(disk_image::HEAD)];
    let sizes = [
        bytes.len() as u64,
        (bytes.len() as u64).next_multiple_of(512),
        u64::MAX,
    ];
    told(sizes.map(|size| disk_image::find(head, size, &read_at).map(|image| image.to_string())))
}

/// A compressed file, which gives the same however much of it is read at once.
pub(super) fn unpack(bytes: &[u8]) -> u64 {
    let Some(compression) = Compression::of(bytes) else {
        return told("nothing");
    };
    let size = compression.unpacked_size(Cursor::new(bytes));
    let unpacked = |buffer: usize| {
        let mut unpacked = Vec::new();
        let packed = BufReader::with_capacity(buffer, bytes);
        // A small file can be of many gigabytes.
        let ended = compression
            .unpack(packed)
            .take(4 << 20)
            .read_to_end(&mut unpacked);
        (unpacked, ended.map_err(|error| error.to_string()))
    };
    let (content, ended) = unpacked(1 << 16);
    let (other, other_ended) = unpacked(3);
    assert_eq!(
        ended.is_ok(),
        other_ended.is_ok(),
        "{ended:?} {other_ended:?}"
    );
    // Of what is damaged the last bytes before the damage may be kept back.
    let both = content.len().min(other.len());
    assert!(content[..both] == other[..both], "other bytes");
    assert!(ended.is_err() || content.len() == other.len(), "{both}");
    let known = size.map(|size| size.exact().map(|bytes| bytes.checked_ilog2()));
    told((
        compression.name(),
        roughly(content.len()),
        ended.map_err(kind_of).map(|_| ()),
        known.map_err(kind_of),
    ))
}

pub(super) fn iso9660(bytes: &[u8]) -> u64 {
    let read = |path: &str| iso9660::read_from(&mut Cursor::new(bytes), path);
    let answers = ["a/b.cfg", "a", "EFI/BOOT/grub.cfg"].map(read);
    told(answers.map(|answer| match answer {
        Ok(text) => (roughly(text.map_or(0, |text| text.len())), String::new()),
        Err(error) => (0, kind_of(error)),
    }))
}

/// Patterns in the first half, paths in the second.
pub(super) fn patterns(bytes: &[u8]) -> u64 {
    // Time grows with pattern, path and the folders above it: what git's own lines have is less.
    let bytes = &bytes[..bytes.len().min(2048)];
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut patterns = Patterns::of_file(first);
    for line in second.split(|&byte| byte == b'\n').take(20) {
        patterns.add(line);
    }
    let mut found = Vec::new();
    let mut above = Above::default();
    for path in second.split(|&byte| byte == b'\n' || byte == 0).take(20) {
        for is_folder in [false, true] {
            let pattern = patterns.last_match(path, is_folder);
            found.push(
                pattern.map(|pattern| (pattern.is_negative(), roughly(pattern.line().len()))),
            );
        }
        let path = Path::new(std::str::from_utf8(path).unwrap_or("a/b"));
        found.push(patterns.ignoring(path, &mut above).map(|_| (true, 0)));
    }
    told(found)
}
