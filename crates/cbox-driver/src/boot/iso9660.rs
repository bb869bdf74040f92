//! ISO 9660 images (ECMA-119): as much of the format as it takes to read the menu of a boot
//! loader, and to tell in which file a byte is.

use std::{
    collections::HashSet,
    io::{self, Read, Seek, SeekFrom},
};

use camino::Utf8Path;
use cbox_nix::regular_file;

const SECTOR: u64 = 2048;

/// The largest file or folder that is read: menus have some 20 kB.
const LARGEST: u64 = 1 << 20;

/// The length of a directory record whose identifier has one byte.
const SHORTEST_RECORD: usize = 34;

/// How many folders are looked through.
const MOST_FOLDERS: usize = 10_000;

/// Where something is: its first sector, and its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    sector: u32,
    length: u32,
}

/// The text of a file in `image`, named from its top as `EFI/BOOT/grub.cfg`; `None` where
/// there is none of that name. Case does not count: the names without extensions are in
/// capitals, whatever they were.
///
/// # Errors
/// When the image cannot be read, or is none.
pub(super) fn read(image: &Utf8Path, path: &str) -> io::Result<Option<String>> {
    read_from(&mut regular_file::open(image)?, path)
}

/// The same of an image that is open.
///
/// # Errors
/// As for [`read`].
pub fn read_from(image: &mut (impl Read + Seek), path: &str) -> io::Result<Option<String>> {
    let mut place = top_folder(image)?;
    for name in path.split('/') {
        let folder = part(image, place)?;
        match find(&folder, name) {
            Some(found) => place = found,
            None => return Ok(None),
        }
    }
    let text = part(image, place)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// The file of `image` that the byte at `offset` belongs to, and which byte of that it is; `None`
/// for a byte of no file. A file is called as Linux shows it.
///
/// # Errors
/// When the image cannot be read, or is none.
pub fn file_at(image: &mut (impl Read + Seek), offset: u64) -> io::Result<Option<(String, u64)>> {
    let mut folders = vec![(String::new(), top_folder(image)?)];
    // A folder that is in itself is looked at once.
    let mut seen = HashSet::new();
    while let Some((path, place)) = folders.pop() {
        if !seen.insert(place.sector) || seen.len() > MOST_FOLDERS {
            continue;
        }
        for record in records(&part(image, place)?) {
            let (Some(place), Some(name)) = (extent(record), identifier(record)) else {
                continue;
            };
            // The folder itself, and the one above (7.6.2).
            if name == b"\0" || name == b"\x01" {
                continue;
            }
            let path = format!("{path}{}", shown_name(record, name));
            let start = u64::from(place.sector) * SECTOR;
            let end = start + u64::from(place.length);
            // Bit 1 of the flags (9.1.6) is that of folders.
            match record[25] & 2 != 0 {
                true => folders.push((format!("{path}/"), place)),
                false if (start..end).contains(&offset) => {
                    return Ok(Some((path, offset - start)));
                }
                false => {}
            }
        }
    }
    Ok(None)
}

/// The top folder, of which the first volume descriptor, the primary one (8.4), tells (8.4.18).
fn top_folder(image: &mut (impl Read + Seek)) -> io::Result<Extent> {
    let descriptor = part(
        image,
        Extent {
            sector: 16,
            length: SECTOR as u32,
        },
    )?;
    let is_primary = descriptor.starts_with(b"\x01CD001");
    let top = is_primary.then(|| extent(&descriptor[156..])).flatten();
    top.ok_or_else(|| io::Error::other("it has no volume descriptor"))
}

fn part(image: &mut (impl Read + Seek), place: Extent) -> io::Result<Vec<u8>> {
    let length = u64::from(place.length);
    if length > LARGEST {
        return Err(io::Error::other("a part of it is far too large"));
    }
    image.seek(SeekFrom::Start(u64::from(place.sector) * SECTOR))?;
    let mut bytes = Vec::new();
    image.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Where the thing of a directory record (9.1) is. Numbers stand there in both orders of
/// bytes, the smaller end first.
fn extent(record: &[u8]) -> Option<Extent> {
    let number = |at: usize| {
        let bytes = record.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    Some(Extent {
        sector: number(2)?,
        length: number(10)?,
    })
}

/// The thing of this name in a folder.
fn find(folder: &[u8], name: &str) -> Option<Extent> {
    let mut records = records(folder);
    let found = records.find(|record| identifier(record).is_some_and(|it| is(it, name)));
    extent(found?)
}

/// The directory records of a folder, which are whole as far as their lengths tell.
fn records(folder: &[u8]) -> impl Iterator<Item = &[u8]> {
    // No record goes over the end of a sector; what is left of it is zero (6.8.1.1).
    folder.chunks(SECTOR as usize).flat_map(|mut sector| {
        std::iter::from_fn(move || {
            let length = usize::from(*sector.first()?);
            let (record, rest) = sector.split_at_checked(length)?;
            sector = rest;
            (length >= SHORTEST_RECORD).then_some(record)
        })
    })
}

/// The identifier in a directory record.
fn identifier(record: &[u8]) -> Option<&[u8]> {
    record.get(33..33 + usize::from(*record.get(32)?))
}

/// The name of a directory record for people: that of Rock Ridge (IEEE P1282, 4.1.4) where there is
/// one, behind the identifier and what makes that even.
fn shown_name(record: &[u8], identifier: &[u8]) -> String {
    let mut fields = record
        .get((33 + identifier.len()).next_multiple_of(2)..)
        .unwrap_or(&[]);
    while let [first, second, length, ..] = *fields
        && let Some((field, rest)) = fields.split_at_checked(usize::from(length))
        && field.len() > 4
    {
        if [first, second] == *b"NM" {
            return String::from_utf8_lossy(&field[5..]).into_owned();
        }
        fields = rest;
    }
    let end = identifier.iter().position(|&byte| byte == b';');
    String::from_utf8_lossy(&identifier[..end.unwrap_or(identifier.len())]).into_owned()
}

/// Whether an identifier is this name: `GRUB.CFG;1` is `grub.cfg`, and `EFI` is `efi`.
fn is(identifier: &[u8], name: &str) -> bool {
    let end = identifier.iter().position(|&byte| byte == b';');
    let identifier = &identifier[..end.unwrap_or(identifier.len())];
    let identifier = identifier.strip_suffix(b".").unwrap_or(identifier);
    identifier.eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use camino::Utf8PathBuf;

    fn record(identifier: &[u8], sector: u32, length: usize) -> Vec<u8> {
        let mut record = vec![0; 33];
        record[2..6].copy_from_slice(&sector.to_le_bytes());
        record[10..14].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        record[32] = u8::try_from(identifier.len()).unwrap();
        record.extend_from_slice(identifier);
        record.resize(record.len().next_multiple_of(2), 0);
        record[0] = u8::try_from(record.len()).unwrap();
        record
    }

    /// An image with `folder/file` in it, and a folder that has more than a sector.
    pub(crate) fn image(folder: &str, file: &str, text: &str) -> Vec<u8> {
        let mut image = vec![0; 18 * 2048];
        let mut sectors = |content: &[u8], at: usize| {
            image.resize(image.len().max(at * 2048), 0);
            image.truncate(at * 2048);
            image.extend_from_slice(content);
            image.resize(image.len().next_multiple_of(2048), 0);
        };
        let mut inside: Vec<u8> = record(b"\0", 19, 4096);
        while inside.len() < 2000 {
            inside.extend(record(b"MANY_OTHERS.TXT;1", 30, 5));
        }
        inside.resize(2048, 0);
        inside.extend(record(
            format!("{};1", file.to_uppercase()).as_bytes(),
            21,
            text.len(),
        ));
        inside.resize(4096, 0);
        let top = record(folder.to_uppercase().as_bytes(), 19, inside.len());
        sectors(&top, 18);
        sectors(&inside, 19);
        sectors(text.as_bytes(), 21);
        image[16 * 2048..16 * 2048 + 6].copy_from_slice(b"\x01CD001");
        image[16 * 2048 + 156..][..34].copy_from_slice(&record(b"\0", 18, 2048));
        image
    }

    #[test]
    fn a_byte_is_in_a_file() {
        let mut whole = image("isolinux", "isolinux.cfg", "the menu\n");
        // The record of the folder says that it is one.
        whole[18 * 2048 + 25] = 2;
        let at = |offset: u64| file_at(&mut io::Cursor::new(&whole), offset).unwrap();
        let menu = |at| Some(("ISOLINUX/ISOLINUX.CFG".to_owned(), at));
        assert_eq!(at(21 * 2048), menu(0));
        assert_eq!(at(21 * 2048 + 8), menu(8));
        assert_eq!(at(21 * 2048 + 9), None, "behind its end");
        assert_eq!(at(18 * 2048), None, "a folder");
        assert_eq!(at(0), None);
        // A name of Rock Ridge counts, and a folder that holds itself has an end.
        let mut record = record(b"ISOLINUX.CFG;1", 21, 9);
        record.extend_from_slice(b"PX\x05\x01.NM\x0a\x01\x00menu!");
        record[0] = u8::try_from(record.len()).unwrap();
        let mut own = self::record(b"ISOLINUX", 19, 4096);
        own[25] = 2;
        whole[19 * 2048..][..own.len()].copy_from_slice(&own);
        whole[20 * 2048..][..record.len()].copy_from_slice(&record);
        let found = file_at(&mut io::Cursor::new(&whole), 21 * 2048 + 1).unwrap();
        assert_eq!(found, Some(("ISOLINUX/menu!".to_owned(), 1)));
        assert!(file_at(&mut io::Cursor::new(b"text"), 0).is_err());
    }

    #[test]
    fn a_file_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("image")).unwrap();
        let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
        let whole = image("isolinux", "isolinux.cfg", "the menu\n");
        write(&whole);
        let read = |name: &str| read(&path, name);
        assert_eq!(
            read("isolinux/isolinux.cfg").unwrap().as_deref(),
            Some("the menu\n")
        );
        assert_eq!(read("isolinux/other.cfg").unwrap(), None);
        assert_eq!(read("EFI/BOOT/grub.cfg").unwrap(), None);
        // One that was cut off, one that goes round in circles, and no image at all.
        write(&whole[..20 * 2048]);
        assert!(read("isolinux/isolinux.cfg").is_err());
        let mut bad = whole.clone();
        bad[18 * 2048] = 1;
        write(&bad);
        assert_eq!(read("isolinux/isolinux.cfg").unwrap(), None);
        bad[18 * 2048 + 10..][..4].fill(0xff);
        bad[18 * 2048] = whole[18 * 2048];
        write(&bad);
        assert!(read("isolinux/isolinux.cfg").is_err());
        write(b"text");
        assert!(read("isolinux/isolinux.cfg").is_err());
    }
}
