//! The records of a link while the link changes: written beforehand, and never beside another
//! link than their own.
//!
//! A link, its records and their companions (a signature, a provenance, an SBOM) are up to six
//! files, and a run can be killed between any two steps. So the records of before go out of the way
//! first, then the link changes, and then the new records come: what is there at any moment belongs together, and what is not there is missing for
//! everybody to see. All of them are in the run's own folder in the meantime, and so the next run
//! can finish what a killed one began.

use std::{fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;

use super::{
    entries::{CHECKSUM, Companion, MANIFEST, RECORDS, is_file, read_manifest},
    manifest::Manifest,
};
use crate::text::text_file;

/// Where the records wait for the new link, below the folder of a run.
const NEW: &str = "new";

/// Where those of the link of before are meanwhile.
const OLD: &str = "old";

/// The records of one link, about to be put beside it.
#[derive(Debug)]
pub(super) struct Records<'a> {
    folder: &'a Utf8Path,
    run: &'a Utf8Path,
    /// The name of the link.
    link: &'a str,
    /// What cannot have a checksum must not keep that of another file.
    has_checksum: bool,
}

impl<'a> Records<'a> {
    /// Writes the records of the link called `link` in `folder` to `run`, the folder of this run.
    ///
    /// # Errors
    /// When they cannot be written, with the file that could not.
    pub(super) fn prepare(
        folder: &'a Utf8Path,
        run: &'a Utf8Path,
        link: &'a str,
        manifest: &Manifest,
    ) -> Result<Self, (Utf8PathBuf, io::Error)> {
        let checksum = manifest.checksum(link);
        let records = Self {
            folder,
            run,
            link,
            has_checksum: checksum.is_some(),
        };
        let write = |extension: &str, text: &str| {
            let written = text_file::put(&records.at(NEW, extension), text);
            written.map_err(|error| (records.final_name(extension), error))
        };
        for part in [NEW, OLD] {
            let made = fs::create_dir_all(run.join(part));
            made.map_err(|error| (records.final_name(MANIFEST), error))?;
        }
        if let Some(line) = &checksum {
            write(CHECKSUM, line)?;
        }
        let text = serde_json::to_string_pretty(manifest).map_err(io::Error::from);
        let text = text.map_err(|error| (records.final_name(MANIFEST), error))?;
        write(MANIFEST, &format!("{text}\n"))?;
        Ok(records)
    }

    /// Takes the records of the link of before away, until [`Self::put`] or [`Self::put_back`].
    ///
    /// # Errors
    /// When one cannot be moved, with its name.
    pub(super) fn set_aside(&self) -> Result<(), (Utf8PathBuf, io::Error)> {
        let mut all = RECORDS.into_iter().rev();
        all.try_for_each(|extension| self.away(extension))
    }

    fn away(&self, extension: &str) -> Result<(), (Utf8PathBuf, io::Error)> {
        let file = self.final_name(extension);
        match text_file::rename(&file, &self.at(OLD, extension)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err((file, error)),
            _ => Ok(()),
        }
    }

    /// Puts the new records beside the link, which is the new one.
    ///
    /// # Errors
    /// When one cannot be moved, with its name.
    pub(super) fn put(&self) -> Result<(), (Utf8PathBuf, io::Error)> {
        let new = self.at(NEW, CHECKSUM);
        if !is_same(&new, &self.final_name(CHECKSUM)) {
            for companion in Companion::ALL {
                self.away(companion.extension())?;
            }
        }
        // The same image again, whose link was made anew.
        let is_same_again = is_same(&new, &self.at(OLD, CHECKSUM));
        if self.has_checksum {
            self.move_from(NEW, CHECKSUM)?;
        } else {
            self.away(CHECKSUM)?;
        }
        for companion in Companion::ALL {
            let extension = companion.extension();
            if is_same_again && is_file(&self.at(OLD, extension)) {
                self.move_from(OLD, extension)?;
            }
        }
        self.move_from(NEW, MANIFEST)
    }

    /// Puts the records of before back, since the link is still that of before.
    ///
    /// # Errors
    /// When one cannot be moved, with its name.
    pub(super) fn put_back(&self) -> Result<(), (Utf8PathBuf, io::Error)> {
        let mut there = RECORDS.into_iter();
        there.try_for_each(|extension| match is_file(&self.at(OLD, extension)) {
            true => self.move_from(OLD, extension),
            false => Ok(()),
        })
    }

    fn move_from(&self, part: &str, extension: &str) -> Result<(), (Utf8PathBuf, io::Error)> {
        let file = self.final_name(extension);
        text_file::rename(&self.at(part, extension), &file).map_err(|error| (file, error))
    }

    fn at(&self, part: &str, extension: &str) -> Utf8PathBuf {
        self.run
            .join(part)
            .join(format!("{}{extension}", self.link))
    }

    fn final_name(&self, extension: &str) -> Utf8PathBuf {
        self.folder.join(format!("{}{extension}", self.link))
    }
}

fn is_companion(extension: &str) -> bool {
    let mut all = Companion::ALL.into_iter();
    all.any(|companion| companion.extension() == extension)
}

/// Whether both are there and hold the same.
fn is_same(one: &Utf8Path, other: &Utf8Path) -> bool {
    is_file(one)
        && is_file(other)
        && regular_file::read(one)
            .is_ok_and(|one| regular_file::read(other).is_ok_and(|other| one == other))
}

/// Gives the links in `folder` the records that belong to them and are still in `run`, the folder
/// of a killed run. The caller holds the lock of `folder`. What is there stays; what cannot be
/// moved is written anew by the next build.
pub(super) fn finish(folder: &Utf8Path, run: &Utf8Path) {
    for part in [NEW, OLD] {
        for entry in run
            .join(part)
            .read_dir_utf8()
            .into_iter()
            .flatten()
            .flatten()
        {
            let (file, name) = (entry.path(), entry.file_name());
            let (Some(link), Some(Ok(manifest))) =
                (name.strip_suffix(MANIFEST), read_manifest(file))
            else {
                continue;
            };
            let target = folder.join(link).read_link_utf8();
            if !target.is_ok_and(|target| target == manifest.out.as_str()) {
                continue;
            }
            for extension in RECORDS {
                let beside = |folder: &Utf8Path| folder.join(format!("{link}{CHECKSUM}"));
                // Its own checksum is still in the run where another one took its place.
                if is_companion(extension)
                    && is_file(&beside(&run.join(part)))
                    && !is_same(&beside(&run.join(part)), &beside(folder))
                {
                    continue;
                }
                let from = run.join(part).join(format!("{link}{extension}"));
                let to = folder.join(format!("{link}{extension}"));
                if is_file(&from) && to.symlink_metadata().is_err() {
                    let _built_anew = text_file::rename(&from, &to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    const LINK: &str = "a-iso";

    /// A folder of links with the folder of a run in it.
    struct Links {
        _folder: tempfile::TempDir,
        folder: Utf8PathBuf,
        run: Utf8PathBuf,
    }

    impl Links {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
            let run = path.join(".cbox-0");
            fs::create_dir(&run).unwrap();
            Self {
                _folder: folder,
                folder: path,
                run,
            }
        }

        fn prepare(&self, manifest: &Manifest) -> Records<'_> {
            Records::prepare(&self.folder, &self.run, LINK, manifest).unwrap()
        }

        fn link(&self, manifest: &Manifest) {
            let link = self.folder.join(LINK);
            let _gone = fs::remove_file(&link);
            symlink(manifest.out.as_str(), link).unwrap();
        }

        /// What is there of the records, the checksum first.
        fn there(&self) -> Vec<String> {
            let read = |end| fs::read_to_string(format!("{}{end}", self.folder.join(LINK)));
            let all = RECORDS.into_iter();
            all.filter_map(|end| read(end).ok()).collect()
        }
    }

    /// The record of an image, or of what has none.
    fn manifest(digit: char, has_image: bool) -> Manifest {
        let path = |name: &str| format!("/nix/store/{}-{name}", digit.to_string().repeat(32));
        let artifact =
            json!({ "path": "a.iso", "size": 1, "sha256": digit.to_string().repeat(64) });
        let text = json!({
            "schema": 1, "target": "a/iso", "host": "a", "system": "x86_64-linux",
            "drv": path("x.drv"), "out": path("x"), "output": "out", "overrides": [],
            "artifact": has_image.then_some(artifact), "linkedAt": 0,
            "source": {
                "path": "s", "narHash": "h", "dirty": false, "local": [], "overriddenInputs": [],
            },
            "tools": { "cbox": "0", "nix": "0" },
        });
        Manifest::parse(text.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_was_killed_between_two_steps_is_finished() {
        let (one, two) = (manifest('1', true), manifest('2', true));
        let ready = || {
            let links = Links::new();
            links.link(&one);
            links.prepare(&one).put().unwrap();
            links
        };
        let of_one = ready().there();
        let links = ready();
        links.prepare(&two);
        finish(&links.folder, &links.run);
        assert_eq!(links.there(), of_one, "before anything went");

        let links = ready();
        links.prepare(&two).away(MANIFEST).unwrap();
        finish(&links.folder, &links.run);
        assert_eq!(links.there(), of_one, "one is away");

        let links = ready();
        links.prepare(&two).set_aside().unwrap();
        assert_eq!(links.there(), [""; 0]);
        finish(&links.folder, &links.run);
        assert_eq!(links.there(), of_one, "both are");

        let links = ready();
        let records = links.prepare(&two);
        records.set_aside().unwrap();
        links.link(&two);
        finish(&links.folder, &links.run);
        let of_two = links.there();
        assert_eq!(of_two.len(), 2);
        assert_ne!(of_two, of_one, "behind the link");

        let links = ready();
        let records = links.prepare(&two);
        records.set_aside().unwrap();
        links.link(&two);
        records.move_from(NEW, CHECKSUM).unwrap();
        finish(&links.folder, &links.run);
        assert_eq!(links.there(), of_two, "between the new ones");

        // Of a link that somebody changed meanwhile nothing is known.
        let links = ready();
        links.prepare(&two).set_aside().unwrap();
        links.link(&manifest('3', true));
        finish(&links.folder, &links.run);
        assert_eq!(links.there(), [""; 0]);
    }

    #[test]
    fn what_failed_leaves_the_records_of_before() {
        let links = Links::new();
        let (one, two) = (manifest('1', true), manifest('2', true));
        links.prepare(&one).put().unwrap();
        let before = links.there();
        let records = links.prepare(&two);
        records.set_aside().unwrap();
        records.put_back().unwrap();
        assert_eq!(links.there(), before);
        records.put_back().unwrap();
        assert_eq!(links.there(), before, "there is nothing more to put back");
    }

    #[test]
    fn what_is_of_an_image_stays_beside_its_own_checksum_alone() {
        let links = Links::new();
        let (one, two) = (manifest('1', true), manifest('2', true));
        let files =
            Companion::ALL.map(|one| links.folder.join(format!("{LINK}{}", one.extension())));
        let write = || {
            for file in &files {
                fs::write(file, "of one").unwrap();
            }
        };
        let are_there = |there: bool| files.iter().all(|file| file.exists() == there);
        links.prepare(&one).put().unwrap();
        write();
        // The link is as it was, or was made anew.
        links.prepare(&one).put().unwrap();
        assert!(are_there(true));
        let records = links.prepare(&one);
        records.set_aside().unwrap();
        assert!(are_there(false));
        records.put().unwrap();
        assert!(are_there(true));
        // Another image, with and without a new link.
        links.prepare(&two).put().unwrap();
        assert!(are_there(false));
        links.prepare(&one).put().unwrap();
        write();
        let records = links.prepare(&two);
        records.set_aside().unwrap();
        links.link(&two);
        records.put().unwrap();
        assert!(are_there(false));
        // None comes back from a killed run, and what failed leaves it.
        finish(&links.folder, &links.run);
        assert!(are_there(false));
        write();
        let records = links.prepare(&one);
        records.set_aside().unwrap();
        records.put_back().unwrap();
        assert!(are_there(true));
        let records = links.prepare(&one);
        records.set_aside().unwrap();
        finish(&links.folder, &links.run);
        assert!(are_there(true), "it was killed before the link changed");
    }

    #[test]
    fn no_checksum_stays_beside_what_has_none() {
        let links = Links::new();
        links.prepare(&manifest('1', true)).put().unwrap();
        assert_eq!(links.there().len(), 2);
        links.prepare(&manifest('2', false)).put().unwrap();
        let there = links.there();
        assert_eq!(there.len(), 1);
        assert!(there[0].contains("\"artifact\": null"), "{there:?}");
    }
}
