//! A store in which garbage can be collected.

use std::{fs, path::PathBuf};

use crate::support::{call::Ended, place::Place};

use super::{commit, entry, set, verdicts};

/// A store of the place's own, since nothing may be taken out of the one that all share.
pub(super) struct Own {
    pub(super) place: Place,
    pub(super) store: String,
}

impl Own {
    /// A flake without hosts.
    pub(super) fn new() -> Self {
        let place = super::hosts(&[]);
        let store = place.beside("store").display().to_string();
        Self { place, store }
    }

    /// A host that was accepted, and has changed since.
    pub(super) fn with_a_change() -> Self {
        let own = Self::new();
        own.accepted("box", "one");
        set(&own.place, "box", "echo two");
        own.place.commit("changed");
        own
    }

    /// Changes and accepts a host, in one commit. Gives the commit.
    #[track_caller]
    pub(super) fn accepted(&self, host: &str, word: &str) -> String {
        set(&self.place, host, &format!("echo {word} {}", self.store));
        self.accept(&format!("{host} {word}"))
    }

    /// Accepts what there is, in one commit with it. Gives the commit.
    #[track_caller]
    pub(super) fn accept(&self, message: &str) -> String {
        self.place.git(&["add", "--all"]);
        self.cbox(&["accept"]).ok();
        self.place.commit(message);
        commit(&self.place, "HEAD")
    }

    pub(super) fn cbox(&self, args: &[&str]) -> Ended {
        self.place.cbox(args).args(["--store", &self.store]).run()
    }

    /// Where the accepted derivation of a host is on disk.
    pub(super) fn file(&self, host: &str) -> PathBuf {
        let drv = entry(&self.place, host, "drvPath");
        PathBuf::from(format!("{}{drv}", self.store))
    }

    /// Takes the accepted derivation of a host out of the store, as a garbage collection does.
    #[track_caller]
    pub(super) fn collect(&self, host: &str) {
        let drv = entry(&self.place, host, "drvPath");
        let delete = ["store", "delete", "--store", &self.store, &drv];
        self.place.nix(&delete).run().ok();
        assert!(!self.file(host).exists());
    }

    /// Puts other bytes in the place of the accepted derivation.
    pub(super) fn spoil(&self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let file = self.file("box");
        let bytes = change(fs::read(&file).unwrap());
        let free = ["u+w", file.to_str().unwrap()];
        self.place.call("chmod").args(free).run().ok();
        fs::write(file, bytes).unwrap();
    }

    /// The verdict alone, and the reason for that.
    #[track_caller]
    pub(super) fn unexplained(&self) -> String {
        let ended = self.cbox(&["verify-hosts"]).code(1);
        assert_eq!(ended.lines().len(), 1, "{ended}");
        assert_eq!(verdicts(&ended), ["changed box"]);
        let reason = ended.stdout.split("not explained: ").nth(1);
        reason
            .unwrap_or_else(|| panic!("{ended}"))
            .trim()
            .to_owned()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Nix keeps the folders of a store from being written.
        let free = ["-R", "u+w", &self.store];
        drop(self.place.call("chmod").args(free).run());
    }
}
