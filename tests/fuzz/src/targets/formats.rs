//! Formats of files: derivations, disk images, patterns.

use std::{hint::black_box, io::Cursor, path::Path};

use cbox_driver::boot::iso9660;
use cbox_source::{
    disk_image,
    pattern::{Above, Patterns},
};
use nix_formats::derivation::Derivation;

use super::{kind_of, roughly, told};

/// What is read comes back as itself when it is written.
pub(super) fn derivation(bytes: &[u8]) -> u64 {
    let derivation = match Derivation::from_aterm_bytes(bytes) {
        Ok(derivation) => derivation,
        Err(error) => return told(kind_of(error)),
    };
    let written = derivation.to_aterm_bytes();
    let again = Derivation::from_aterm_bytes(&written);
    assert_eq!(again.as_ref(), Ok(&derivation));
    assert_eq!(again.map(|again| again.to_aterm_bytes()), Ok(written));
    for output in derivation.outputs() {
        for text in [output.name, output.path, output.hash_algorithm, output.hash] {
            assert!(text.is_ascii());
        }
    }
    for input in derivation.inputs() {
        assert!(!input.path.is_empty() && input.outputs().all(str::is_ascii));
    }
    assert!(derivation.sources().all(|source| source.starts_with('/')));
    black_box((derivation.system(), derivation.builder()));
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
    const PATHS: [&str; 6] = [
        "/nix/store/00000000000000000000000000000000-system.drv",
        "/nix/store/11111111111111111111111111111111-system.drv",
        "/nix/store/22222222222222222222222222222222-zlib-1.3.1.drv",
        "/nix/store/33333333333333333333333333333333-zlib-1.3.2.drv",
        "/nix/store/44444444444444444444444444444444-etc.drv",
        "/nix/store/55555555555555555555555555555555-etc.drv",
    ];
    let mut files = Vec::new();
    let mut rest = bytes;
    while files.len() + 1 < PATHS.len()
        && let Some(end) = rest.windows(2).position(|two| two == b"\n\n")
    {
        files.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    files.push(rest.strip_suffix(b"\n").unwrap_or(rest));
    let parsed: Result<Vec<Derivation>, _> = files
        .iter()
        .map(|file| Derivation::from_aterm_bytes(file))
        .collect();
    let derivations = match parsed {
        Ok(derivations) => derivations,
        Err(error) => return told(kind_of(error)),
    };
    let read = |paths: &[&str]| -> Result<Vec<Derivation>, String> {
        let one = |path: &&str| {
            let place = PATHS.iter().position(|known| known == path);
            let derivation = place.and_then(|place| derivations.get(place));
            derivation.cloned().ok_or_else(|| format!("no {path}"))
        };
        paths.iter().map(one).collect()
    };
    let [old, new, ..] = PATHS;
    let mut answers = vec![derivations.len()];
    for (old, new) in [(old, new), (new, old), (old, old)] {
        if let Ok(explanation) = drv_causes::explain(old, new, &read) {
            assert!(old != new || explanation.causes.is_empty());
            assert!(explanation.cascade <= explanation.rebuilt);
            for cause in &explanation.causes {
                assert!(cause.rebuilds <= explanation.rebuilt);
                answers.push(cause.differences.len().min(9));
            }
        }
    }
    told(answers)
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
