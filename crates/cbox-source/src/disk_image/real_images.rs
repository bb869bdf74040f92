//! Images that the programs for them made, each compressed, as they are met in practice: how
//! they begin is in real_images.jsonl, in hexadecimal.

use std::{fs, os::unix::fs::FileExt as _};

use super::*;

/// What it has to be taken for, how it is compressed, what made it, and its first bytes.
#[derive(serde::Deserialize)]
struct Line {
    what: String,
    compression: String,
    made_by: String,
    content: String,
}

fn images() -> Vec<Line> {
    let lines = include_str!("real_images.jsonl").lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn found(content: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, content).unwrap();
    let file = fs::File::open(file).unwrap();
    let head = &content[..content.len().min(HEAD)];
    let read_at = |buffer: &mut [u8], offset| file.read_at(buffer, offset);
    find(head, content.len() as u64, &read_at).map(|image| image.to_string())
}

#[test]
fn real_images_are_told_as_they_are_and_compressed() {
    let images = images();
    assert_eq!(images.len(), 19);
    for image in images {
        let Line {
            what,
            compression,
            made_by,
            content,
        } = image;
        let packed = bytes(&content);
        let expected = format!("{what}, compressed with {compression}");
        assert_eq!(found(&packed), Some(expected), "{made_by}");
        let unpacked = Compression::of(&packed).unwrap().head(&packed[..]);
        assert_eq!(found(&unpacked), Some(what), "{made_by}");
    }
}

#[test]
fn what_is_compressed_and_no_image_is_none() {
    let text = "a text ".repeat(20_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    io::Write::write_all(&mut bzip2, text.as_bytes()).unwrap();
    for packed in [gzip.finish().unwrap(), bzip2.finish().unwrap()] {
        assert_eq!(found(&packed), None);
        let unpacked = Compression::of(&packed).unwrap().head(&packed[..]);
        assert_eq!(unpacked, text.as_bytes()[..HEAD]);
    }
}

/// Whatever is broken or cut off is none, and nothing is waited for or allocated for it.
#[test]
fn what_is_broken_is_none() {
    for image in images() {
        let packed = bytes(&image.content);
        for length in 0..packed.len().min(16) {
            assert_eq!(found(&packed[..length]), None, "{}", image.made_by);
        }
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20 {
            let mut broken = packed.clone();
            for _ in 0..4 {
                broken[random.usize(6..packed.len())] = random.u8(..);
            }
            found(&broken);
        }
    }
}

/// A VHD of a fixed size has its mark at the end alone.
#[test]
fn a_fixed_vhd_is_told_by_its_end() {
    for size in [0, 1 << 12, 1 << 20] {
        let mut disk = vec![0; size];
        assert_eq!(found(&disk), None);
        let mut footer = vec![0; 512];
        footer[..8].copy_from_slice(b"conectix");
        disk.extend(footer);
        assert_eq!(found(&disk).as_deref(), Some("a VHD image"));
        disk.insert(0, 1);
        assert_eq!(found(&disk), None, "not at the end");
    }
}
