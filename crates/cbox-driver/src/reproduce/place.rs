//! Where in an image a byte is: in which file of an ISO, or in which partition of a disk.
//!
//! Sources: the UEFI specification, 5.2.1 (the partition records of an MBR), 5.3.2 and 5.3.3 (the
//! header and the entries of a GPT).

use std::{fs::File, io, os::unix::fs::FileExt as _};

use cbox_source::disk_image;

use crate::{boot::iso9660, image::head};

/// How many entries of a partition table are looked at; there are 128 nearly always.
const MOST_ENTRIES: u32 = 1024;

/// The part of an image that a byte is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is.
    pub part: Part,
    /// Its name: of a file as Linux shows it, of a partition its number and its label.
    pub name: String,
    /// Which byte of it.
    pub offset: u64,
}

/// What a part of an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A file of an ISO.
    File,
    /// A partition of a disk.
    Partition,
}

impl Part {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Partition => "partition",
        }
    }
}

/// Where the byte at `offset` of `file` is, if that is an image that can be looked into.
pub(super) fn find(file: &mut File, offset: u64) -> Option<Place> {
    let start = head(file).ok()?;
    let known = disk_image::detect(&start)?;
    if known.is_iso() {
        let (name, offset) = iso9660::file_at(file, offset).ok()??;
        return Some(Place {
            part: Part::File,
            name,
            offset,
        });
    }
    if known.qemu != Some("raw") {
        return None;
    }
    let partitions = partitions(file, &start).ok()?;
    let found = partitions
        .into_iter()
        .find(|(_, from, to)| (from..to).contains(&&offset));
    let (name, from, _) = found?;
    Some(Place {
        part: Part::Partition,
        name,
        offset: offset - from,
    })
}

/// The partitions of a disk that begins with `start`: the name of each, its first byte, and the one
/// behind its last.
fn partitions(file: &File, start: &[u8]) -> io::Result<Vec<(String, u64, u64)>> {
    let gpt = [512_usize, 4096].into_iter().find(|block| {
        let header = start.get(*block..);
        header.is_some_and(|header| header.starts_with(b"EFI PART"))
    });
    match gpt {
        Some(block) => of_gpt(file, &start[block..], block as u64),
        None => Ok(of_mbr(start)),
    }
}

fn of_gpt(file: &File, header: &[u8], block: u64) -> io::Result<Vec<(String, u64, u64)>> {
    let (Some(table), Some(number), Some(length)) =
        (u64_at(header, 72), u32_at(header, 80), u32_at(header, 84))
    else {
        return Ok(vec![]);
    };
    let length = length.clamp(128, 4096);
    let mut found = Vec::new();
    for number in 0..number.min(MOST_ENTRIES) {
        let mut entry = [0; 128];
        let place = table.saturating_mul(block) + u64::from(number) * u64::from(length);
        file.read_exact_at(&mut entry, place)?;
        let (Some(first), Some(last)) = (u64_at(&entry, 32), u64_at(&entry, 40)) else {
            continue;
        };
        // One without a type is not used.
        if entry[..16].iter().all(|&byte| byte == 0) {
            continue;
        }
        let units = entry[56..].chunks_exact(2);
        let units = units.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
        let name = match String::from_utf16_lossy(&units) {
            none if none.is_empty() => format!("{}", number + 1),
            label => format!("{} ({label})", number + 1),
        };
        let end = last.saturating_add(1).saturating_mul(block);
        found.push((name, first.saturating_mul(block), end));
    }
    Ok(found)
}

fn of_mbr(start: &[u8]) -> Vec<(String, u64, u64)> {
    let entry = |number: usize| {
        let entry = start.get(446 + 16 * number..446 + 16 * (number + 1))?;
        let (first, blocks) = (u32_at(entry, 8)?, u32_at(entry, 12)?);
        let (first, blocks) = (u64::from(first), u64::from(blocks));
        let is_used = entry[4] != 0;
        is_used.then(|| {
            (
                format!("{}", number + 1),
                first * 512,
                (first + blocks) * 512,
            )
        })
    };
    (0..4).filter_map(entry).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn find_in(bytes: &[u8], offset: u64) -> Option<(String, u64)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        find(&mut file, offset).map(|place| (place.name, place.offset))
    }

    #[test]
    fn a_byte_is_in_a_partition() {
        let mut disk = vec![0; 1 << 20];
        let mut set = |at: usize, bytes: &[u8]| disk[at..at + bytes.len()].copy_from_slice(bytes);
        set(512, b"EFI PART");
        set(512 + 72, &2_u64.to_le_bytes());
        set(512 + 80, &128_u32.to_le_bytes());
        set(512 + 84, &128_u32.to_le_bytes());
        for (number, first, last, label) in [(0, 100_u64, 199_u64, "ESP"), (2, 200, 300, "")] {
            let entry = 1024 + 128 * number;
            set(entry, &[1]);
            set(entry + 32, &first.to_le_bytes());
            set(entry + 40, &last.to_le_bytes());
            let label: Vec<u8> = label.encode_utf16().flat_map(u16::to_le_bytes).collect();
            set(entry + 56, &label);
        }
        let found = |name: &str, at| Some((name.to_owned(), at));
        assert_eq!(find_in(&disk, 51_200), found("1 (ESP)", 0));
        assert_eq!(find_in(&disk, 102_399), found("1 (ESP)", 51_199));
        assert_eq!(find_in(&disk, 102_400), found("3", 0));
        assert_eq!(find_in(&disk, 0), None);
        assert_eq!(find_in(&disk, 301 * 512), None);
        // A table that is not there is no reason to stop.
        assert_eq!(find_in(&disk[..2000], 1), None);
        assert_eq!(find_in(b"text", 0), None);
    }

    #[test]
    fn a_table_of_old_has_four() {
        let mut disk = vec![0; 0x10300];
        disk[510..512].copy_from_slice(b"\x55\xaa");
        disk[446 + 4] = 0x83;
        disk[446 + 8..][..4].copy_from_slice(&8_u32.to_le_bytes());
        disk[446 + 12..][..4].copy_from_slice(&100_u32.to_le_bytes());
        assert_eq!(find_in(&disk, 4097), Some(("1".to_owned(), 1)));
        assert_eq!(find_in(&disk, 108 * 512), None);
    }
}
