//! What differs between two sources that are in a store: files, or folders of files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use drv_causes::{Change, Difference, change};

use crate::SourceError;

/// Texts that are larger are not compared line by line.
const LARGEST_TEXT: u64 = 1 << 20;

/// After so many files that differ the others are only counted.
const MOST_FILES: usize = 200;

/// A file, as far as a store keeps it.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    File { executable: bool, content: Content },
    Symlink(PathBuf),
}

/// What is in a file: the whole of a small one.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Text(String),
    Bytes(Vec<u8>),
    Large { size: u64 },
}

/// Compares the sources at `old` and `new`. Each file that differs is a difference, named
/// by its path; the only file of a source that is none but a file is named `content`.
///
/// # Errors
/// When a file cannot be read, or one of the sources is not there.
pub fn compare(old: &Path, new: &Path) -> Result<Vec<Difference>, SourceError> {
    let mut differences = Vec::new();
    let mut more = 0usize;
    for differing in differing(old, new)? {
        if differences.len() == MOST_FILES {
            more += 1;
            continue;
        }
        let read = |path: &Option<PathBuf>| path.as_ref().map(keep).transpose();
        if let Some(change) = describe(read(&differing.old)?, read(&differing.new)?) {
            let field = match differing.name.as_os_str().is_empty() {
                true => "content".to_owned(),
                false => differing.name.display().to_string(),
            };
            differences.push(Difference { field, change });
        }
    }
    if more > 0 {
        differences.push(Difference {
            field: format!("{more} more files"),
            change: Change::Changed {
                before: "not shown".to_owned(),
                after: "not shown".to_owned(),
            },
        });
    }
    Ok(differences)
}

/// A file that is not the same in two sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Its path from the top.
    pub name: PathBuf,
    /// Where it is in the old source, if it is there.
    pub old: Option<PathBuf>,
    /// Where it is in the new one, if it is there.
    pub new: Option<PathBuf>,
}

/// The files that are not the same in `old` and in `new`, by their names.
///
/// # Errors
/// As [`compare`].
pub fn differing(old: &Path, new: &Path) -> Result<Vec<Differing>, SourceError> {
    let (mut before, mut after) = (list(old)?, list(new)?);
    let names: BTreeSet<PathBuf> = before.keys().chain(after.keys()).cloned().collect();
    let mut differing = Vec::new();
    for name in names {
        let (old, new) = (before.remove(&name), after.remove(&name));
        if !same(old.as_ref(), new.as_ref())? {
            differing.push(Differing { name, old, new });
        }
    }
    Ok(differing)
}

/// All files below `top`, by their path from it: the empty path if `top` is one itself.
fn list(top: &Path) -> Result<BTreeMap<PathBuf, PathBuf>, SourceError> {
    let mut files = BTreeMap::new();
    let mut open = vec![(PathBuf::new(), top.to_owned())];
    while let Some((name, path)) = open.pop() {
        let metadata =
            fs::symlink_metadata(&path).map_err(|error| SourceError::unreadable(&path, error))?;
        if !metadata.is_dir() {
            files.insert(name, path);
            continue;
        }
        for entry in fs::read_dir(&path).map_err(|error| SourceError::unreadable(&path, error))? {
            let entry = entry.map_err(|error| SourceError::unreadable(&path, error))?;
            open.push((name.join(entry.file_name()), entry.path()));
        }
    }
    Ok(files)
}

/// Whether both are the same, without keeping either.
fn same(old: Option<&PathBuf>, new: Option<&PathBuf>) -> Result<bool, SourceError> {
    let (Some(old), Some(new)) = (old, new) else {
        return Ok(false);
    };
    let look = |path: &PathBuf| {
        fs::symlink_metadata(path).map_err(|error| SourceError::unreadable(path, error))
    };
    let (before, after) = (look(old)?, look(new)?);
    if before.file_type() != after.file_type()
        || before.len() != after.len()
        || before.permissions().mode() & 0o100 != after.permissions().mode() & 0o100
    {
        return Ok(false);
    }
    if before.is_symlink() {
        let target = |path: &PathBuf| {
            fs::read_link(path).map_err(|error| SourceError::unreadable(path, error))
        };
        return Ok(target(old)? == target(new)?);
    }
    let open =
        |path: &PathBuf| fs::File::open(path).map_err(|error| SourceError::unreadable(path, error));
    equal(open(old)?, open(new)?).map_err(|error| SourceError::unreadable(new, error))
}

/// Whether two files of one size hold the same.
fn equal(mut one: fs::File, mut other: fs::File) -> io::Result<bool> {
    use io::Read as _;
    let (mut first, mut second) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let length = one.read(&mut first)?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut second[..length])?;
        if first[..length] != second[..length] {
            return Ok(false);
        }
    }
}

fn keep(path: &PathBuf) -> Result<Kept, SourceError> {
    let metadata =
        fs::symlink_metadata(path).map_err(|error| SourceError::unreadable(path, error))?;
    if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(|error| SourceError::unreadable(path, error))?;
        return Ok(Kept::Symlink(target));
    }
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let content = if metadata.len() > LARGEST_TEXT {
        Content::Large {
            size: metadata.len(),
        }
    } else {
        let bytes = fs::read(path).map_err(|error| SourceError::unreadable(path, error))?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Content::Text(text),
            Ok(text) => Content::Bytes(text.into_bytes()),
            Err(error) => Content::Bytes(error.into_bytes()),
        }
    };
    Ok(Kept::File {
        executable,
        content,
    })
}

/// The change from `old` to `new`; `None` if both are missing.
fn describe(old: Option<Kept>, new: Option<Kept>) -> Option<Change> {
    use Kept::File;
    Some(match (old, new) {
        (None, None) => return None,
        (None, Some(new)) => Change::Added { value: shown(&new) },
        (Some(old), None) => Change::Removed { value: shown(&old) },
        (
            Some(File {
                executable,
                content: Content::Text(old),
            }),
            Some(File {
                executable: as_before,
                content: Content::Text(new),
            }),
        ) if executable == as_before => change(&old, &new),
        (Some(old), Some(new)) => {
            let (before, mut after) = (shown(&old), shown(&new));
            if before == after {
                after = after.replace(" bytes", " other bytes");
            }
            Change::Changed { before, after }
        }
    })
}

fn shown(kept: &Kept) -> String {
    match kept {
        Kept::Symlink(target) => format!("symlink to {}", target.display()),
        Kept::File {
            executable,
            content,
        } => {
            let kind = if *executable {
                "executable file"
            } else {
                "file"
            };
            let size = match content {
                Content::Text(text) => text.len() as u64,
                Content::Bytes(bytes) => bytes.len() as u64,
                Content::Large { size } => *size,
            };
            format!("{kind}, {size} bytes")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn fields(old: &Path, new: &Path) -> Vec<String> {
        let differences = compare(old, new).unwrap();
        differences
            .into_iter()
            .map(|difference| format!("{} {:?}", difference.field, difference.change))
            .collect()
    }

    #[test]
    fn files_that_differ_are_named() {
        let old = folder(&[
            ("same", b"x"),
            ("a/gone", b"x"),
            ("a/text", b"one\ntwo\n"),
            ("bytes", b"\0a"),
            ("run", b"x"),
        ]);
        let new = folder(&[
            ("same", b"x"),
            ("b/new", b"xy"),
            ("a/text", b"one\n2\n"),
            ("bytes", b"\0b"),
            ("run", b"x"),
        ]);
        fs::set_permissions(new.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("same", old.path().join("link")).unwrap();
        symlink("run", new.path().join("link")).unwrap();
        let found = fields(old.path(), new.path());
        let expected = [
            "a/gone Removed { value: \"file, 1 bytes\" }",
            "a/text Text",
            "b/new Added { value: \"file, 2 bytes\" }",
            "bytes Changed { before: \"file, 2 bytes\", after: \"file, 2 other bytes\"",
            "link Changed { before: \"symlink to same\", after: \"symlink to run\" }",
            "run Changed { before: \"file, 1 bytes\", after: \"executable file, 1 bytes\" }",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} / {expected}");
        }
    }

    #[test]
    fn two_files_are_compared_by_their_content() {
        let folder = folder(&[("one", b"a\nb\n"), ("two", b"a\nc\n")]);
        let found = fields(&folder.path().join("one"), &folder.path().join("two"));
        assert!(
            found.len() == 1 && found[0].starts_with("content Text"),
            "{found:?}"
        );
        assert!(fields(&folder.path().join("one"), &folder.path().join("one")).is_empty());
    }

    #[test]
    fn a_source_that_is_gone_is_an_error_with_its_path() {
        let folder = folder(&[]);
        let error = compare(&folder.path().join("none"), folder.path()).unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
    }
}
