//! The one place that writes text files: as a whole or not at all, beside their place, on the
//! disk before they are moved there.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::OFlags;
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
    let file = complete(folder(path), text, Permissions::from_mode(MODE))?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(path)
}

/// Moves the file `from` to `to` on the same file system, in the place of whatever file or
/// symlink is there. Both names are on the disk then.
///
/// # Errors
/// When it cannot be moved.
pub fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to)?;
    sync_folder(from)
}

/// Writes `text` to `path`. A file that is there keeps its mode, and a symlink stays one: what
/// it leads to is replaced, if that is below `tree`.
///
/// # Errors
/// When it cannot be written, or would be elsewhere.
pub fn replace(path: &Utf8Path, tree: &Utf8Path, text: &str) -> io::Result<()> {
    let path = within(path, tree)?;
    let mode = match path.metadata() {
        Ok(there) => there.permissions(),
        Err(_) => Permissions::from_mode(MODE),
    };
    complete(folder(&path), text, mode)?
        .persist(&path)
        .map_err(|error| error.error)?;
    sync_folder(&path)
}

/// Where the file `path` is, which may be a symlink to one below `tree`, and to no other.
///
/// # Errors
/// When it is a symlink that leads out of `tree` or to nothing.
pub fn within(path: &Utf8Path, tree: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let Ok(target) = path.read_link_utf8() else {
        return Ok(path.to_owned());
    };
    // Nobody may take the last one for a file that is not there.
    let no_file = |what: &str| io::Error::other(format!("it is a link to {target}, {what}"));
    let real = path.canonicalize_utf8();
    let real = real.map_err(|_| no_file("where there is no file"))?;
    match real.starts_with(tree.canonicalize_utf8()?) {
        true => Ok(real),
        false => Err(no_file("outside of the tree")),
    }
}

/// Adds `text` to `path`, which others write too.
///
/// # Errors
/// When it cannot be written.
pub fn append(path: &Utf8Path, text: &str) -> io::Result<()> {
    let mut options = File::options();
    // A pipe that nobody reads is an error, and not waited for.
    let at_once = OFlags::NONBLOCK.bits().cast_signed();
    let options = options.append(true).create(true).custom_flags(at_once);
    let mut file = options.open(path)?;
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
        replace(&path, &folder, "one").unwrap();
        assert_eq!(mode(&path), 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        replace(&path, &folder, "two").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }
    #[test]
    fn no_link_leads_out_of_the_tree() {
        let (_folder, folder) = folder();
        let tree = folder.join("tree");
        fs::create_dir_all(tree.join("inner")).unwrap();
        for file in ["outside", "tree/inner/real"] {
            fs::write(folder.join(file), "kept").unwrap();
        }
        let path = tree.join("a");
        for (target, why) in [
            ("../outside", "outside of the tree"),
            ("inner/none", "where there is no file"),
            ("a", "where there is no file"),
        ] {
            std::os::unix::fs::symlink(target, &path).unwrap();
            let error = replace(&path, &tree, "new").unwrap_err().to_string();
            assert_eq!(error, format!("it is a link to {target}, {why}"));
            assert!(path.is_symlink());
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read_to_string(folder.join("outside")).unwrap(), "kept");
        std::os::unix::fs::symlink("inner/real", &path).unwrap();
        replace(&path, &tree, "new").unwrap();
        assert!(path.is_symlink());
        let real = fs::read_to_string(tree.join("inner/real")).unwrap();
        assert_eq!(real, "new");
    }
}
