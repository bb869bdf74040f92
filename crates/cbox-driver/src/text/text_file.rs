//! The one place that writes text files: as a whole or not at all, beside their place, on the
//! disk before they are moved there.

use std::{
    fs::{File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
};

use camino::Utf8Path;
use tempfile::NamedTempFile;

/// What the names of temporary folders beside the links, and of temporary files beside
/// the flake, begin with.
pub const TEMPORARY: &str = ".cbox-";

/// The mode of a file that is new, as git has it; temporary files are private.
const MODE: u32 = 0o644;

/// Writes `text` to `path`, where nothing may be.
///
/// # Errors
/// When something is there, or it cannot be written.
pub fn create(path: &Utf8Path, text: &str) -> io::Result<()> {
    let file = complete(folder(path), text, Permissions::from_mode(MODE))?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(path)
}

/// Writes `text` to `path`, in the place of whatever file or symlink is there.
///
/// # Errors
/// When it cannot be written.
pub fn put(path: &Utf8Path, text: &str) -> io::Result<()> {
    Prepared::in_folder(folder(path), text)?.put(path)
}

/// A file that is written and has yet to get its name, so that several get theirs at once.
#[derive(Debug)]
pub struct Prepared(NamedTempFile);

impl Prepared {
    /// Writes `text` to a file without a name in `folder`, which is on the file system where the
    /// file will be.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn in_folder(folder: &Utf8Path, text: &str) -> io::Result<Self> {
        complete(folder, text, Permissions::from_mode(MODE)).map(Self)
    }

    /// Gives it its name, in the place of whatever file or symlink has it.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn put(self, path: &Utf8Path) -> io::Result<()> {
        self.0.persist(path).map_err(|error| error.error)?;
        sync_folder(path)
    }
}

/// Writes `text` to `path`. A file that is there keeps its mode, and a symlink stays one: what
/// it leads to is replaced.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Utf8Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize_utf8().unwrap_or(path.to_owned());
    let mode = match path.metadata() {
        Ok(there) => there.permissions(),
        Err(_) => Permissions::from_mode(MODE),
    };
    complete(folder(&path), text, mode)?
        .persist(&path)
        .map_err(|error| error.error)?;
    sync_folder(&path)
}

/// Adds `text` to `path`, which others write too.
///
/// # Errors
/// When it cannot be written.
pub fn append(path: &Utf8Path, text: &str) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// A complete file in `folder`.
fn complete(folder: &Utf8Path, text: &str, mode: Permissions) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(mode)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sync_folder(path: &Utf8Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Utf8Path) -> &Utf8Path {
    path.parent().unwrap_or(Utf8Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8PathBuf;
    use std::fs;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn mode(path: &Utf8Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_takes_no_place() {
        let (_folder, folder) = folder();
        let path = folder.join("a");
        create(&path, "one").unwrap();
        let taken = create(&path, "two").unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(mode(&path), 0o644);
        std::os::unix::fs::symlink("nowhere", folder.join("b")).unwrap();
        create(&folder.join("b"), "x").unwrap_err();
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            2,
            "nothing else stays"
        );
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let (_folder, folder) = folder();
        fs::write(folder.join("other"), "other").unwrap();
        std::os::unix::fs::symlink("other", folder.join("a")).unwrap();
        put(&folder.join("a"), "one").unwrap();
        assert!(!folder.join("a").is_symlink());
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "one");
        assert_eq!(fs::read_to_string(folder.join("other")).unwrap(), "other");
        assert_eq!(mode(&folder.join("a")), 0o644);
    }

    #[test]
    fn a_file_keeps_its_mode() {
        let (_folder, folder) = folder();
        let path = folder.join("a");
        replace(&path, "one").unwrap();
        assert_eq!(mode(&path), 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }
}
