//! Which partition of an image takes secrets: the EFI system partition of a GPT, or the first FAT
//! partition of an MBR, as images for small boards have one.

use std::{io, mem::size_of};

use bytemuck::{Zeroable as _, bytes_of_mut};
use gpt_disk_types::{
    BlockSize, GptHeader, GptPartitionEntryArray, GptPartitionType, MasterBootRecord,
};

use super::overlay::{BLOCK, Base};

/// The types of MBR partitions that hold a FAT: an EFI system partition, which counts first, and
/// those of FAT12, FAT16 and FAT32 (UEFI 5.2.2 has the first, the rest is as old as DOS).
const EFI: u8 = 0xef;
const FAT: [u8; 6] = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e];

/// The type of the MBR partition that stands for a GPT.
const PROTECTIVE: u8 = 0xee;

/// The largest table that is read: 128 times what one with the usual 128 entries has.
const LARGEST_TABLE: u64 = 2 << 20;

/// A partition that can take secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1 on.
    pub number: u32,
    /// Its name in the table; empty where it has none.
    pub label: String,
    /// Where it begins, in bytes.
    pub(super) start: u64,
    /// How many bytes it has.
    pub(super) size: u64,
}

/// Why there is no partition for secrets.
#[derive(Debug)]
pub(super) enum NotFound {
    /// It cannot be read.
    Read(io::Error),
    /// There is neither a GPT nor an MBR.
    NoTable,
    /// No partition can take them.
    NoPartition,
    /// The table says something that cannot be.
    Damaged(&'static str),
}

/// Finds the partition of a drive or an image with `total` bytes.
pub(super) fn find(base: &mut dyn Base, total: u64) -> Result<Partition, NotFound> {
    let mut record = MasterBootRecord::zeroed();
    read(base, bytes_of_mut(&mut record), 0, total)?;
    if record.signature != [0x55, 0xaa] {
        return Err(NotFound::NoTable);
    }
    let has_gpt = record
        .partitions
        .iter()
        .any(|partition| partition.os_indicator == PROTECTIVE);
    let found = match has_gpt {
        true => of_gpt(base, total)?,
        false => of_mbr(&record),
    };
    let found = found.ok_or(NotFound::NoPartition)?;
    let end = found.start.checked_add(found.size);
    match end.is_some_and(|end| found.start >= BLOCK as u64 && end <= total) {
        true => Ok(found),
        false => Err(NotFound::Damaged("a partition is not within the drive")),
    }
}

fn read(base: &mut dyn Base, bytes: &mut [u8], at: u64, total: u64) -> Result<(), NotFound> {
    let end = at.checked_add(bytes.len() as u64);
    if end.is_none_or(|end| end > total) {
        return Err(NotFound::Damaged("the table of partitions is cut off"));
    }
    base.read_at(bytes, at).map_err(NotFound::Read)
}

/// The EFI system partition. The table is one sector from the beginning, whose size nothing says.
fn of_gpt(base: &mut dyn Base, total: u64) -> Result<Option<Partition>, NotFound> {
    for sector in [BlockSize::BS_512, BlockSize::BS_4096] {
        let mut header = GptHeader::default();
        let at = u64::from(sector.to_u32());
        read(base, bytes_of_mut(&mut header), at, total)?;
        if header.is_signature_valid() {
            return entries(base, &header, sector, total);
        }
    }
    Err(NotFound::Damaged("the header of the GPT is not there"))
}

fn entries(
    base: &mut dyn Base,
    header: &GptHeader,
    sector: BlockSize,
    total: u64,
) -> Result<Option<Partition>, NotFound> {
    const WRONG: NotFound = NotFound::Damaged("the checksum of the GPT does not fit");
    let own = header.header_size.to_u32() as usize == size_of::<GptHeader>();
    if !own || header.calculate_header_crc32() != header.header_crc32 {
        return Err(WRONG);
    }
    let layout = header
        .get_partition_entry_array_layout()
        .map_err(|_| WRONG)?;
    let length = layout.num_bytes_rounded_to_block(sector);
    let length = length.filter(|length| *length <= LARGEST_TABLE);
    let mut storage = vec![0; length.ok_or(WRONG)? as usize];
    let bytes = u64::from(sector.to_u32());
    let at = layout.start_lba.to_u64().checked_mul(bytes).ok_or(WRONG)?;
    read(base, &mut storage, at, total)?;
    let array = GptPartitionEntryArray::new(layout, sector, &mut storage);
    let array = array.map_err(|_| WRONG)?;
    if array.calculate_crc32() != header.partition_entry_array_crc32 {
        return Err(WRONG);
    }
    let all = (0..header.number_of_partition_entries.to_u32())
        .filter_map(|index| Some((index + 1, array.get_partition_entry(index)?)));
    let mut system = all.filter(|(_, entry)| {
        let kind = entry.partition_type_guid;
        kind == GptPartitionType::EFI_SYSTEM
    });
    let Some((number, entry)) = system.next() else {
        return Ok(None);
    };
    let (name, first, last) = (entry.name, entry.starting_lba, entry.ending_lba);
    let (first, last) = (first.to_u64(), last.to_u64());
    let blocks = last
        .checked_sub(first)
        .and_then(|blocks| blocks.checked_add(1));
    let place =
        blocks.and_then(|blocks| Some((first.checked_mul(bytes)?, blocks.checked_mul(bytes)?)));
    let (start, size) = place.ok_or(NotFound::Damaged("a partition ends before it begins"))?;
    Ok(Some(Partition {
        number,
        label: name.chars().collect(),
        start,
        size,
    }))
}

fn of_mbr(record: &MasterBootRecord) -> Option<Partition> {
    let of = |wanted: &[u8]| {
        let mut all = (1..).zip(&record.partitions);
        all.find(|(_, partition)| wanted.contains(&partition.os_indicator))
    };
    let (number, partition) = of(&[EFI]).or_else(|| of(&FAT))?;
    let bytes = |sectors: u32| u64::from(sectors) * BLOCK as u64;
    Some(Partition {
        number,
        label: String::new(),
        start: bytes(partition.starting_lba.to_u32()),
        size: bytes(partition.size_in_lba.to_u32()),
    })
}
