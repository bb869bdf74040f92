//! The artifacts: the file of an output that a build is made for, or each of several.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_source::disk_image;
use globset::{GlobBuilder, GlobMatcher};

use crate::{
    error::{Error, Kind},
    image::checksum,
    links::manifest::Artifact,
    progress::follow::Watch,
};

/// Which files of an output are the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those that patterns match, one each.
    Matching(Vec<String>),
    /// The only image that there is, by what the files hold; or else the only file.
    Only,
}

impl Which {
    /// The patterns, where there are some.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::Matching(patterns) => patterns,
            Self::Only => &[],
        }
    }
}

/// Refuses what is no image whatever it is called: an empty file, or a link to what is not in
/// the store and will be another file tomorrow.
fn check_content(output: &Path, path: &Utf8Path, size: u64) -> Result<(), Error> {
    let wrong = |what: String| {
        let path = called(output, path);
        Error::new(Kind::Artifact, format!("the build gave {path}, {what}"))
    };
    if size == 0 {
        return Err(wrong("which is empty".to_owned())
            .hint("`nix log` of the derivation shows how it was made"));
    }
    let store = output.parent().and_then(|store| store.canonicalize().ok());
    let file = at(output, path).canonicalize().ok();
    match (store, file) {
        (Some(store), Some(file)) if !file.starts_with(&store) => {
            let file = file.display();
            Err(
                wrong(format!("which is a link to {file}, outside the store"))
                    .hint("let the derivation copy the file into its output"),
            )
        }
        _ => Ok(()),
    }
}

/// Finds the files below `output` that are meant, in the order of their patterns. Where the output
/// is the file itself, its path is empty.
///
/// `name`, where evaluation gave one, has to be the file name of the only one.
///
/// # Errors
/// When a pattern matches no file, several, or one that another matches; when there is no image,
/// or several, and nothing says which one is meant.
pub fn find(
    output: &Path,
    which: &Which,
    name: Option<&str>,
) -> Result<Vec<(Utf8PathBuf, u64)>, Error> {
    let patterns = match which {
        Which::Matching(patterns) => patterns,
        Which::Only => return Ok(vec![only(output, name)?]),
    };
    let mut found: Vec<(Utf8PathBuf, u64)> = Vec::new();
    for pattern in patterns {
        let file = matching_one(output, pattern, name)?;
        if found.contains(&file) {
            let message = format!("several patterns of `artifact` match {}", file.0);
            return Err(Error::new(Kind::Artifact, message)
                .hint("each pattern of `artifact` in cbox.toml names a file of its own"));
        }
        found.push(file);
    }
    Ok(found)
}

/// How a target names its file where cbox cannot tell which one is meant.
const NAME_IT: &str =
    "a [[target]] in cbox.toml names the file that is the image: artifact = \"*.img\"";

/// What hydra reads, beside what was built.
const SUPPORT: &str = "nix-support";

/// Finds the only image below `output`; where no file is one by what it holds, the only file.
fn only(output: &Path, name: Option<&str>) -> Result<(Utf8PathBuf, u64), Error> {
    let wrong = |message: String| Error::new(Kind::Artifact, message);
    let place = output.display();
    if output.is_file() {
        return checked(output, Utf8PathBuf::new(), name);
    }
    let mut files = files_below(output, usize::MAX);
    files.retain(|file| !file.starts_with(SUPPORT));
    let is_image = |file: &&Utf8PathBuf| is_image(&output.join(file));
    let images: Vec<&Utf8PathBuf> = files.iter().filter(is_image).collect();
    let path = match (images.as_slice(), files.as_slice()) {
        ([image], _) => image,
        ([], [file]) => file,
        ([], _) => {
            return Err(wrong(format!("{place} has no image that cbox can tell"))
                .hint(format!("{}; {NAME_IT}", listing(output))));
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|path| path.as_str()).collect();
            let message = format!("{place} has {} images: {}", names.len(), names.join(", "));
            return Err(wrong(message).hint(NAME_IT));
        }
    };
    matching_one(output, &globset::escape(path.as_str()), name)
}

/// Whether a file is a disk image by what it holds, compressed or not.
fn is_image(path: &Path) -> bool {
    let Ok(file) = fs::File::open(path) else {
        return false;
    };
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut head = Vec::new();
    let read = (&file).take(disk_image::HEAD as u64).read_to_end(&mut head);
    let read_at = |buffer: &mut [u8], offset: u64| file.read_at(buffer, offset);
    read.is_ok() && disk_image::find(&head, size, &read_at).is_some()
}

/// Finds the one file below `output` that `pattern` matches.
fn matching_one(
    output: &Path,
    pattern: &str,
    name: Option<&str>,
) -> Result<(Utf8PathBuf, u64), Error> {
    if output.is_file() {
        let own = called(output, Utf8Path::new(""));
        return match glob(pattern)?.is_match(own) {
            true => checked(output, Utf8PathBuf::new(), name),
            false => Err(Error::new(
                Kind::Artifact,
                format!(
                    "{} is a file, and its name does not match `{pattern}`",
                    output.display()
                ),
            )
            .hint("leave `artifact` of the target in cbox.toml out: the output is the image")),
        };
    }
    let mut found = vec![Utf8PathBuf::new()];
    for component in Utf8Path::new(pattern).iter() {
        let mut deeper = Vec::new();
        for folder in &found {
            deeper.extend(matching(output, folder, component)?);
        }
        found = deeper;
    }
    found.retain(|path| output.join(path).is_file());
    found.sort();
    let wrong = |message: String| Error::new(Kind::Artifact, message);
    match found.as_slice() {
        [path] => checked(output, path.clone(), name),
        [] => Err(wrong(format!(
            "no file of {} matches `{pattern}`",
            output.display()
        ))
        .hint(listing(output))),
        several => {
            let names: Vec<&str> = several.iter().map(|path| path.as_str()).collect();
            Err(wrong(format!(
                "{} files of {} match `{pattern}`: {}",
                several.len(),
                output.display(),
                names.join(", ")
            ))
            .hint(
                "make `artifact` of the target in cbox.toml more specific, or a list of patterns with one for each file",
            ))
        }
    }
}

/// The file at `path` below `output`, with its size, once it is sure that it can be the image and
/// is called `name`.
fn checked(
    output: &Path,
    path: Utf8PathBuf,
    name: Option<&str>,
) -> Result<(Utf8PathBuf, u64), Error> {
    if let Some(name) = name
        && path.file_name().unwrap_or(called(output, &path)) != name
    {
        let path = called(output, &path);
        let message = format!("the build produced {path}, but the host calls it {name}");
        return Err(Error::new(Kind::Artifact, message)
            .hint("`artifact` and `name` of the target in cbox.toml must mean the same file"));
    }
    let file = at(output, &path);
    let size = fs::metadata(&file)
        .map_err(|error| Error::file(Kind::Artifact, "look at", file.display(), &error))?
        .len();
    check_content(output, &path, size)?;
    Ok((path, size))
}

/// What the file at `path` below `output` is called: by its path, or where it is the output by
/// what stands behind the hash of that.
pub(crate) fn called<'a>(output: &'a Path, path: &'a Utf8Path) -> &'a str {
    let name = output.file_name().and_then(|name| name.to_str());
    let name = name.map(|name| name.split_once('-').map_or(name, |(_, name)| name));
    match path.as_str() {
        "" => name.unwrap_or_default(),
        path => path,
    }
}

/// Where the file at `path` below `output` is. (To join an empty path would make a folder of it.)
pub(crate) fn at(output: &Path, path: impl AsRef<Path>) -> PathBuf {
    match path.as_ref() {
        path if path.as_os_str().is_empty() => output.to_owned(),
        path => output.join(path),
    }
}

/// What matches names by a component of a pattern.
fn glob(component: &str) -> Result<GlobMatcher, Error> {
    let glob = GlobBuilder::new(component).build();
    let glob = glob.map_err(|error| Error::new(Kind::Config, format!("`artifact`: {error}")))?;
    Ok(glob.compile_matcher())
}

/// The entries of `output/folder` that one component of a pattern matches.
fn matching(output: &Path, folder: &Utf8Path, component: &str) -> Result<Vec<Utf8PathBuf>, Error> {
    if !component.contains(['*', '?', '[', '{']) {
        return Ok(vec![folder.join(component)]);
    }
    let glob = glob(component)?;
    let Ok(entries) = fs::read_dir(output.join(folder)) else {
        return Ok(vec![]);
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names
        .filter(|name| glob.is_match(name))
        .map(|name| folder.join(name))
        .collect())
}

/// The paths of the files below `output`, sorted; `most` of them at most.
fn files_below(output: &Path, most: usize) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Utf8PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(output.join(&folder)) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = folder.join(name);
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else {
                found.push(path);
            }
            if found.len() >= most {
                found.sort();
                return found;
            }
        }
    }
    found.sort();
    found
}

/// What there is instead, for the error.
fn listing(output: &Path) -> String {
    const MOST: usize = 10;
    let found = files_below(output, MOST);
    let mut names: Vec<&str> = found.iter().map(|path| path.as_str()).collect();
    if names.len() == MOST {
        names.push("…");
    }
    match names.as_slice() {
        [] => "it is empty".to_owned(),
        names => format!("it holds {}", names.join(", ")),
    }
}

/// Hashes the file at `path` below `output`. Answers `None` when it is to stop.
pub fn hash(
    output: &Path,
    path: Utf8PathBuf,
    size: u64,
    watch: &Watch<'_>,
) -> Result<Option<Artifact>, Error> {
    let file = at(output, &path);
    let failed = |error| Error::file(Kind::Artifact, "read", file.display(), &error);
    let mut reader = fs::File::open(&file).map_err(failed)?;
    let sha256 = checksum::sha256(&mut reader, watch).map_err(failed)?;
    Ok(sha256.map(|sha256| Artifact {
        path: path.into_string(),
        size,
        sha256,
    }))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn output(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "abc").unwrap();
        }
        folder
    }

    #[test]
    fn exactly_one_file_matches() {
        let folder = output(&["iso/a.iso", "iso/a.txt", "nix-support/x"]);
        let find = |pattern: &str, name: Option<&str>| matching_one(folder.path(), pattern, name);
        assert_eq!(find("iso/*.iso", None), Ok(("iso/a.iso".into(), 3)));
        assert_eq!(find("*/a.i?o", Some("a.iso")), Ok(("iso/a.iso".into(), 3)));
        let none = find("*.qcow2", None).unwrap_err();
        assert!(
            none.hint
                .unwrap()
                .contains("iso/a.iso, iso/a.txt, nix-support/x")
        );
        let several = find("iso/*", None).unwrap_err();
        assert!(several.message.contains("2 files"), "{several:?}");
        assert!(find("iso", None).is_err(), "a folder is no artifact");
        assert_eq!(
            find("iso/a.iso", Some("b.iso")).unwrap_err().kind,
            Kind::Artifact
        );
    }

    #[test]
    fn several_patterns_match_a_file_each() {
        let folder = output(&["a.raw", "b.raw", "bzImage"]);
        let find = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            find(folder.path(), &Which::Matching(patterns), None)
        };
        let paths = find(&["b*", "a.raw"]).unwrap_err();
        assert!(paths.message.contains("2 files"), "{paths:?}");
        let paths = find(&["b.*", "a.raw"]).unwrap();
        assert_eq!(paths, [("b.raw".into(), 3), ("a.raw".into(), 3)]);
        let twice = find(&["a.*", "a.raw"]).unwrap_err();
        assert_eq!(twice.message, "several patterns of `artifact` match a.raw");
    }

    #[test]
    fn the_only_image_is_found_by_what_it_holds() {
        let folder = output(&["nix-support/hydra", "a.txt", "deep/b.bin"]);
        let only = || find(folder.path(), &Which::Only, None);
        let none = only().unwrap_err();
        assert!(
            none.message.contains("has no image that cbox can tell"),
            "{none:?}"
        );
        assert!(
            none.hint
                .unwrap()
                .contains("it holds a.txt, deep/b.bin, nix-support/hydra")
        );
        fs::write(folder.path().join("deep/b.bin"), b"QFI\xfb and more").unwrap();
        assert_eq!(only(), Ok(vec![("deep/b.bin".into(), 13)]));
        fs::write(folder.path().join("[c].img"), b"QFI\xfb").unwrap();
        let two = only().unwrap_err();
        assert!(
            two.message.ends_with("has 2 images: [c].img, deep/b.bin"),
            "{two:?}"
        );
        fs::remove_dir_all(folder.path().join("deep")).unwrap();
        assert_eq!(
            only(),
            Ok(vec![("[c].img".into(), 4)]),
            "its name is no pattern"
        );
        fs::write(folder.path().join("[c].img"), b"a tarball, say").unwrap();
        fs::remove_file(folder.path().join("a.txt")).unwrap();
        assert_eq!(
            only(),
            Ok(vec![("[c].img".into(), 14)]),
            "the only file will do"
        );
    }

    #[test]
    fn the_output_can_be_the_file_itself() {
        let store = output(&["0abc-disk-1.img"]);
        let output = store.path().join("0abc-disk-1.img");
        let find = |which: &Which, name: Option<&str>| find(&output, which, name);
        let matching = |pattern: &str| Which::Matching(vec![pattern.to_owned()]);
        let itself = Ok(vec![(Utf8PathBuf::new(), 3)]);
        assert_eq!(find(&Which::Only, None), itself);
        assert_eq!(find(&Which::Only, Some("disk-1.img")), itself);
        assert_eq!(find(&matching("*.img"), None), itself);
        let other = find(&Which::Only, Some("other.img")).unwrap_err();
        assert!(other.message.contains("produced disk-1.img"), "{other:?}");
        let other = find(&matching("*.iso"), None).unwrap_err();
        assert!(
            other.message.contains("does not match `*.iso`"),
            "{other:?}"
        );
    }

    #[test]
    fn what_is_empty_or_lies_outside_the_store_is_no_image() {
        let outside = output(&["a.iso"]);
        let store = output(&["one/iso/own.iso", "two/other.iso"]);
        let at = |path: &str| store.path().join(path);
        fs::write(at("one/iso/empty.iso"), "").unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        link(&outside.path().join("a.iso"), "one/iso/outside.iso");
        link(&at("two/other.iso"), "one/iso/inside.iso");
        let find = |name: &str| matching_one(&at("one"), &format!("iso/{name}.iso"), None);
        assert!(find("own").is_ok() && find("inside").is_ok());
        for (name, words) in [("empty", "empty"), ("outside", "outside the store")] {
            let error = find(name).unwrap_err();
            assert_eq!(error.kind, Kind::Artifact);
            assert!(error.message.contains(words), "{error:?}");
        }
    }

    #[test]
    fn the_hash_is_that_of_sha256sum() {
        let folder = output(&["a"]);
        let done = Cell::new(0);
        let progress = |bytes| done.set(bytes);
        let mut watch = Watch {
            progress: &progress,
            stop: &|| false,
        };
        let artifact = hash(folder.path(), "a".into(), 3, &watch).unwrap().unwrap();
        assert_eq!(done.get(), 3);
        assert_eq!(
            artifact.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        watch.stop = &|| true;
        assert_eq!(hash(folder.path(), "a".into(), 3, &watch), Ok(None));
    }
}
