//! What a FAT filesystem says of itself, looked at before it is worked with: fatfs believes it, and
//! computes with numbers that a damaged one makes too large. The fields are those of Microsoft's
//! "FAT32 File System Specification", 1.03, which all three kinds have in common.

use std::io::{self, Read, Seek, SeekFrom};

/// How much of the table is read at once: a multiple of what a pair of 12 bits takes.
const PIECE: usize = 3 << 10;

/// How many of the first entries of the table stand for no cluster.
const RESERVED: u64 = 2;

/// The room on a filesystem.
pub(super) struct Room {
    /// How many bytes a cluster has.
    pub(super) cluster: u64,
    /// How many clusters are free.
    pub(super) free: u64,
}

/// A kind of FAT: how many bits an entry of the table has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bits {
    Twelve,
    Sixteen,
    /// Of which 28 count.
    ThirtyTwo,
}

/// Checks the tables of the filesystem that `disk` is, of `size` bytes.
///
/// # Errors
/// When they say what cannot be, or cannot be read.
pub(super) fn check(disk: &mut (impl Read + Seek), size: u64) -> io::Result<Room> {
    let mut boot = [0; 512];
    disk.rewind()?;
    disk.read_exact(&mut boot)?;
    let two = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
    let four = |at: usize| two(at) | two(at + 2) << 16;
    let either = |small: u64, large: u64| if small == 0 { large } else { small };
    require(boot[510..] == [0x55, 0xaa], "it has no boot sector")?;
    let sector = two(11);
    let per_cluster = u64::from(boot[13]);
    let sectors_fit = sector.is_power_of_two() && (512..=4096).contains(&sector);
    require(
        sectors_fit && per_cluster.is_power_of_two(),
        "its sectors have no size that there is",
    )?;
    let (reserved, tables, root_entries) = (two(14), u64::from(boot[16]), two(17));
    let table_sectors = either(two(22), four(36));
    let total = either(two(19), four(32));
    let root_sectors = (root_entries * 32).div_ceil(sector);
    let data = reserved + tables * table_sectors + root_sectors;
    let makes_sense = reserved > 0 && (1..=2).contains(&tables) && data < total;
    require(
        makes_sense && total * sector <= size,
        "its boot sector says what cannot be",
    )?;
    let clusters = (total - data) / per_cluster;
    // What counts is the number of clusters, and nothing else.
    let bits = match clusters {
        0..4085 => Bits::Twelve,
        4085..65525 => Bits::Sixteen,
        _ => Bits::ThirtyTwo,
    };
    let is_large = bits == Bits::ThirtyTwo;
    require(
        is_large == (two(22) == 0),
        "its boot sector says what cannot be",
    )?;
    if is_large {
        let (root, info) = (four(44), two(48));
        let is_within = (RESERVED..clusters + RESERVED).contains(&root);
        // One table may count alone, by number.
        let active = two(40);
        let active_fits = active & 0x80 == 0 || active & 0xf < tables;
        require(
            is_within && root_entries == 0 && (1..reserved).contains(&info) && active_fits,
            "its boot sector says what cannot be",
        )?;
    } else {
        require(root_entries > 0, "its boot sector says what cannot be")?;
    }
    let entries = clusters + RESERVED;
    let length = match bits {
        Bits::Twelve => (entries * 3).div_ceil(2),
        Bits::Sixteen => entries * 2,
        Bits::ThirtyTwo => entries * 4,
    };
    require(
        length <= table_sectors * sector,
        "its table of clusters is too short",
    )?;
    disk.seek(SeekFrom::Start(reserved * sector))?;
    let free = count_free(disk, bits, entries, length)?;
    Ok(Room {
        cluster: per_cluster * sector,
        free,
    })
}

/// Counts the clusters that are free, and checks that the others lead to where there is one.
fn count_free(disk: &mut impl Read, bits: Bits, entries: u64, length: u64) -> io::Result<u64> {
    // From here on an entry is a mark: the end of a file, or a cluster that is broken.
    let marks: u64 = match bits {
        Bits::Twelve => 0xff7,
        Bits::Sixteen => 0xfff7,
        Bits::ThirtyTwo => 0x0fff_fff7,
    };
    let (mut free, mut number, mut left) = (0, 0, length);
    while left > 0 {
        let mut piece = [0; PIECE];
        let taken = left.min(PIECE as u64);
        disk.read_exact(&mut piece[..taken as usize])?;
        left -= taken;
        let per_piece = match bits {
            Bits::Twelve => PIECE * 2 / 3,
            Bits::Sixteen => PIECE / 2,
            Bits::ThirtyTwo => PIECE / 4,
        };
        for index in 0..per_piece {
            if number == entries {
                break;
            }
            let two = |at: usize| u64::from(u16::from_le_bytes([piece[at], piece[at + 1]]));
            let value = match bits {
                Bits::Twelve => two(index * 3 / 2) >> (4 * (index % 2)) & 0xfff,
                Bits::Sixteen => two(index * 2),
                Bits::ThirtyTwo => (two(index * 4) | two(index * 4 + 2) << 16) & 0x0fff_ffff,
            };
            number += 1;
            match value {
                _ if number <= RESERVED => {}
                0 => free += 1,
                value if value >= marks || (RESERVED..entries).contains(&value) => {}
                _ => {
                    return Err(damaged(
                        "its table of clusters leads to where there is none",
                    ));
                }
            }
        }
    }
    Ok(free)
}

fn require(is_so: bool, otherwise: &'static str) -> io::Result<()> {
    match is_so {
        true => Ok(()),
        false => Err(damaged(otherwise)),
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
