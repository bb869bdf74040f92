//! The folder of the links while a run writes to it: its lock, its temporary GC roots, and the
//! one step in which a link gets its checksum and its manifest.

use std::{fs::File, io, path::PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{NixError, build, nix::Nix};
use tempfile::TempDir;

use super::{
    Runs, lock,
    manifest::{Manifest, ManifestError},
};
use crate::{
    error::{Error, Kind},
    target_name::TargetName,
    text::text_file::{Prepared, TEMPORARY},
};

/// Checks that nothing in `folder` is in the way of the links of `names` and of their records,
/// before time is spent on them. Nix replaces links into its store, `store_dir`, and no others.
///
/// # Errors
/// When something is, or a newer cbox made a link.
pub fn check(folder: &Utf8Path, names: &[TargetName], store_dir: &str) -> Result<(), Error> {
    let refused = |message: String| {
        Err(Error::new(Kind::Output, message)
            .hint("move it away, or name another folder with `--out-dir DIR`"))
    };
    if folder.symlink_metadata().is_ok() && !folder.is_dir() {
        return refused(format!("{folder} is not a folder, but the links go there"));
    }
    for name in names {
        let link = folder.join(name.slug());
        match (link.symlink_metadata(), link.read_link_utf8()) {
            (Ok(_), Ok(target)) if !target.starts_with(store_dir) => {
                return refused(format!(
                    "{link} is in the way: it is a link to {target}, so cbox did not make it"
                ));
            }
            (Ok(_), Err(_)) => {
                return refused(format!(
                    "{link} is in the way: it is not a link, so cbox did not make it"
                ));
            }
            _ => {}
        }
        let records = ["json", "sha256"].map(|extension| record(folder, name, extension));
        if let Some(record) = records.iter().find(|record| record.is_dir()) {
            return refused(format!("{record} is in the way: it is a folder"));
        }
        if let Some(Err(error @ ManifestError::Newer(_))) = manifest(folder, name) {
            return Err(
                Error::new(Kind::Output, format!("{link} is not replaced: {error}"))
                    .hint("build with the newer cbox, or name another folder with `--out-dir DIR`"),
            );
        }
    }
    Ok(())
}

fn record(folder: &Utf8Path, name: &TargetName, extension: &str) -> Utf8PathBuf {
    folder.join(format!("{}.{extension}", name.slug()))
}

fn manifest(folder: &Utf8Path, name: &TargetName) -> Option<Result<Manifest, ManifestError>> {
    let text = std::fs::read(record(folder, name, "json")).ok()?;
    Some(Manifest::parse(&text))
}

/// The folder of the links, known to be writable.
#[derive(Debug)]
pub struct OutDir {
    folder: Utf8PathBuf,
    /// Holds the temporary roots, and goes with this value.
    roots: TempDir,
    /// The lock that tells other runs that `roots` is in use.
    _alive: File,
}

impl OutDir {
    /// Makes the folder if need be.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn open(folder: &Utf8Path) -> Result<Self, Error> {
        let unwritable = |error: &std::io::Error| {
            Error::file(Kind::Output, "write to", folder, error)
                .hint("`--out-dir DIR` puts the links elsewhere, `--no-link` makes none")
        };
        std::fs::create_dir_all(folder).map_err(|error| unwritable(&error))?;
        // With the lock, so that nobody takes the new folder for one of a killed run.
        let turn = lock(folder.as_std_path()).map_err(|error| unwritable(&error))?;
        for killed in Runs::of(folder).killed {
            // What stays is tried again next time.
            let _gone = std::fs::remove_dir_all(killed);
        }
        let roots = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempdir_in(folder)
            .map_err(|error| unwritable(&error))?;
        let alive = lock(roots.path()).map_err(|error| unwritable(&error))?;
        drop(turn);
        Ok(Self {
            folder: folder.to_owned(),
            roots,
            _alive: alive,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// A temporary GC root of this run, which goes with this value.
    pub fn root(&self, name: &str) -> PathBuf {
        self.roots.path().join(name)
    }

    /// The manifest, if one is there.
    pub fn manifest(&self, name: &TargetName) -> Option<Result<Manifest, ManifestError>> {
        manifest(&self.folder, name)
    }

    /// Makes the link and writes its records.
    ///
    /// The records are written beforehand under other names, so that nothing but two renames
    /// comes behind the link; and one run at a time does it, so that the three belong together.
    ///
    /// # Errors
    /// When Nix cannot make the link, or a record cannot be written. Then all is as it was.
    pub async fn publish(
        &self,
        nix: &Nix,
        name: &TargetName,
        manifest: &Manifest,
    ) -> Result<Utf8PathBuf, Error> {
        let link = self.folder.join(name.slug());
        let unlinked = |error| Error::file(Kind::Output, "write", &self.folder, &error);
        let _turn = lock(self.folder.as_std_path()).map_err(unlinked)?;
        let prepare = |extension: &str, text: &str| {
            let file = record(&self.folder, name, extension);
            let roots = Utf8Path::from_path(self.roots.path()).unwrap_or(&self.folder);
            let prepared = Prepared::in_folder(roots, text);
            let prepared = prepared.map_err(|error| unwritten(&file, &error))?;
            Ok::<_, Error>((file, prepared))
        };
        let mut records = Vec::new();
        if let Some(line) = manifest.checksum(&name.slug()) {
            records.push(prepare("sha256", &line)?);
        }
        let text = serde_json::to_string_pretty(manifest).map_err(|error| {
            Error::new(Kind::Output, format!("cannot write the manifest: {error}"))
        })?;
        records.push(prepare("json", &format!("{text}\n"))?);
        let made = build::link(nix, &manifest.out, link.as_std_path()).await;
        // A signal can come when the link is made already; then its records have to follow.
        let is_made = link
            .read_link_utf8()
            .is_ok_and(|target| target == manifest.out.as_str());
        if made.is_ok() || is_made {
            for (file, record) in records {
                record
                    .put(&file)
                    .map_err(|error| unwritten(&file, &error))?;
            }
        }
        match made {
            Ok(()) => Ok(link),
            Err(NixError::Failed { stderr, .. }) => Err(Error::new(
                Kind::Output,
                format!("cannot make the link {link}:\n{stderr}"),
            )),
            Err(other) => Err(other.into()),
        }
    }
}

fn unwritten(file: &Utf8Path, error: &io::Error) -> Error {
    Error::file(Kind::Output, "write", file, error)
}
