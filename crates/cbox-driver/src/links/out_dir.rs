//! The folder of the links while a run writes to it: its lock, its temporary GC roots, and the
//! one step in which a link gets its checksum and its manifest.

use std::{fs::File, io, path::PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::{NixError, build, nix::Nix, regular_file};
use tempfile::TempDir;

use super::{
    Runs, WAITING,
    entries::{CHECKSUM, Companion, MANIFEST, RECORDS, read_manifest},
    manifest::{Manifest, ManifestError, is_checksum_of},
    records::{self, Records},
    roots::Roots,
};
use crate::{
    error::{Error, Kind},
    flake::session::Session,
    progress::folder_lock::lock,
    target_name::TargetName,
    text::text_file::TEMPORARY,
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
        for extension in RECORDS {
            let file = record(folder, name, extension);
            if let Some(why) = foreign(&file, extension, &name.slug()) {
                return refused(format!("{file} is in the way: {why}"));
            }
        }
        let manifest = manifest(folder, name);
        if let Some(Ok(manifest)) = &manifest
            && !manifest.is_of(name)
        {
            return refused(format!(
                "{link} is the link of {}, and that of {name} would have the same name",
                manifest.target
            ));
        }
        if let Some(Err(error @ ManifestError::Newer(_))) = manifest {
            return Err(
                Error::new(Kind::Output, format!("{link} is not replaced: {error}"))
                    .hint("build with the newer cbox, or name another folder with `--out-dir DIR`"),
            );
        }
    }
    Ok(())
}

/// Why the record `file` of the link of this name is not one that cbox wrote, and so is not
/// written over.
fn foreign(file: &Utf8Path, extension: &str, link: &str) -> Option<String> {
    let there = file.symlink_metadata().ok()?;
    if there.is_dir() {
        return Some("it is a folder".to_owned());
    }
    if let Ok(target) = file.read_link_utf8() {
        return Some(format!("it is a link to {target}, so cbox did not make it"));
    }
    if !there.is_file() {
        return Some("it is not a file, so cbox did not make it".to_owned());
    }
    if extension == CHECKSUM {
        let is_own = regular_file::read(file).is_ok_and(|text| is_checksum_of(&text, link));
        return (!is_own)
            .then(|| format!("it is not the checksum of {link}, so cbox did not make it"));
    }
    let mut companions = Companion::ALL.into_iter();
    if let Some(companion) = companions.find(|companion| companion.extension() == extension) {
        let what = companion.what();
        let is_it = companion.is_at(file);
        return (!is_it).then(|| format!("it is not {what}, so nobody may want it to go"));
    }
    match read_manifest(file)? {
        Err(ManifestError::Broken(why)) => Some(format!(
            "it is not a manifest ({why}), so cbox did not make it"
        )),
        _ => None,
    }
}

fn record(folder: &Utf8Path, name: &TargetName, extension: &str) -> Utf8PathBuf {
    folder.join(format!("{}{extension}", name.slug()))
}

fn manifest(folder: &Utf8Path, name: &TargetName) -> Option<Result<Manifest, ManifestError>> {
    read_manifest(&record(folder, name, MANIFEST))
}

/// The way out of a folder that cannot be written to.
const ELSEWHERE: &str = "`--out-dir DIR` puts the links elsewhere, `--no-link` makes none";

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
    pub async fn open(session: &Session<'_>, folder: &Utf8Path) -> Result<Self, Error> {
        let unwritable = |error: &std::io::Error| {
            Error::file(Kind::Output, "write to", folder, error).hint(ELSEWHERE)
        };
        std::fs::create_dir_all(folder).map_err(|error| unwritable(&error))?;
        let turn = lock(session.hears(), folder, WAITING, unwritable).await?;
        finish_killed(folder);
        Runs::of(folder).remove_killed();
        // With the lock, so that nobody takes the new folder for one of a killed run.
        let roots = own_folder(folder).map_err(|error| unwritable(&error))?;
        let alive = File::open(roots.path()).and_then(|file| {
            file.try_lock()?;
            Ok(file)
        });
        let alive = alive.map_err(|error| unwritable(&error))?;
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

    /// Whether the link of `name` points to `out` already, and is a root of the garbage
    /// collector.
    pub fn holds(&self, session: &Session<'_>, nix: &Nix, name: &TargetName, out: &str) -> bool {
        let link = self.folder.join(name.slug());
        let is_current = link.read_link_utf8().is_ok_and(|target| target == out);
        is_current && Roots::of(&nix.outputs, session.environment).holds(&link) == Some(true)
    }

    /// Makes the link and writes its records.
    ///
    /// One run at a time does it, and at no moment is a record beside another link than its own
    /// (see [`records`]). A link that is the right one is left as it is: to make it again would
    /// register it again.
    ///
    /// # Errors
    /// When Nix cannot make the link, or a record cannot be written. Then all is as it was.
    pub async fn publish(
        &self,
        session: &Session<'_>,
        nix: &Nix,
        name: &TargetName,
        manifest: &Manifest,
    ) -> Result<Utf8PathBuf, Error> {
        let slug = name.slug();
        let link = self.folder.join(&slug);
        let unlinked = |error: &io::Error| Error::file(Kind::Output, "write", &self.folder, error);
        let _turn = lock(session.hears(), &self.folder, WAITING, unlinked).await?;
        // Much can have happened since that was looked at last.
        check(&self.folder, std::slice::from_ref(name), &nix.outputs.dir)?;
        let run = Utf8Path::from_path(self.roots.path()).unwrap_or(&self.folder);
        let records = Records::prepare(&self.folder, run, &slug, manifest).map_err(unwritten)?;
        let made = match self.holds(session, nix, name, &manifest.out) {
            true => Ok(()),
            false => {
                if let Err(error) = records.set_aside() {
                    let _no_better = records.put_back();
                    return Err(unwritten(error));
                }
                build::link(nix, &manifest.out, link.as_std_path()).await
            }
        };
        // A signal can come when the link is made already; then its records have to follow.
        let is_made = link
            .read_link_utf8()
            .is_ok_and(|target| target == manifest.out.as_str());
        match made.is_ok() || is_made {
            true => records.put().map_err(unwritten)?,
            false => records.put_back().map_err(unwritten)?,
        }
        match made {
            Ok(()) => Ok(link),
            Err(NixError::Failed { stderr, .. }) => {
                let mut lines = stderr.lines().rev();
                let why = lines.find_map(|line| line.trim().strip_prefix("error: "));
                let why = why.unwrap_or(stderr.trim());
                let message = format!("cannot make the link {link}: {why}");
                Err(Error::new(Kind::Output, message).hint(ELSEWHERE))
            }
            Err(other) => Err(other.into()),
        }
    }
}

/// Finishes what killed runs began in `folder`, whose lock the caller holds.
pub fn finish_killed(folder: &Utf8Path) {
    for killed in Runs::of(folder).killed {
        if let Some(path) = Utf8Path::from_path(killed.path()) {
            records::finish(folder, path);
        }
    }
}

/// A new folder for this run, whose lock the caller holds. Its name is the first that is free:
/// Nix remembers the name of each root until the next garbage collection, so names that are
/// never used again would add up.
fn own_folder(folder: &Utf8Path) -> io::Result<TempDir> {
    let mut number = 0;
    loop {
        let made = tempfile::Builder::new()
            .prefix(&format!("{TEMPORARY}{number}"))
            .rand_bytes(0)
            .tempdir_in(folder);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made,
        }
    }
}

fn unwritten((file, error): (Utf8PathBuf, io::Error)) -> Error {
    Error::file(Kind::Output, "write", file, &error).hint(ELSEWHERE)
}
