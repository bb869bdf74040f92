//! Partitions in memory, whole and broken, and a drive that does not keep what it is given.

use std::{fs, os::unix::fs::PermissionsExt as _};

use bytemuck::bytes_of;
use fatfs::{FatType, FormatVolumeOptions};
use gpt_disk_types::{
    BlockSize, Crc32, GptHeader, GptPartitionEntry, GptPartitionEntryArray,
    GptPartitionEntryArrayLayout, GptPartitionEntrySize, GptPartitionType, Lba, LbaLe,
    MasterBootRecord, U32Le,
};

use super::*;
use crate::process::environment::Environment;

const MIB: usize = 1 << 20;

/// A drive in memory.
struct Drive {
    bytes: Vec<u8>,
    /// The byte that it gives back as another one.
    wrong: Option<usize>,
    /// Whether it takes nothing.
    is_full: bool,
}

impl Base for Drive {
    fn read_at(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.read(bytes, at)
    }
}

impl Medium for Drive {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes[at as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let found = self.bytes.get(at as usize..at as usize + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        if let Some(wrong) = self.wrong
            && let Some(byte) = wrong
                .checked_sub(at as usize)
                .and_then(|within| bytes.get_mut(within))
        {
            *byte ^= 1;
        }
        Ok(())
    }
}

/// A drive whose partition from 1 MiB on, of so many MiB, has a FAT.
fn drive(fat: FatType, mib: usize) -> Drive {
    let mut bytes = vec![0; (mib + 2) * MIB];
    let options = FormatVolumeOptions::new()
        .fat_type(fat)
        .bytes_per_cluster(512);
    let mut partition = io::Cursor::new(&mut bytes[MIB..][..mib * MIB]);
    fatfs::format_volume(&mut partition, options).unwrap();
    with_mbr(&mut bytes, 0xef, mib);
    Drive {
        bytes,
        wrong: None,
        is_full: false,
    }
}

fn with_mbr(bytes: &mut [u8], kind: u8, mib: usize) {
    let mut record: MasterBootRecord = bytemuck::Zeroable::zeroed();
    record.signature = [0x55, 0xaa];
    let partition = &mut record.partitions[1];
    partition.os_indicator = kind;
    partition.starting_lba = U32Le::from_u32(2048);
    partition.size_in_lba = U32Le::from_u32((mib * MIB / 512) as u32);
    bytes[..512].copy_from_slice(bytes_of(&record));
}

/// A GPT for sectors of this size; the partition is its third.
fn with_gpt(bytes: &mut [u8], sector: BlockSize, kind: GptPartitionType, mib: usize) {
    with_mbr(bytes, 0xee, mib);
    let size = sector.to_u32() as usize;
    let entry = GptPartitionEntry {
        partition_type_guid: kind,
        starting_lba: LbaLe::from_u64((MIB / size) as u64),
        ending_lba: LbaLe::from_u64(((1 + mib) * MIB / size - 1) as u64),
        name: "BOX-ESP".parse().unwrap(),
        ..GptPartitionEntry::default()
    };
    let layout = GptPartitionEntryArrayLayout {
        start_lba: Lba(2),
        entry_size: GptPartitionEntrySize::new(128).unwrap(),
        num_entries: 128,
    };
    let mut storage = vec![0; 128 * 128];
    let mut array = GptPartitionEntryArray::new(layout, sector, &mut storage).unwrap();
    *array.get_partition_entry_mut(2).unwrap() = entry;
    let checksum: Crc32 = array.calculate_crc32();
    bytes[2 * size..][..128 * 128].copy_from_slice(array.storage());
    let mut header = GptHeader {
        partition_entry_lba: LbaLe::from_u64(2),
        number_of_partition_entries: U32Le::from_u32(128),
        partition_entry_array_crc32: checksum,
        ..GptHeader::default()
    };
    header.update_header_crc32();
    bytes[size..][..92].copy_from_slice(bytes_of(&header));
}

fn secrets(all: &[(&str, &[u8])]) -> Secrets {
    let secret = |(name, content): &(&str, &[u8])| Secret {
        name: (*name).to_owned(),
        content: content.to_vec(),
    };
    Secrets {
        all: all.iter().map(secret).collect(),
        warnings: vec![],
    }
}

fn two() -> Secrets {
    secrets(&[
        ("account-password", b"one\n"),
        ("wifi.nmconnection", &[7; 3000]),
    ])
}

/// What is in the folder, by an own look at the filesystem.
fn found(drive: &mut Drive, mib: usize) -> Vec<(String, Vec<u8>)> {
    let partition = io::Cursor::new(&mut drive.bytes[MIB..][..mib * MIB]);
    let filesystem = fatfs::FileSystem::new(partition, fatfs::FsOptions::new()).unwrap();
    let folder = filesystem.root_dir().open_dir(FOLDER).unwrap();
    let files = folder
        .iter()
        .map(Result::unwrap)
        .filter(fatfs::DirEntry::is_file);
    let content = |entry: fatfs::DirEntry<'_, _>| {
        let mut content = Vec::new();
        io::Read::read_to_end(&mut entry.to_file(), &mut content).unwrap();
        (entry.file_name(), content)
    };
    files.map(content).collect()
}

#[test]
fn secrets_are_files_on_any_fat_behind_any_table() {
    for (fat, mib) in [
        (FatType::Fat12, 1),
        (FatType::Fat16, 8),
        (FatType::Fat32, 40),
    ] {
        for table in ["mbr", "old mbr", "gpt", "gpt 4096"] {
            let mut drive = drive(fat, mib);
            let gpt = |bytes: &mut [u8], sector| {
                with_gpt(bytes, sector, GptPartitionType::EFI_SYSTEM, mib);
            };
            match table {
                "gpt" => gpt(&mut drive.bytes, BlockSize::BS_512),
                "gpt 4096" => gpt(&mut drive.bytes, BlockSize::BS_4096),
                "old mbr" => with_mbr(&mut drive.bytes, 0x0c, mib),
                _ => {}
            }
            let partition = two().put(&mut drive, "/dev/sdb").unwrap();
            let shown = match table.starts_with("gpt") {
                true => "partition 3 (BOX-ESP)",
                false => "partition 2",
            };
            assert_eq!(partition.description(), shown, "{fat:?} {table}");
            let wanted = two()
                .all
                .iter()
                .map(|secret| (secret.name.clone(), secret.content.clone()))
                .collect::<Vec<_>>();
            assert_eq!(found(&mut drive, mib), wanted, "{fat:?} {table}");
            let error = two().put(&mut drive, "/dev/sdb").unwrap_err();
            assert_eq!(error.kind, Kind::Unsupported);
            assert!(
                error.message.contains("has a folder `secrets` already"),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_folder_begins_with_its_two_dots() {
    let mut drive = drive(FatType::Fat32, 40);
    two().put(&mut drive, "x").unwrap();
    let dots = drive
        .bytes
        .as_chunks::<512>()
        .0
        .iter()
        .filter(|block| block.starts_with(b".          \x10"));
    let dots: Vec<_> = dots.collect();
    assert_eq!(dots.len(), 1);
    assert!(dots[0][32..].starts_with(b"..         \x10"));
    assert_eq!(
        (&dots[0][52..54], &dots[0][58..60]),
        (&[0, 0][..], &[0, 0][..])
    );
}

#[test]
fn what_cannot_take_them_says_why_and_is_not_changed() {
    let refused = |mut drive: Drive, secrets: &Secrets| {
        let before = drive.bytes.clone();
        let error = secrets.put(&mut drive, "/dev/sdb").unwrap_err();
        assert!(drive.bytes == before);
        (error.kind, error.message)
    };
    let fat = || drive(FatType::Fat12, 1);
    let changed = |change: &dyn Fn(&mut [u8])| {
        let mut drive = fat();
        change(&mut drive.bytes);
        drive
    };
    let (kind, message) = refused(fat(), &secrets(&[("big", &[1; MIB])]));
    assert_eq!(kind, Kind::Unsupported);
    let wanted = "the secrets need 1.0 MB on partition 2 of /dev/sdb, which has 1.0 MB free";
    assert_eq!(message, wanted);
    for (drive, kind, words) in [
        (
            changed(&|bytes| bytes[..512].fill(0)),
            Kind::Unsupported,
            "has no EFI system partition",
        ),
        (
            changed(&|bytes| with_mbr(bytes, 0x83, 1)),
            Kind::Unsupported,
            "has no EFI system partition",
        ),
        (
            changed(&|bytes| with_gpt(bytes, BlockSize::BS_512, GptPartitionType::BASIC_DATA, 1)),
            Kind::Unsupported,
            "has no EFI system partition",
        ),
        (
            changed(&|bytes| with_mbr(bytes, 0xee, 1)),
            Kind::Artifact,
            "the header of the GPT is not there",
        ),
        (
            changed(&|bytes| with_mbr(bytes, 0xef, 3)),
            Kind::Artifact,
            "a partition is not within the drive",
        ),
        (
            changed(&|bytes| {
                with_gpt(bytes, BlockSize::BS_512, GptPartitionType::EFI_SYSTEM, 1);
                bytes[1024 + 300] ^= 1;
            }),
            Kind::Artifact,
            "the checksum of the GPT does not fit",
        ),
        (
            changed(&|bytes| {
                with_gpt(bytes, BlockSize::BS_512, GptPartitionType::EFI_SYSTEM, 1);
                bytes[512 + 60] ^= 1;
            }),
            Kind::Artifact,
            "the checksum of the GPT does not fit",
        ),
        (
            changed(&|bytes| bytes[MIB..][..512].fill(0)),
            Kind::Artifact,
            "is no FAT filesystem that secrets can go to",
        ),
    ] {
        let told = refused(drive, &two());
        assert_eq!(told.0, kind, "{}", told.1);
        assert!(told.1.contains(words), "{}", told.1);
    }
    let mut full = fat();
    full.is_full = true;
    let (kind, message) = refused(full, &two());
    assert_eq!(kind, Kind::Output);
    assert!(
        message.contains("cannot write the secrets at byte"),
        "{message}"
    );
}

#[test]
fn a_drive_that_keeps_something_else_is_found_out() {
    let mut good = drive(FatType::Fat12, 1);
    let before = good.bytes.clone();
    two().put(&mut good, "x").unwrap();
    let changed = (0..before.len()).filter(|at| before[*at] != good.bytes[*at]);
    let changed: Vec<usize> = changed.collect();
    assert!(changed.len() > 3000, "{}", changed.len());
    for at in changed.iter().step_by(97) {
        let mut drive = drive(FatType::Fat12, 1);
        let mut after = Late(&mut drive, *at);
        let error = two().put(&mut after, "/dev/sdb").unwrap_err();
        assert_eq!(error.kind, Kind::Output);
        assert!(
            error.message.contains("differs from what was written"),
            "{error:?}"
        );
    }
}

/// A drive that is wrong about a byte once it was written to.
struct Late<'d>(&'d mut Drive, usize);

impl Medium for Late<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write(bytes, at)
    }
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn forget(&mut self) -> io::Result<()> {
        self.0.wrong = Some(self.1);
        Ok(())
    }
    fn read(&mut self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read(bytes, at)
    }
}

/// Filesystems with a bit or a few that are others than they were are written to, or refused with
/// a sentence, and nothing runs on for ever.
#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says so")]
fn flipped_bits_are_a_sentence_or_do_no_harm() {
    let is_long = std::env::var_os("CBOX_LONG").is_some();
    for (fat, mib, seed) in [
        (FatType::Fat12, 1, 1),
        (FatType::Fat16, 8, 2),
        (FatType::Fat32, 40, 3),
    ] {
        let mut drive = drive(fat, mib);
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..if is_long { 30_000 } else { 60 } {
            let mut undo = Vec::new();
            for _ in 0..random.usize(1..4) {
                let region = match random.u8(0..4) {
                    0 => 0..512,
                    1 | 2 => MIB..MIB + 100,
                    _ => MIB..MIB + 512 * 700,
                };
                let at = random.usize(region);
                undo.push((at, drive.bytes[at]));
                drive.bytes[at] ^= 1 << random.u8(0..8);
            }
            let total = drive.size();
            if let Err(refusal) = plan(&mut drive, total, &two()) {
                let error = refusal.into_error("x");
                assert!(!error.message.contains('\n'), "{error:?}");
            }
            for (at, byte) in undo.into_iter().rev() {
                drive.bytes[at] = byte;
            }
        }
    }
}

#[test]
fn what_is_no_secret_is_refused_and_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, content: &[u8], mode: u32| {
        fs::write(path(name), content).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        path(name)
    };
    let good = write("good", b"hunter2", 0o600);
    let empty = write("empty", b"", 0o600);
    let large = write("large", &vec![1; (1 << 20) + 1], 0o600);
    let largest = write("largest", &vec![1; 1 << 20], 0o600);
    let open = write("open", b"hunter2", 0o644);
    let environment = Environment::read().unwrap();
    let read = |words: &[String]| Secrets::read(&environment, words);
    for (word, told) in [
        ("hunter2".to_owned(), "a `--secret` has no `=`"),
        (format!("{good}="), "gives the secret no name"),
        ("=name".to_owned(), "names no file"),
        (
            format!("{good}=a/b"),
            "`a/b` cannot be the name of a secret",
        ),
        (format!("{good}=.."), "`..` cannot be the name of a secret"),
        (format!("{good}=a."), "`a.` cannot be the name"),
        (format!("{good}=-a"), "`-a` cannot be the name"),
        (format!("{good}=a b"), "`a b` cannot be the name"),
        (format!("{good}=\u{fc}"), "`\u{fc}` cannot be the name"),
        (format!("{good}={}", "a".repeat(65)), "has 65 characters"),
        (format!("{}=a", path("none")), "there is no file"),
        (
            format!("{}=a", folder.path().display()),
            "it is a folder, and not a file",
        ),
        ("/dev/zero=a".to_owned(), "it is a device, and not a file"),
        (format!("{empty}=a"), "is empty"),
        (format!("{large}=a"), "is larger than a secret can be"),
    ] {
        let error = read(std::slice::from_ref(&word)).unwrap_err();
        assert_eq!(error.kind, Kind::Usage, "{word}");
        assert!(error.message.contains(told), "{error:?}");
        assert!(!error.message.contains("hunter2"), "{error:?}");
    }
    for (other, told) in [
        ("a", "two secrets are called a"),
        ("A", "the secrets a and A would be one file"),
    ] {
        let words = [format!("{good}=a"), format!("{good}={other}")];
        assert!(read(&words).unwrap_err().message.contains(told));
    }
    assert!(read(&[]).unwrap().is_none());
    let secrets = read(&[format!("{largest}={}", "a".repeat(64)), format!("{open}=b")]);
    let secrets = secrets.unwrap().unwrap();
    assert_eq!(secrets.all[0].content.len(), 1 << 20);
    assert_eq!(secrets.warnings.len(), 1);
    assert!(secrets.warnings[0].contains("others can read the secret in"));
    assert!(!format!("{secrets:?}").contains("hunter2"));
    assert!(!format!("{secrets:?}").contains("104"), "its bytes");
}
