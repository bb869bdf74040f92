//! Files that the programs for them made, unpacked: real_unpacking.jsonl has them in hexadecimal,
//! all with the same content.

use std::io::{BufReader, Cursor, Read as _};

use super::*;

/// What made it, and what it is.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    made_by: String,
    packed: String,
}

/// A file, and what made it.
struct Packed {
    made_by: String,
    bytes: Vec<u8>,
}

fn files() -> Vec<Packed> {
    let lines = include_str!("real_unpacking.jsonl").lines();
    let lines = lines.map(|line| {
        let Line { made_by, packed } = serde_json::from_str(line).unwrap();
        let digits = packed.as_bytes().chunks_exact(2);
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        Packed {
            made_by,
            bytes: digits.map(byte).collect(),
        }
    });
    lines.collect()
}

/// What is in each of them.
fn content() -> Vec<u8> {
    let steps = (0..300_000_usize).map(|at| (at / 700).pow(2) >> 5);
    steps.map(|step| (step & 0xff) as u8).collect()
}

fn compression(packed: &[u8]) -> Compression {
    Compression::of(packed).unwrap()
}

/// All that can be unpacked, and why it is not more.
fn unpack(compression: Compression, packed: &[u8]) -> (Vec<u8>, Option<String>) {
    let mut unpacked = Vec::new();
    // A small buffer, so that everything lies across its edge somewhere.
    let source = BufReader::with_capacity(7, packed);
    let error = compression.unpack(source).read_to_end(&mut unpacked);
    (unpacked, error.err().map(|error| error.to_string()))
}

fn size(packed: &[u8]) -> Result<UnpackedSize, String> {
    let size = compression(packed).unpacked_size(Cursor::new(packed));
    size.map_err(|error| error.to_string())
}

#[test]
fn what_the_programs_packed_is_unpacked() {
    let (content, files) = (content(), files());
    assert_eq!(files.len(), 22);
    for Packed { made_by, bytes } in files {
        let (unpacked, error) = unpack(compression(&bytes), &bytes);
        assert_eq!(error, None, "{made_by}");
        assert!(unpacked == content, "{made_by}");
        let whole = content.len() as u64;
        let expected = match &*made_by {
            gzip if gzip.starts_with("gzip") || gzip.starts_with("pigz") => {
                UnpackedSize::AtLeast(0)
            }
            "zstd of a pipe" | "zstd --no-check --no-content-size" | "pzstd -p 2" => {
                UnpackedSize::AtLeast(0)
            }
            bzip2 if bzip2.contains("bz") => UnpackedSize::AtLeast(0),
            _ => UnpackedSize::Exactly(whole),
        };
        assert_eq!(size(&bytes), Ok(expected), "{made_by}");
    }
}

#[test]
fn what_is_cut_short_is_told_wherever_it_was_cut() {
    for Packed { made_by, bytes } in files() {
        let (compression, name) = (compression(&bytes), compression(&bytes).name());
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for length in (6..end).step_by(1 + bytes.len() / 61) {
            let (unpacked, error) = unpack(compression, &bytes[..length]);
            // Between two members nothing is missing, as far as anybody can tell.
            let Some(error) = error else {
                assert!(
                    made_by.contains("two") || made_by.starts_with('p') || made_by.contains("lb"),
                    "{made_by} {length}"
                );
                assert!(unpacked.len() < content().len());
                continue;
            };
            let expected = format!("its {name} data end in the middle: it was cut short");
            assert_eq!(error, expected, "{made_by} {length}");
        }
    }
}

/// What says its size at its end or on its way is found out before it is unpacked.
#[test]
fn what_is_cut_short_is_told_beforehand_where_it_can_be() {
    for Packed { made_by, bytes } in files() {
        let cut = &bytes[..bytes.len() * 3 / 4];
        let told = size(cut);
        let expected = match compression(&bytes) {
            Compression::Xz => {
                "it does not end like xz data: it was cut short, or something was added to it"
            }
            Compression::Zstd => "its zstd data end in the middle: it was cut short",
            Compression::Gzip | Compression::Bzip2 => {
                assert!(told.is_ok(), "{made_by}");
                continue;
            }
        };
        assert_eq!(told, Err(expected.to_owned()), "{made_by}");
    }
}

#[test]
fn what_does_not_belong_to_it_is_told_with_its_place() {
    for Packed { made_by, bytes } in files() {
        let (compression, name) = (compression(&bytes), compression(&bytes).name());
        for (zeros, rest) in [
            (0, &b"garbage"[..]),
            (8, b"x"),
            (0, b"\x28\xb5"),
            (512, b""),
        ] {
            let more = [&bytes[..], &vec![0; zeros], rest].concat();
            let (unpacked, error) = unpack(compression, &more);
            assert!(unpacked == content(), "{made_by}");
            let at = more.len() - rest.len();
            let expected =
                format!("what follows its {name} data, from byte {at} on, does not belong to them");
            assert_eq!(
                error,
                (!rest.is_empty()).then_some(expected.clone()),
                "{made_by}"
            );
            match compression {
                Compression::Zstd if !rest.is_empty() && zeros + rest.len() > 3 => {
                    assert_eq!(size(&more), Err(expected), "{made_by}");
                }
                Compression::Xz => assert_eq!(size(&more).is_ok(), rest.is_empty(), "{made_by}"),
                _ => {}
            }
        }
    }
}

/// A checksum is worth something only where somebody compares it. `xz -C none` and `zstd
/// --no-check` have none, and bits in a name or a time of gzip mean nothing.
#[test]
fn one_bit_that_is_not_as_it_was_is_found() {
    let content = content();
    for Packed { made_by, bytes } in files() {
        let compression = compression(&bytes);
        let mut random = fastrand::Rng::with_seed(7);
        let mut found = 0;
        for _ in 0..40 {
            let mut damaged = bytes.clone();
            damaged[random.usize(30..bytes.len())] ^= 1 << random.u8(..8);
            let (unpacked, error) = unpack(compression, &damaged);
            found += usize::from(error.is_some());
            let has_checksum = !made_by.contains("none") && !made_by.contains("--no-check");
            if has_checksum && error.is_none() {
                assert!(
                    unpacked == content,
                    "{made_by}: another content, and no error"
                );
            }
        }
        assert!(found > 10, "{made_by}: {found} of 40");
    }
}

#[test]
fn an_error_stays_one() {
    let packed = &files()[0].bytes;
    let mut unpacked = Compression::Gzip.unpack(&packed[..packed.len() - 1]);
    let mut all = Vec::new();
    assert!(unpacked.read_to_end(&mut all).is_err());
    assert!(unpacked.read(&mut [0; 1]).is_err(), "this is not the end");
}

/// A frame that asks for a window of 1 GiB, and a dictionary of 512 MiB.
#[test]
fn nothing_decides_how_much_memory_it_gets() {
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xa0, 1, 0, 0];
    let (_, error) = unpack(Compression::Zstd, &zstd);
    let memory = |name: &str| {
        Some(format!(
            "its {name} data need more than 256 MiB of memory to be unpacked"
        ))
    };
    assert_eq!(error, memory("zstd"));
    // Of `xz --lzma2=preset=0,dict=512MiB`.
    let xz = [
        0xfd, b'7', b'z', b'X', b'Z', 0, 0, 1, 0x69, 0x22, 0xde, 0x36, 2, 0, 0x21, 1, 0x22, 0, 0,
        0, 0x82, 0x40, 0xac, 0xdc, 1, 0, 7, b'n', b'o', b't', b' ', b'm', b'u', b'c', b'h', 0,
        0x54, 0x65, 0, 0x1a, 0, 1, 0x1c, 8, 0x44, 0x60, 0x2a, 0xc8, 0x90, 0x42, 0x99, 0xd, 1, 0, 0,
        0, 0, 1, 0x59, 0x5a,
    ];
    assert_eq!(unpack(Compression::Xz, &xz).1, memory("xz"));
}
