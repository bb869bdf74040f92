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
    /// Makes the folder if need be, and checks what would keep a link from being made
    /// before time is spent on a build.
    ///
    /// # Errors
    /// When it cannot be written to, or something that cbox did not make is where the link of
    /// one of the `names` goes.
    pub fn open(folder: &Utf8Path, names: &[&TargetName]) -> Result<Self, Error> {
        let unwritable = |error: &std::io::Error| {
            Error::file(Kind::Output, "write to", folder, error)
                .hint("`--out-dir DIR` puts the links elsewhere, `--no-link` makes none")
        };
        if folder.symlink_metadata().is_ok() && !folder.is_dir() {
            return Err(Error::new(
                Kind::Output,
                format!("{folder} is no folder, and the links go there"),
            )
            .hint("move it away, or name another folder with `--out-dir DIR`"));
        }
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
        let out_dir = Self {
            folder: folder.to_owned(),
            roots,
            _alive: alive,
        };
        for name in names {
            let link = out_dir.link(name);
            if link
                .symlink_metadata()
                .is_ok_and(|there| !there.is_symlink())
            {
                return Err(Error::new(
                    Kind::Output,
                    format!("{link} is in the way: it is no link, so cbox did not make it"),
                )
                .hint("move it away, or name another folder with `--out-dir DIR`"));
            }
            if let Some(Err(error @ ManifestError::Newer(_))) = out_dir.manifest(name) {
                return Err(
                    Error::new(Kind::Output, format!("{link} is not replaced: {error}")).hint(
                        "build with the newer cbox, or name another folder with `--out-dir DIR`",
                    ),
                );
            }
        }
        Ok(out_dir)
    }

    /// The folder.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// A temporary GC root of this run, which goes with this value.
    pub fn root(&self, name: &str) -> PathBuf {
        self.roots.path().join(name)
    }

    fn link(&self, name: &TargetName) -> Utf8PathBuf {
        self.folder.join(name.slug())
    }

    fn record(&self, name: &TargetName, extension: &str) -> Utf8PathBuf {
        self.folder.join(format!("{}.{extension}", name.slug()))
    }

    /// The manifest, if one is there.
    pub fn manifest(&self, name: &TargetName) -> Option<Result<Manifest, ManifestError>> {
        let text = std::fs::read(self.record(name, "json")).ok()?;
        Some(Manifest::parse(&text))
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
        let link = self.link(name);
        let unlinked = |error| Error::file(Kind::Output, "write", &self.folder, &error);
        let _turn = lock(self.folder.as_std_path()).map_err(unlinked)?;
        let prepare = |extension: &str, text: &str| {
            let file = self.record(name, extension);
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
