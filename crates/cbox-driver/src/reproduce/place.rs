//! Where in an image a byte is: in which file of an ISO, or in which partition of a disk.

use std::{fs::File, io, mem::size_of, os::unix::fs::FileExt as _};

use bytemuck::{bytes_of_mut, pod_read_unaligned};
use cbox_source::disk_image;
use gpt_disk_types::{BlockSize, GptHeader, GptPartitionEntry, MasterBootRecord};

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
/// behind its last. Nobody writes by this table, so what it says is taken as it is.
fn partitions(file: &File, start: &[u8]) -> io::Result<Vec<(String, u64, u64)>> {
    for sector in [BlockSize::BS_512, BlockSize::BS_4096] {
        let at = sector.to_u32() as usize;
        let Some(header) = start.get(at..at + size_of::<GptHeader>()) else {
            continue;
        };
        let header: GptHeader = pod_read_unaligned(header);
        if header.is_signature_valid() {
            return of_gpt(file, &header, u64::from(sector.to_u32()));
        }
    }
    let record = start.get(..size_of::<MasterBootRecord>());
    Ok(record.map_or(vec![], |record| of_mbr(&pod_read_unaligned(record))))
}

fn of_gpt(file: &File, header: &GptHeader, sector: u64) -> io::Result<Vec<(String, u64, u64)>> {
    let (table, length) = (header.partition_entry_lba, header.size_of_partition_entry);
    let number = header.number_of_partition_entries.to_u32();
    let mut found = Vec::new();
    for index in 0..number.min(MOST_ENTRIES) {
        let mut entry = GptPartitionEntry::default();
        let place = table.to_u64().saturating_mul(sector);
        let place = place.saturating_add(u64::from(index) * u64::from(length.to_u32()));
        file.read_exact_at(bytes_of_mut(&mut entry), place)?;
        if !entry.is_used() {
            continue;
        }
        let (label, first, last) = (entry.name, entry.starting_lba, entry.ending_lba);
        let label: String = label.chars().collect();
        let name = match label.as_str() {
            "" => format!("{}", index + 1),
            label => format!("{} ({label})", index + 1),
        };
        let end = last.to_u64().saturating_add(1).saturating_mul(sector);
        found.push((name, first.to_u64().saturating_mul(sector), end));
    }
    Ok(found)
}

fn of_mbr(record: &MasterBootRecord) -> Vec<(String, u64, u64)> {
    let used = (1..).zip(&record.partitions);
    let used = used.filter(|(_, partition)| partition.os_indicator != 0);
    let places = used.map(|(number, partition)| {
        let first = u64::from(partition.starting_lba.to_u32()) * 512;
        let size = u64::from(partition.size_in_lba.to_u32()) * 512;
        (format!("{number}"), first, first + size)
    });
    places.collect()
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
