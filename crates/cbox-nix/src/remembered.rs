//! A file in which something is remembered under a key: read back as it was written and under
//! that key, or not at all.
//!
//! The first line says the form, the key and the hash of what follows. Whatever a crash, a full
//! disk, a broken one or another cbox leaves in its place is found out, and what it held can be
//! found out again.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::SystemTime,
};

use camino::Utf8Path;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::regular_file;

/// The form of the files. Another one counts as damage: nothing is lost but time.
const SCHEMA: u32 = 1;

/// How many files a folder of them keeps; the oldest go when there are more.
pub const MOST_FILES: usize = 2000;

/// More than anything that is remembered has.
const MOST: u64 = 16 << 20;

/// Why a file that is there gives nothing.
#[derive(Debug, Error)]
pub enum Damage {
    /// There is something else, or nobody may read it.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It does not begin as such a file does, or what follows is of another form.
    #[error("it is cut off, or another cbox wrote it")]
    Form,
    /// It was written under another name.
    #[error("it is of another key")]
    Key,
    /// Its content is not what was written.
    #[error("it was changed since it was written")]
    Content,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    schema: u32,
    key: String,
    sha256: String,
}

impl Head {
    fn of(key: &str, content: &[u8]) -> Self {
        Self {
            schema: SCHEMA,
            key: key.to_owned(),
            sha256: HEXLOWER.encode(&Sha256::digest(content)),
        }
    }
}

/// Writes `content` as what is remembered under `key`, in one step. The folder of `file` is made
/// if need be.
///
/// # Errors
/// When it cannot be written.
pub fn write(file: &Utf8Path, key: &str, content: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(folder)?;
    let mut text = serde_json::to_vec(&Head::of(key, content))?;
    text.push(b'\n');
    text.extend_from_slice(content);
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(&text)?;
    fresh.persist(file)?;
    Ok(())
}

/// Reads what is remembered under `key`; `None` where there is no file.
///
/// # Errors
/// When the file is damaged, or that of another key.
pub fn read(file: &Utf8Path, key: &str) -> Result<Option<Vec<u8>>, Damage> {
    let there = match file.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        there => there?,
    };
    if !there.is_file() {
        return Err(io::Error::other("it is not a file").into());
    }
    if there.len() > MOST {
        return Err(Damage::Form);
    }
    let text = regular_file::read(file)?;
    let end = text.iter().position(|&byte| byte == b'\n');
    let (head, content) = text.split_at(end.ok_or(Damage::Form)?);
    let head: Head = serde_json::from_slice(head).map_err(|_| Damage::Form)?;
    let content = &content[1..];
    if head.schema != SCHEMA {
        Err(Damage::Form)
    } else if head.key != key {
        Err(Damage::Key)
    } else if head.sha256 != Head::of(key, content).sha256 {
        Err(Damage::Content)
    } else {
        Ok(Some(content.to_owned()))
    }
}

/// Removes the oldest half of the files in `folder` once there are more than [`MOST_FILES`].
///
/// # Errors
/// When it cannot be looked through, or one cannot be removed.
pub fn forget_oldest(folder: &Utf8Path) -> io::Result<()> {
    // Mostly there are not, and it takes no look at each to see that.
    if fs::read_dir(folder)?.count() <= MOST_FILES {
        return Ok(());
    }
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another cbox may have removed it in between.
        if let Ok(metadata) = entry.metadata() {
            files.push((metadata.modified()?, entry.path()));
        }
    }
    if files.len() > MOST_FILES {
        files.sort();
        for (_, file) in &files[..files.len() / 2] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    fn file() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
        (folder, path.join("deep/k"))
    }

    #[test]
    fn every_bit_and_every_byte_counts() {
        let (_folder, file) = file();
        write(&file, "k", b"{\"a\": 1}\nmore").unwrap();
        assert_eq!(read(&file, "k").unwrap().unwrap(), b"{\"a\": 1}\nmore");
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(read(&file, "k").is_err(), "cut off behind {length} bytes");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, &flipped).unwrap();
            // A flip may leave the first line the same JSON.
            if let Ok(content) = read(&file, "k") {
                assert_eq!(content.unwrap(), b"{\"a\": 1}\nmore", "bit {bit}");
            }
        }
        fs::write(&file, [&whole[..], b" "].concat()).unwrap();
        assert!(matches!(read(&file, "k"), Err(Damage::Content)));
    }

    #[test]
    fn what_is_there_for_another_reason_gives_nothing() {
        let (_folder, file) = file();
        assert_eq!(read(&file, "k").unwrap(), None);
        write(&file, "k", b"1").unwrap();
        let other = file.with_file_name("other");
        fs::rename(&file, &other).unwrap();
        assert!(matches!(read(&other, "other"), Err(Damage::Key)));
        let newer = fs::read_to_string(&other).unwrap();
        let newer = newer.replace("\"schema\":1", "\"schema\":2");
        fs::write(&file, newer).unwrap();
        assert!(matches!(read(&file, "k"), Err(Damage::Form)));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(matches!(read(&file, "k"), Err(Damage::Unreadable(_))));
        write(&file, "k", b"1").unwrap_err();
        fs::remove_dir(&file).unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
        assert!(matches!(read(&file, "k"), Err(Damage::Unreadable(_))));
        fs::File::create(&other).unwrap().set_len(MOST + 1).unwrap();
        assert!(matches!(read(&other, "other"), Err(Damage::Form)));
    }
}
