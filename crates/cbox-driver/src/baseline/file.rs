//! `baseline.json` on disk: read with the way out of whatever is wrong with it, written
//! in one step and only over what was read.

use cbox_nix::{Interrupt, regular_file};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    baseline::{Baseline, BaselineError, FILE},
    error::{Error, Kind},
    process::blocking::blocking,
    progress::{Reporter, folder_lock::lock},
    text::text_file,
};

/// The way out of a file that a commit has.
const COMMITTED: &str = "it was committed like this: name another commit";

/// The file beside a `flake.nix`, as it was when it was read.
#[derive(Debug, Clone)]
pub struct BaselineFile {
    /// The folder of the flake.
    folder: Utf8PathBuf,
    /// The top of the tree that it is in, which it may not lead out of.
    top: Utf8PathBuf,
    /// What the file is called to the user: `baseline.json`, `main:baseline.json`.
    pub shown: String,
    /// Whether it is that of a commit, which nobody can change.
    committed: bool,
    /// Whether git tracks it.
    pub tracked: bool,
    /// Its content; `None` where it is not there.
    bytes: Option<Vec<u8>>,
}

impl BaselineFile {
    /// Reads the file in `folder`, whatever is in it. `top` is the top of the tree.
    ///
    /// # Errors
    /// When there is something that cannot be read, or that is not in the tree.
    pub fn read(
        folder: &Utf8Path,
        top: &Utf8Path,
        shown: String,
        committed: bool,
        tracked: bool,
    ) -> Result<Self, Error> {
        let mut file = Self {
            folder: folder.to_owned(),
            top: top.to_owned(),
            shown,
            committed,
            tracked,
            bytes: None,
        };
        file.bytes = file.content().map_err(|error| {
            let way_out = match committed {
                true => COMMITTED,
                false => {
                    "put a file in its place, or remove it, and `cbox accept` writes a new one"
                }
            };
            Error::file(Kind::Config, "read", &file.shown, &error).hint(way_out)
        })?;
        Ok(file)
    }

    fn content(&self) -> io::Result<Option<Vec<u8>>> {
        let path = text_file::within(&self.folder.join(FILE), &self.top)?;
        match regular_file::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is one, be it good or bad.
    pub fn is_there(&self) -> bool {
        self.bytes.is_some()
    }

    /// What it says; `None` where it is not there.
    ///
    /// # Errors
    /// When it is no baseline, with the way to get one.
    pub fn parse(&self) -> Result<Option<Baseline>, Error> {
        let parsed = self.bytes.as_deref().map(Baseline::parse).transpose();
        parsed.map_err(|error| {
            let message = error.to_string().replacen(FILE, &self.shown, 1);
            Error::new(Kind::Config, message).hint(self.way_out(&error))
        })
    }

    /// The SHA-256 of its content, in hexadecimal; `None` where it is not there.
    pub fn hash(&self) -> Option<String> {
        let bytes = self.bytes.as_ref()?;
        Some(HEXLOWER.encode(&Sha256::digest(bytes)))
    }

    fn way_out(&self, error: &BaselineError) -> String {
        let shown = &self.shown;
        match error {
            BaselineError::NewerSchema { .. } => {
                "use the cbox that wrote it, or a newer one".into()
            }
            _ if self.committed => COMMITTED.into(),
            BaselineError::Conflict { .. } => {
                format!(
                    "take either side (`git checkout --ours -- {shown}`; after the merge, `git checkout \
                     COMMIT -- {shown}`), then `cbox accept`"
                )
            }
            _ if self.tracked => format!(
                "`git checkout -- {shown}` restores the last one; if that is no better, remove it, and `cbox accept` writes a new one"
            ),
            _ => "remove it, and `cbox accept` writes a new one".into(),
        }
    }

    /// Puts `baseline` in the file's place, and says whether that changed anything. All
    /// of it or nothing is written, and nothing if the file is not the one that was read.
    ///
    /// # Errors
    /// When the file has changed since, cannot be written, or could not be read again.
    pub async fn replace(
        &self,
        run: (&dyn Reporter, &Interrupt),
        baseline: &Baseline,
    ) -> Result<bool, Error> {
        let (file, text) = (self.clone(), to_text(baseline)?);
        // One run at a time reads, compares and writes. The lock is on the folder since the file
        // itself is replaced.
        let waiting = "waiting for another cbox that writes the baseline";
        let unwritable = |error: &io::Error| self.unwritable(error);
        let _turn = lock(run, &self.folder, waiting, unwritable).await?;
        blocking(move || file.replace_now(&text)).await
    }

    fn unwritable(&self, error: &io::Error) -> Error {
        Error::file(Kind::Output, "write", &self.shown, error)
    }

    fn replace_now(&self, text: &str) -> Result<bool, Error> {
        let unwritable = |error: io::Error| self.unwritable(&error);
        let now = self.content().map_err(unwritable)?;
        // Another run that came to the same is no trouble.
        if now.as_deref() == Some(text.as_bytes()) {
            return Ok(false);
        }
        if now != self.bytes {
            return Err(Error::new(
                Kind::Output,
                format!("{} changed while the hosts were evaluated", self.shown),
            )
            .hint("run `cbox accept` again"));
        }
        text_file::replace(&self.folder.join(FILE), &self.top, text).map_err(unwritable)?;
        Ok(true)
    }
}

/// What is written of `baseline`.
fn to_text(baseline: &Baseline) -> Result<String, Error> {
    let text = baseline.to_json();
    match Baseline::parse(text.as_bytes()) {
        Ok(_) => Ok(text),
        Err(error) => {
            let message = format!("nothing is written that cannot be read again: {error}");
            Err(Error::new(Kind::Output, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Entry;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn read(folder: &Utf8Path) -> BaselineFile {
        BaselineFile::read(folder, folder, FILE.to_owned(), false, true).unwrap()
    }

    fn baseline(hosts: &[(&str, char)]) -> Baseline {
        let entry = |digit: char| {
            let digest = digit.to_string().repeat(32);
            Entry {
                system: "x86_64-linux".parse().unwrap(),
                drv_path: format!("/nix/store/{digest}-x.drv").try_into().unwrap(),
                out_path: format!("/nix/store/{digest}-x").try_into().ok(),
                flake_lock: None,
            }
        };
        let hosts = hosts
            .iter()
            .map(|&(host, digit)| (host.to_owned(), entry(digit)));
        Baseline {
            hosts: hosts.collect(),
        }
    }

    #[test]
    fn it_is_written_in_one_step() {
        let (_folder, folder) = folder();
        let first = read(&folder);
        assert_eq!(first.parse().unwrap(), None);
        assert!(
            first
                .replace_now(&baseline(&[("a", '1')]).to_json())
                .unwrap()
        );
        let there = read(&folder);
        assert_eq!(there.parse().unwrap(), Some(baseline(&[("a", '1')])));
        let same = there.replace_now(&baseline(&[("a", '1')]).to_json());
        assert!(!same.unwrap(), "nothing to write");
        let mode = fs::metadata(folder.join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644);
        let names = fs::read_dir(&folder).unwrap().count();
        assert_eq!(names, 1, "nothing else stays");
    }

    #[test]
    fn what_others_wrote_meanwhile_is_kept() {
        let (_folder, folder) = folder();
        let (first, second) = (read(&folder), read(&folder));
        first
            .replace_now(&baseline(&[("a", '1')]).to_json())
            .unwrap();
        let late = second
            .replace_now(&baseline(&[("a", '2')]).to_json())
            .unwrap_err();
        assert_eq!(
            (late.kind, late.message.as_str()),
            (
                Kind::Output,
                "baseline.json changed while the hosts were evaluated"
            )
        );
        assert_eq!(
            read(&folder).parse().unwrap(),
            Some(baseline(&[("a", '1')]))
        );
        let same = second.replace_now(&baseline(&[("a", '1')]).to_json());
        assert!(!same.unwrap(), "somebody else came to the same");
    }

    #[test]
    fn what_cannot_be_written_is_called_so() {
        let (folder, path) = folder();
        let file = read(&path);
        drop(folder);
        let error = file
            .replace_now(&Baseline::default().to_json())
            .unwrap_err();
        assert_eq!(error.kind, Kind::Output);
        assert!(
            error.message.starts_with("cannot write baseline.json"),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_read_again_is_not_written() {
        let message = to_text(&baseline(&[("a b", '1')])).unwrap_err().message;
        assert!(
            message.contains("`a b` cannot be the name of a host"),
            "{message}"
        );
    }

    #[test]
    fn a_symlink_stays_one() {
        let (_folder, folder) = folder();
        fs::create_dir(folder.join("inner")).unwrap();
        fs::write(folder.join("inner/real"), "{}").unwrap();
        symlink("inner/real", folder.join(FILE)).unwrap();
        read(&folder)
            .replace_now(&Baseline::default().to_json())
            .unwrap();
        assert!(folder.join(FILE).is_symlink());
        assert_eq!(read(&folder).parse().unwrap(), Some(Baseline::default()));
    }

    #[test]
    fn what_is_no_baseline_says_the_way_out() {
        let (_folder, folder) = folder();
        let error = |bytes: &str, committed: bool, tracked: bool| {
            fs::write(folder.join(FILE), bytes).unwrap();
            let shown = if committed { "v1:baseline.json" } else { FILE };
            let file = BaselineFile::read(&folder, &folder, shown.to_owned(), committed, tracked);
            let error = file.unwrap().parse().unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            (error.message, error.hint.unwrap())
        };
        let (message, hint) = error("", false, true);
        assert_eq!(message, "baseline.json is empty");
        assert!(
            hint.starts_with("`git checkout -- baseline.json` restores"),
            "{hint}"
        );
        assert_eq!(
            error("", false, false).1,
            "remove it, and `cbox accept` writes a new one"
        );
        let (message, hint) = error("{", true, true);
        assert!(
            message.starts_with("v1:baseline.json is cut off"),
            "{message}"
        );
        assert!(hint.contains("another commit"), "{hint}");
        assert!(
            error("<<<<<<< a\n", false, true)
                .1
                .starts_with("take either side")
        );
        assert!(error("{\"schema\": 3}", true, true).1.contains("newer"));
        fs::remove_file(folder.join(FILE)).unwrap();
        fs::create_dir(folder.join(FILE)).unwrap();
        assert!(BaselineFile::read(&folder, &folder, FILE.into(), false, false).is_err());
    }

    /// The form of the file is for git's sake, so git is asked.
    #[test]
    fn git_merges_different_hosts_and_sees_a_conflict_on_one() {
        let (_folder, folder) = folder();
        let merge = |ours: &[(&str, char)], theirs: &[(&str, char)]| {
            let base = [("a", '1'), ("b", '1'), ("c", '1')];
            for (name, hosts) in [("base", &base[..]), ("ours", ours), ("theirs", theirs)] {
                fs::write(folder.join(name), baseline(hosts).to_json()).unwrap();
            }
            let arguments = ["merge-file", "-p", "ours", "base", "theirs"];
            let command =
                cbox_nix::process::Command::new("git", arguments).in_folder(folder.as_std_path());
            let answer = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(command.ask(&cbox_nix::Interrupt::never()))
                .unwrap();
            // Its exit code is the number of conflicts.
            answer.map(|answer| Baseline::parse(&answer.stdout).unwrap())
        };
        assert_eq!(
            merge(
                &[("a", '2'), ("b", '1'), ("c", '1')],
                &[("a", '1'), ("b", '2'), ("c", '2')]
            ),
            Some(baseline(&[("a", '2'), ("b", '2'), ("c", '2')]))
        );
        assert_eq!(
            merge(
                &[("a", '2'), ("b", '1'), ("c", '1')],
                &[("a", '3'), ("b", '1'), ("c", '1')]
            ),
            None
        );
    }
}
