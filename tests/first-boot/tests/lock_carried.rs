//! `scripts/lock-carried.sh`, which writes what The Box carries for places without a
//! network: with a stand-in for Nix, and so without one itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A copy of the parts of the repository that the script touches.
struct Repository(TempDir);

/// `nix` as far as the script asks it: what it is told, by the words of a call. Images
/// are archives of `amd64`, unless `ARM` says otherwise.
const NIX: &str = r#"#!/bin/sh
echo "$*" >>"$LOG"
case $* in
  *'flake prefetch'*) [ -z "${OFFLINE-}" ] && echo '{"hash": "sha256-SOURCE"}' ;;
  *goModules*) echo '         got:    sha256-VENDOR='; exit 1 ;;
  *concatLines*) printf 'docker.io/a/b:1\nquay.io/c/d:v5\n' ;;
  *inspect*) [ -z "${OFFLINE-}" ] && echo sha256:DIGEST ;;
  *copy*)
    for last; do :; done
    file=${last#docker-archive://} file=${file%%:*}
    case $* in *'arch arm64'*) arch=${ARM-arm64} ;; *) arch=amd64 ;; esac
    folder=$(mktemp -d)
    echo '[{"Config": "c.json"}]' >"$folder/manifest.json"
    echo "{\"architecture\": \"$arch\"}" >"$folder/c.json"
    tar -cf "$file" -C "$folder" manifest.json c.json ;;
  *'hash file'*) echo sha256-ARCHIVE ;;
  *) echo "not known: $*" >&2; exit 1 ;;
esac
"#;

const SOURCE: &str = "packages/terraform-provider-coder/source.json";
const IMAGES: &str = "nixos/modules/offline/images.json";

impl Repository {
    fn new() -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let repository = Self(tempfile::tempdir().expect("a folder"));
        for file in ["scripts/lock-carried.sh", "scripts/lib/common.sh"] {
            let to = repository.path(file);
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::copy(top.join(file), to).expect("a copy");
        }
        for file in [SOURCE, IMAGES] {
            let folder = repository.path(file);
            fs::create_dir_all(folder.parent().expect("a folder")).expect("a folder");
        }
        fs::write(repository.path(IMAGES), "{}").expect("write");
        let nix = repository.path("bin/nix");
        fs::create_dir(repository.path("bin")).expect("a folder");
        fs::write(&nix, NIX).expect("write");
        fs::set_permissions(&nix, fs::Permissions::from_mode(0o755)).expect("a mode");
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, words: &[&str], set: &[(&str, &str)]) -> (Option<i32>, String) {
        let path = std::env::var("PATH").expect("a PATH");
        let output = Command::new("sh")
            .arg(self.path("scripts/lock-carried.sh"))
            .args(words)
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("LOG", self.path("log"))
            .envs(set.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("sh starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }

    fn json(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.path(name)).expect("text");
        serde_json::from_str(&text).expect("JSON")
    }
}

#[test]
fn what_it_finds_out_is_what_the_modules_read() {
    let repository = Repository::new();
    let (code, said) = repository.run(&[], &[]);
    assert_eq!(code, Some(0), "{said}");
    let source = repository.json(SOURCE);
    let wanted =
        json!({"version": "2.9.0", "hash": "sha256-SOURCE", "vendorHash": "sha256-VENDOR="});
    assert_eq!(source, wanted);
    let images = repository.json(IMAGES);
    for image in ["docker.io/a/b:1", "quay.io/c/d:v5"] {
        for architecture in ["amd64", "arm64"] {
            let one = &images[image][architecture];
            assert_eq!(one["digest"], "sha256:DIGEST");
            assert_eq!(one["hash"], "sha256-ARCHIVE");
            assert!(one["bytes"].as_u64() > Some(0));
        }
    }
    // By its digest, under the name that templates ask for.
    let log = fs::read_to_string(repository.path("log")).expect("text");
    assert!(
        log.contains("docker://docker.io/a/b@sha256:DIGEST"),
        "{log}"
    );
    assert!(log.contains("image.tar:docker.io/a/b:1"), "{log}");
}

#[test]
fn a_release_that_is_named_is_taken() {
    let repository = Repository::new();
    let (code, said) = repository.run(&["provider", "2.8.0"], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(repository.json(SOURCE)["version"], "2.8.0");
    assert_eq!(repository.json(IMAGES), json!({}));
}

#[test]
fn without_a_network_it_says_so_and_changes_nothing() {
    for (what, sentence) in [
        (
            "provider",
            "release 2.9.0 of coder/coder was not downloaded",
        ),
        (
            "images",
            "docker.io/a/b:1 for amd64 is not there, or there is no network",
        ),
    ] {
        let repository = Repository::new();
        let (code, said) = repository.run(&[what], &[("OFFLINE", "1")]);
        assert_eq!(code, Some(1));
        assert!(said.contains(sentence), "{said}");
        assert!(!repository.path(SOURCE).exists());
        assert_eq!(repository.json(IMAGES), json!({}));
    }
}

#[test]
fn an_image_that_has_nothing_for_an_architecture_is_refused() {
    let repository = Repository::new();
    let (code, said) = repository.run(&["images"], &[("ARM", "amd64")]);
    assert_eq!(code, Some(1));
    let sentence = "docker.io/a/b:1 has nothing for arm64: what it gives is for amd64";
    assert!(said.contains(sentence), "{said}");
    assert_eq!(repository.json(IMAGES), json!({}));
}

#[test]
fn a_word_that_it_does_not_know_is_wrong_usage() {
    let repository = Repository::new();
    let (code, said) = repository.run(&["image"], &[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("there is no 'image'"), "{said}");
}
