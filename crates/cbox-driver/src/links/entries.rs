//! The entries of the folder, each told by the record beside it.

use cbox_nix::regular_file;
use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{ErrorKind, Read as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use nix_formats::store_path::StorePath;

use crate::{
    error::{Error, Kind},
    links::manifest::{Manifest, ManifestError},
    process::environment::Environment,
    progress::run_log,
    signature,
    target_name::TargetName,
    text::{harmless, text_file::TEMPORARY},
};

/// What the names of records end with, behind the name of their link.
pub(crate) const MANIFEST: &str = ".json";
pub(super) const CHECKSUM: &str = ".sha256";
/// That of the checksum, as minisign calls it.
const SIGNATURE: &str = ".sha256.minisig";

/// How near to its beginning a file says what it is.
const HEAD: u64 = 16 << 10;

/// What can lie beside an image for others, and is of no other: it goes when another image takes
/// the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Companion {
    /// The signature of its checksum, by whoever made it.
    Signature,
    /// Where it comes from.
    Provenance,
    /// What it is made of.
    Sbom,
}

impl Companion {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Signature, Self::Provenance, Self::Sbom];

    /// What its name ends with, behind the name of the link or of the file.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Signature => SIGNATURE,
            Self::Provenance => ".provenance.json",
            Self::Sbom => ".sbom.json",
        }
    }

    /// What it is.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Signature => "a signature of minisign",
            Self::Provenance => "a provenance of cbox",
            Self::Sbom => "an SBOM of cbox",
        }
    }

    /// What such a file has near its beginning.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Signature => signature::COMMENT,
            Self::Provenance => "\"urn:cbox:build:",
            Self::Sbom => "\"cbox:",
        }
    }

    /// Whether the file at `path` is one.
    pub(super) fn is_at(self, path: &Utf8Path) -> bool {
        let head = || {
            let mut head = Vec::new();
            let file = regular_file::open(path).ok()?;
            file.take(HEAD).read_to_end(&mut head).ok()?;
            Some(String::from_utf8_lossy(&head).into_owned())
        };
        is_file(path)
            && head().is_some_and(|head| match self {
                Self::Signature => head.starts_with(self.mark()),
                Self::Provenance | Self::Sbom => head.contains(self.mark()),
            })
    }
}

/// What the names of all records end with, in the order in which they come. They go the other way:
/// as long as the manifest is there, so is the rest, and a companion is beside no other checksum
/// than its own.
pub(super) const RECORDS: [&str; 5] = {
    let [signature, provenance, sbom] = Companion::ALL;
    [
        CHECKSUM,
        signature.extension(),
        provenance.extension(),
        sbom.extension(),
        MANIFEST,
    ]
};

/// One link with its records, or another file.
#[derive(Debug)]
pub struct Entry {
    /// The file name of the link, or of the other file.
    pub name: String,
    /// The link, or what lies in its place.
    pub path: Utf8PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug)]
pub enum EntryKind {
    /// A link that cbox made, with its record.
    Made(Box<Manifest>),
    /// A record whose link somebody has removed.
    Unlinked(Box<Manifest>),
    /// Something else. A link may point to a store path.
    Other {
        /// Why it counts as somebody else's.
        why: Other,
        /// The store path that it points to, if it is a link to one.
        store_path: Option<String>,
    },
}

/// Why cbox does not count something as made by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Other {
    /// It is no link.
    File,
    /// It is a link without a manifest.
    NoManifest,
    /// The manifest is about something else.
    Changed,
    /// The manifest is none that can be understood.
    Manifest(ManifestError),
}

impl fmt::Display for Other {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::File => "cbox did not make it",
            Self::NoManifest => {
                "there is no manifest beside it: cbox did not make it, or was killed before it wrote one"
            }
            Self::Changed => "it does not point to what its manifest names: it was changed by hand",
            Self::Manifest(error) => return error.fmt(formatter),
        })
    }
}

impl Entry {
    /// Whether one of `names` names it, or none is given.
    pub fn is_among(&self, names: &[TargetName]) -> bool {
        names.is_empty() || names.iter().any(|name| self.name == name.slug())
    }

    /// Its path as the user would write it, without what a terminal would take for a command.
    pub fn display_path(&self, environment: &Environment) -> String {
        let path = environment.display_path(&self.path);
        harmless(path.as_str(), usize::MAX)
    }

    /// Its name without what a terminal would take for a command.
    pub fn display_name(&self) -> String {
        harmless(&self.name, usize::MAX)
    }

    /// Its manifest, if cbox made it.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.kind {
            EntryKind::Made(manifest) | EntryKind::Unlinked(manifest) => Some(manifest),
            EntryKind::Other { .. } => None,
        }
    }

    /// Why it does not count as made by cbox, if so.
    pub fn why_other(&self) -> Option<&Other> {
        match &self.kind {
            EntryKind::Other { why, .. } => Some(why),
            EntryKind::Made(_) | EntryKind::Unlinked(_) => None,
        }
    }

    /// The target that it was built for.
    pub fn target(&self) -> Option<&str> {
        self.manifest().map(|manifest| manifest.target.as_str())
    }

    /// The store path that the link points to.
    pub fn store_path(&self) -> Option<&str> {
        match &self.kind {
            EntryKind::Made(manifest) => Some(&manifest.out),
            EntryKind::Unlinked(_) => None,
            EntryKind::Other { store_path, .. } => store_path.as_deref(),
        }
    }

    /// The file of a record.
    fn record(&self, extension: &str) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}{extension}", self.path))
    }

    /// The records that cbox wrote of it, the manifest last: as long as that is there, the
    /// rest is known to be cbox's.
    pub(super) fn records(&self) -> Vec<Utf8PathBuf> {
        let Some(manifest) = self.manifest() else {
            return vec![];
        };
        let checksum = self.record(CHECKSUM);
        let is_own = is_file(&checksum)
            && manifest.checksum(&self.name).is_some_and(|line| {
                regular_file::read(&checksum).is_ok_and(|content| content == line.as_bytes())
            });
        let checksum = is_own.then_some(checksum);
        // A signature that was made with minisign itself is of no use either without its checksum.
        let companions = Companion::ALL.into_iter().filter_map(|companion| {
            let file = self.record(companion.extension());
            (is_own && companion.is_at(&file)).then_some(file)
        });
        companions
            .chain(checksum)
            .chain([self.record(MANIFEST)])
            .collect()
    }
}

/// Reads `folder`, sorted by name. `store_dir` is what store paths begin with. What is
/// neither a link into the store nor a record is named only where `with_others`.
///
/// # Errors
/// When the folder cannot be listed. One that is not there is empty.
pub fn read(folder: &Utf8Path, store_dir: &str, with_others: bool) -> Result<Vec<Entry>, Error> {
    let cannot_list = |error| Error::file(Kind::Output, "list", folder, &error);
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(cannot_list(error)),
    };
    let mut names = BTreeMap::new();
    for entry in listed {
        let entry = entry.map_err(cannot_list)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if name != run_log::FOLDER && !name.starts_with(TEMPORARY) {
            names.insert(name, is_link);
        }
    }
    let mut entries = Vec::new();
    for (name, is_link) in &names {
        let path = folder.join(name);
        let of_link = |extension| {
            let link = name.strip_suffix(extension)?;
            Some((link, *names.get(link)?))
        };
        let kind = if *is_link {
            of_a_link(&path, name, store_dir)
        } else if RECORDS
            .into_iter()
            .filter_map(of_link)
            .any(|(_, is_link)| is_link)
        {
            // Told with its link.
            continue;
        } else if let Some((link, manifest)) = unlinked(&path, name) {
            entries.push(Entry {
                path: folder.join(link),
                name: link.to_owned(),
                kind: EntryKind::Unlinked(Box::new(manifest)),
            });
            continue;
        } else {
            EntryKind::Other {
                why: Other::File,
                store_path: None,
            }
        };
        entries.push(Entry {
            name: name.clone(),
            path,
            kind,
        });
    }
    // The checksum of a record without a link is that record's.
    let checksums: Vec<Utf8PathBuf> = entries.iter().flat_map(Entry::records).collect();
    entries.retain(|entry| {
        let is_plain = matches!(
            &entry.kind,
            EntryKind::Other {
                why: Other::File,
                store_path: None
            }
        );
        let is_stray = matches!(
            &entry.kind,
            EntryKind::Other {
                store_path: None,
                ..
            }
        );
        !(is_plain && checksums.contains(&entry.path)) && (with_others || !is_stray)
    });
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn of_a_link(path: &Utf8Path, name: &str, store_dir: &str) -> EntryKind {
    let target = path.read_link_utf8().map(Utf8PathBuf::into_string);
    let target = target.unwrap_or_default();
    let store_path = StorePath::from_absolute_path(&target, store_dir).ok();
    let file = Utf8PathBuf::from(format!("{path}{MANIFEST}"));
    let why = match read_manifest(&file) {
        None => Other::NoManifest,
        Some(Err(error)) => Other::Manifest(error),
        Some(Ok(manifest)) => {
            if store_path.is_some() && manifest.out.as_str() == target && is_called(&manifest, name)
            {
                return EntryKind::Made(Box::new(manifest));
            }
            Other::Changed
        }
    };
    EntryKind::Other {
        why,
        store_path: store_path.map(|path| path.to_string()),
    }
}

/// The manifest in the file `name`, and the name of its link.
fn unlinked<'a>(path: &Utf8Path, name: &'a str) -> Option<(&'a str, Manifest)> {
    let link = name.strip_suffix(MANIFEST)?;
    let manifest = read_manifest(path)?.ok()?;
    let is_free = path.with_file_name(link).symlink_metadata().is_err();
    (is_free && is_called(&manifest, link)).then_some((link, manifest))
}

/// Whether cbox gives this name to the link of what `manifest` records.
fn is_called(manifest: &Manifest, name: &str) -> bool {
    let target: Result<TargetName, _> = manifest.target.parse();
    target.is_ok_and(|target| target.slug() == name)
}

/// Reads a manifest; `None` where there is no such file. A link is none: cbox writes files.
pub(crate) fn read_manifest(path: &Utf8Path) -> Option<Result<Manifest, ManifestError>> {
    Some(read_manifest_text(path)?.and_then(|text| Manifest::parse(&text)))
}

/// The text of the manifest at `path`; `None` where nothing is.
pub(crate) fn read_manifest_text(path: &Utf8Path) -> Option<Result<Vec<u8>, ManifestError>> {
    let kind = path.symlink_metadata().ok()?.file_type();
    if !kind.is_file() {
        return Some(Err(ManifestError::Broken("it is not a file".to_owned())));
    }
    Some(regular_file::read(path).map_err(|error| ManifestError::Broken(error.to_string())))
}

pub(super) fn is_file(path: &Utf8Path) -> bool {
    path.symlink_metadata().is_ok_and(|file| file.is_file())
}
