//! Reading files that others can put in their place.
//!
//! Where a file is expected, there can be a pipe, at which a reader waits for ever, a device
//! without an end, or a folder. So nothing is waited for, what was opened is looked at, and no
//! more is read than there can be of a file that somebody wrote by hand or cbox wrote itself.
//! (The files of a tree have rules of their own: `cbox_source::folder`.)

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno,
};

/// More than any of these files has.
const LIMIT: u64 = 64 << 20;

/// Opens the regular file at `path`, which may be a symlink to one.
///
/// # Errors
/// When it cannot be opened, or something else is there; the error says what.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    // A pipe or a device opens at once, to be turned away.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path.as_ref(), flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A socket, or a device that is not there.
        Err(Errno::NXIO | Errno::NODEV) => return Err(not_a_file("a socket or a device")),
        Err(error) => return Err(error.into()),
    };
    let found = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    Err(not_a_file(match found {
        FileType::RegularFile => return Ok(file),
        FileType::Directory => "a folder",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }))
}

/// The content of the regular file at `path`, which may be a symlink to one.
///
/// # Errors
/// As [`open`], and when it is larger than such files are.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.take(LIMIT + 1).read_to_end(&mut content)?;
    match content.len() as u64 > LIMIT {
        true => Err(io::Error::other(format!(
            "it is larger than {} MiB",
            LIMIT >> 20
        ))),
        false => Ok(content),
    }
}

/// The same as text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn not_a_file(what: &str) -> io::Error {
    io::Error::other(format!("it is {what}, and not a file"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, mknodat};
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("pipe", at("link-to-pipe")).unwrap();
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(read(at("file")).unwrap(), b"text");
        assert_eq!(read_to_string(at("link")).unwrap(), "text");
        for (name, what) in [
            ("folder", "a folder"),
            ("pipe", "a named pipe"),
            ("link-to-pipe", "a named pipe"),
            ("socket", "a socket or a device"),
        ] {
            let error = read(at(name)).unwrap_err().to_string();
            assert_eq!(error, format!("it is {what}, and not a file"));
        }
        assert_eq!(
            read("/dev/zero").unwrap_err().to_string(),
            "it is a device, and not a file"
        );
        let missing = read(at("none")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LIMIT + 1).unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert_eq!(error, "it is larger than 64 MiB");
        file.as_file().set_len(LIMIT).unwrap();
        assert_eq!(read(file.path()).unwrap().len() as u64, LIMIT);
    }
}
