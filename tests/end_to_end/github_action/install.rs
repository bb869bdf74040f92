//! What is downloaded is checked before it runs.

use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    sync::{Arc, Mutex},
};

use minisign::KeyPair;

use super::{
    has,
    server::{Answer, Server},
};
use crate::support::{
    call::{Call, Ended},
    place::{Place, top},
};

const VERSION: &str = "1.2.3";

/// A release: its files, by name, and a server that has them.
struct Release {
    place: Place,
    server: Server,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    archive: String,
    key: KeyPair,
}

impl Release {
    fn new() -> Option<Self> {
        if !has(&["curl", "openssl", "tar", "awk", "sha256sum"]) {
            return None;
        }
        let place = Place::empty("repo");
        let name = format!("cbox-{VERSION}-{}-linux", std::env::consts::ARCH);
        let archive = format!("{name}.tar.gz");
        place.write(format!("{name}/bin/cbox"), "#!/bin/sh\necho cbox 1.2.3\n");
        place.write(format!("{name}/bin/other"), "");
        place.call("tar").args(["-czf", &archive, &name]).run().ok();
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let kept = Arc::clone(&files);
        let server = Server::start(move |request| {
            let name = request.path.strip_prefix(&format!("/v{VERSION}/"));
            let found = name.and_then(|name| kept.lock().unwrap().get(name).cloned());
            found.map_or_else(|| Answer::status(404), Answer::bytes)
        });
        let release = Self {
            key: KeyPair::generate_unencrypted_keypair().unwrap(),
            archive,
            place,
            server,
            files,
        };
        release.publish();
        Some(release)
    }

    /// Puts what `repo/` has there, with its checksums and their signature.
    fn publish(&self) {
        let sums = self
            .place
            .call("sha256sum")
            .args([&self.archive])
            .run()
            .ok();
        let archive = fs::read(self.place.path(&self.archive)).unwrap();
        self.set(&self.archive, archive);
        self.set(
            "SHA256SUMS",
            format!("{}  other.iso\n{}", "0".repeat(64), sums.stdout),
        );
        self.sign(&self.key);
    }

    fn sign(&self, key: &KeyPair) {
        let sums = self.files.lock().unwrap()["SHA256SUMS"].clone();
        let signature = minisign::sign(None, &key.sk, Cursor::new(sums), Some("a comment"), None);
        self.set("SHA256SUMS.minisig", signature.unwrap().into_string());
    }

    fn set(&self, name: &str, content: impl Into<Vec<u8>>) {
        self.files
            .lock()
            .unwrap()
            .insert(name.to_owned(), content.into());
    }

    fn public_key(&self) -> String {
        self.key.pk.to_base64()
    }

    fn call(&self, variables: &[(&str, &str)]) -> Call {
        let script = top().join(".github/actions/verify/install.sh");
        let mut call = self
            .place
            .call(script)
            .env("VERSION", VERSION)
            .env("REPOSITORY", "owner/name")
            .env("RUNNER_TEMP", self.place.beside("tmp"))
            .env("CBOX_RELEASES", &self.server.address);
        for (name, value) in variables {
            call = call.env(name, value);
        }
        call
    }

    /// Fails the test unless it is refused with these words, and nothing is left there.
    #[track_caller]
    fn refused(&self, variables: &[(&str, &str)], words: &str) -> Ended {
        let ended = self.call(variables).run().code(1);
        assert_eq!(ended.stdout, "", "{ended}");
        assert!(
            ended.stderr.starts_with("::error title=cbox::")
                || ended.stderr.contains("\n::error title=cbox::"),
            "{ended}"
        );
        let left = fs::read_dir(self.place.beside("tmp")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
        for folder in left {
            assert!(!folder.join("cbox").exists(), "{ended}");
        }
        ended.says(&[words])
    }
}

#[test]
fn a_release_is_checked_and_unpacked() {
    let Some(release) = Release::new() else {
        return;
    };
    let archive = fs::read(release.place.path(&release.archive)).unwrap();
    let sum = release
        .place
        .call("sha256sum")
        .args([&release.archive])
        .run()
        .ok();
    let sum = sum.text().split(' ').next().unwrap().to_owned();
    assert!(!archive.is_empty());
    let key = release.public_key();
    for variables in [
        &[][..],
        &[("VERSION", "v1.2.3")],
        &[("SHA256", &*sum)],
        &[("PUBLIC_KEY", &*key), ("SHA256", &sum)],
    ] {
        let ended = release.call(variables).run().ok();
        let program = format!("{}/cbox", ended.text());
        let told = release.place.call(&program).run().ok();
        assert_eq!(told.text(), "cbox 1.2.3");
        let folder = fs::read_dir(ended.text()).unwrap();
        assert_eq!(folder.count(), 1, "nothing else is unpacked");
        fs::remove_file(program).unwrap();
    }
}

#[test]
fn what_does_not_fit_is_not_unpacked() {
    let Some(release) = Release::new() else {
        return;
    };
    release.refused(&[("SHA256", &"a".repeat(64))], "is not what it should be");
    // Another archive than was listed.
    release.place.write(&release.archive, "another");
    let other = fs::read(release.place.path(&release.archive)).unwrap();
    release.set(&release.archive, other);
    release.refused(&[], "is not what it should be: its SHA-256 is ");
    // Listed twice, and not listed.
    let sums = format!(
        "{}  {}\n{}  {}\n",
        "a".repeat(64),
        release.archive,
        "b".repeat(64),
        release.archive
    );
    release.set("SHA256SUMS", sums);
    release.refused(&[], "has not one checksum of ");
    release.set(
        "SHA256SUMS",
        format!("{}  x{}\n", "a".repeat(64), release.archive),
    );
    release.refused(&[], "has not one checksum of ");
    release.files.lock().unwrap().clear();
    release.refused(&[], "cannot download SHA256SUMS of the release v1.2.3");
}

#[test]
fn an_archive_without_a_program_is_refused() {
    let Some(release) = Release::new() else {
        return;
    };
    release.place.write("elsewhere/cbox", "#!/bin/sh\n");
    let words = ["-czf", &release.archive, "elsewhere"];
    release.place.call("tar").args(words).run().ok();
    release.publish();
    release.refused(&[], "there is no cbox-1.2.3-");
}

#[test]
fn a_signature_has_to_be_by_the_key() {
    let Some(release) = Release::new() else {
        return;
    };
    let key = release.public_key();
    let with = [("PUBLIC_KEY", key.as_str())];
    let good = release.files.lock().unwrap()["SHA256SUMS.minisig"].clone();
    release.sign(&KeyPair::generate_unencrypted_keypair().unwrap());
    release.refused(&with, "SHA256SUMS is signed by another key");
    // The same name of a key in front of a signature by another: the hash alone would not tell.
    let text = String::from_utf8(good.clone()).unwrap();
    let tampered = text.replace("trusted comment: a comment", "trusted comment: b comment");
    assert_ne!(tampered, text);
    release.set("SHA256SUMS.minisig", tampered);
    release.refused(&with, "the signature of SHA256SUMS does not fit");
    release.set("SHA256SUMS.minisig", good.clone());
    let sums = release.files.lock().unwrap()["SHA256SUMS"].clone();
    release.set("SHA256SUMS", [&sums[..], b"\n"].concat());
    release.refused(&with, "the signature of SHA256SUMS does not fit");
    for none in [
        "",
        "text",
        "untrusted comment: x\nAAAA\ntrusted comment: y\nAAAA\n",
    ] {
        release.set("SHA256SUMS.minisig", none);
        release.refused(&with, "SHA256SUMS.minisig is no signature");
    }
    release.files.lock().unwrap().remove("SHA256SUMS.minisig");
    release.refused(&with, "cannot download SHA256SUMS.minisig");
    release.refused(
        &[("PUBLIC_KEY", "minisign.pub")],
        "the input public-key has to be one of minisign",
    );
    release.set("SHA256SUMS", sums);
    release.set("SHA256SUMS.minisig", good);
    release.call(&with).run().ok();
}

#[test]
fn inputs_are_words() {
    let Some(release) = Release::new() else {
        return;
    };
    for version in [
        "",
        "main",
        "1.2",
        "1.2.3/../../x",
        "1.2.3\n4.5.6",
        "$(touch x)1.2.3",
        "1.2.3;touch x",
        "-1.2.3",
        "1.2.3 ",
    ] {
        release.refused(
            &[("VERSION", version)],
            "the input version has to be a release",
        );
    }
    for repository in ["", "owner", "a/b/c", "../x", "a/b?c", "$(touch x)/y"] {
        if !repository.is_empty() && repository != "../x" {
            release.refused(&[("REPOSITORY", repository)], "is no repository");
        }
    }
    release.refused(&[("SHA256", "x")], "the input sha256 has to be 64");
    assert!(!release.place.path("x").exists());
    assert!(release.server.take().is_empty(), "nobody was asked");
}
