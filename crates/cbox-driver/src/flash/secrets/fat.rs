//! The folder with the secrets on a FAT filesystem.

use std::io::{self, Read as _, Seek as _, Write as _};

use fatfs::{FileSystem, FsOptions};

use super::{
    FOLDER,
    given::{Secret, wipe},
    overlay::{Block, Overlay},
    tables::{self, Room},
};

/// How many characters of a long name one entry of a folder holds, and how many bytes it has.
const CHARACTERS: u64 = 13;
const ENTRY: u64 = 32;

/// The attributes of a folder, and of an entry with a part of a long name.
const FOLDER_MARK: u8 = 0x10;
const LONG_MARK: u8 = 0x0f;

/// Why the secrets are not on a filesystem.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is no FAT, or one that is damaged.
    NoFilesystem(io::Error),
    /// It has not so many bytes free.
    Full { needed: u64, free: u64 },
    /// The folder is there already.
    There,
    /// The filesystem is damaged further on, or its drive is.
    Damaged(io::Error),
    /// What is read is not what was written.
    Differs(String),
}

type Disk<'d, 'b> = FileSystem<&'d mut Overlay<'b>>;

fn open<'d, 'b>(disk: &'d mut Overlay<'b>) -> Result<Disk<'d, 'b>, Trouble> {
    disk.rewind().map_err(Trouble::Damaged)?;
    FileSystem::new(disk, FsOptions::new()).map_err(Trouble::NoFilesystem)
}

/// Writes the secrets.
pub(super) fn put(disk: &mut Overlay<'_>, secrets: &[Secret]) -> Result<(), Trouble> {
    check_room(disk, secrets)?;
    let filesystem = open(disk)?;
    for entry in filesystem.root_dir().iter() {
        let entry = entry.map_err(Trouble::Damaged)?;
        let names = [entry.file_name(), entry.short_file_name()];
        if names.iter().any(|one| one.eq_ignore_ascii_case(FOLDER)) {
            return Err(Trouble::There);
        }
    }
    let made = filesystem.root_dir().create_dir(FOLDER).map(drop);
    made.and_then(|()| filesystem.unmount())
        .map_err(Trouble::Damaged)?;
    disk.changed_blocks().for_each(repair_dots);
    let filesystem = open(disk)?;
    let folder = filesystem.root_dir().open_dir(FOLDER);
    let folder = folder.map_err(Trouble::Damaged)?;
    for secret in secrets {
        let file = folder.create_file(&secret.name);
        let mut file = file.map_err(Trouble::Damaged)?;
        file.write_all(&secret.content)
            .and_then(|()| file.flush())
            .map_err(Trouble::Damaged)?;
    }
    drop(folder);
    filesystem.unmount().map_err(Trouble::Damaged)
}

/// Gives a new folder in the root the two entries `.` and `..` that a FAT has: the first two, without
/// long names, and the root is 0 (Microsoft's "FAT32 File System Specification", 1.03, page 25).
/// Those that fatfs 0.3 makes have long names, and its root is a cluster as any other.
fn repair_dots(block: &mut Block) {
    let (entries, _) = block.as_chunks_mut::<{ ENTRY as usize }>();
    let [long_dot, dot, long_dots, dots, ..] = entries else {
        return;
    };
    let is_short =
        |entry: &[u8; 32], name: &[u8]| entry.starts_with(name) && entry[11] == FOLDER_MARK;
    let is_long = |entry: &[u8; 32]| entry[1] == b'.' && entry[11] == LONG_MARK;
    let are_long = is_long(long_dot) && is_long(long_dots);
    if !are_long || !is_short(dot, b".          ") || !is_short(dots, b"..         ") {
        return;
    }
    for byte in [20, 21, 26, 27] {
        dots[byte] = 0;
    }
    *long_dot = *dot;
    *dot = *dots;
    *long_dots = [0; ENTRY as usize];
    *dots = [0; ENTRY as usize];
}

/// Reads them as a machine will.
pub(super) fn compare(disk: &mut Overlay<'_>, secrets: &[Secret]) -> Result<(), Trouble> {
    let filesystem = open(disk)?;
    let folder = filesystem.root_dir().open_dir(FOLDER);
    let folder = folder.map_err(Trouble::Damaged)?;
    for secret in secrets {
        let mut file = folder.open_file(&secret.name).map_err(Trouble::Damaged)?;
        let mut content = vec![0; secret.content.len()];
        let read = file.read_exact(&mut content);
        let is_over = read.and_then(|()| file.read(&mut [0]));
        let is_same = content == secret.content;
        wipe(&mut content);
        match is_over.map_err(Trouble::Damaged)? {
            0 if is_same => {}
            _ => return Err(Trouble::Differs(secret.name.clone())),
        }
    }
    Ok(())
}

fn check_room(disk: &mut Overlay<'_>, secrets: &[Secret]) -> Result<(), Trouble> {
    let size = disk.size();
    let Room { cluster, free } = tables::check(disk, size).map_err(Trouble::NoFilesystem)?;
    let entries = secrets.iter().map(|secret| {
        let name = (secret.name.len() as u64).div_ceil(CHARACTERS);
        (name + 1) * ENTRY
    });
    // The folder has entries for itself and for the one above.
    let folder = entries.sum::<u64>() + 2 * ENTRY;
    let files = secrets.iter().map(|secret| secret.content.len() as u64);
    let clusters = |bytes: u64| bytes.div_ceil(cluster);
    let needed = files.map(clusters).sum::<u64>() + clusters(folder);
    match needed <= free {
        true => Ok(()),
        false => Err(Trouble::Full {
            needed: needed * cluster,
            free: free * cluster,
        }),
    }
}
