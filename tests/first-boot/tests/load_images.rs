//! How carried images get into Podman (`nixos/modules/offline/load-images.sh`), with a
//! stand-in for Podman that knows the images that it has loaded.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const PODMAN: &str = r#"#!/bin/sh
case "$1 $2" in
  'image exists') grep -qxF "$3" "$HAS" ;;
  'load --quiet')
    echo "$4" >>"$CALLS"
    case $4 in *full*) printf 'Copying blob\nError: no space left on device\n' >&2; exit 125 ;; esac
    name=docker.io/library/$(basename "$4" .tar | sed 's/^[^-]*-//')
    echo "$name" >>"$HAS"
    echo "Loaded image: $name" ;;
esac
"#;

struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(machine.path("bin")).expect("a folder");
        let podman = machine.path("bin/podman");
        fs::write(&podman, PODMAN).expect("write");
        fs::set_permissions(&podman, fs::Permissions::from_mode(0o755)).expect("a mode");
        fs::write(machine.path("has"), "").expect("write");
        fs::write(machine.path("calls"), "").expect("write");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// As the unit does, whose shell has these options of `writeShellApplication`.
    fn load(&self, archives: &[&str]) -> (Option<i32>, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../nixos/modules/offline/load-images.sh");
        let path = std::env::var("PATH").expect("a PATH");
        let output = Command::new("bash")
            .args(["-euo", "pipefail"])
            .arg(script)
            .args(archives)
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.0.path())
            .env("HAS", self.path("has"))
            .env("CALLS", self.path("calls"))
            .output()
            .expect("bash starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }

    fn calls(&self) -> usize {
        let calls = fs::read_to_string(self.path("calls")).expect("text");
        calls.lines().count()
    }
}

#[test]
fn each_is_loaded_once_and_again_when_it_is_another_one_or_gone() {
    let machine = Machine::new();
    let first = ["/nix/store/a-python.tar", "/nix/store/a-node.tar"];
    assert_eq!(machine.load(&first), (Some(0), String::new()));
    assert_eq!(machine.calls(), 2);
    assert_eq!(machine.load(&first).0, Some(0));
    assert_eq!(machine.calls(), 2, "loaded again");
    let second = ["/nix/store/b-python.tar", "/nix/store/a-node.tar"];
    assert_eq!(machine.load(&second).0, Some(0));
    assert_eq!(machine.calls(), 3, "a new one of that name");
    fs::write(machine.path("has"), "").expect("write");
    assert_eq!(machine.load(&second).0, Some(0));
    assert_eq!(machine.calls(), 5, "somebody removed them");
}

#[test]
fn what_cannot_be_loaded_is_named_with_the_reason_and_keeps_none_of_the_others() {
    let machine = Machine::new();
    let (code, said) = machine.load(&["/nix/store/a-full.tar", "/nix/store/a-node.tar"]);
    assert_eq!(code, Some(1));
    let sentence = "The carried image a-full.tar was not loaded: Error: no space left on device\n";
    assert_eq!(said, sentence);
    let has = fs::read_to_string(machine.path("has")).expect("text");
    assert_eq!(has, "docker.io/library/node\n");
}
