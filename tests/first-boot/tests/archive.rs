//! The bytes of a template's archive. Installed machines know a template by the hash of those that
//! GNU tar made of it, so they stay what GNU tar makes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use first_boot_tests::coder::Coder;
use first_boot_tests::machine::Machine;

/// What GNU tar makes of the folder.
fn of_tar(folder: &Path) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["--create", "--file=-", "--format=ustar", "--sort=name"])
        .args(["--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--mode=u=rwX,go=rX", "--exclude=.terraform", "--directory"])
        .arg(folder)
        .arg(".")
        .env("LC_ALL", "C")
        .output()
        .expect("tar starts");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// What the program gives to Coder, which had none before.
fn uploaded(templates: &Path) -> Option<Vec<Vec<u8>>> {
    let coder = Coder::start();
    let mut machine = Machine::new(&coder)?;
    machine.set("FIRST_BOOT_TEMPLATES", templates.display().to_string());
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    let files = coder
        .state()
        .files
        .iter()
        .map(|(bytes, _)| bytes.clone())
        .collect();
    Some(files)
}

fn file(path: PathBuf, content: &[u8], mode: u32) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("create");
    fs::write(&path, content).expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn of_the_templates_that_ship() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../coderd/templates");
    let Some(files) = uploaded(&templates) else {
        return;
    };
    let mut folders: Vec<_> = fs::read_dir(templates)
        .expect("the templates")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("main.tf").exists())
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    let same = folders.iter().map(|folder| of_tar(folder)).eq(files);
    assert!(same, "not what tar makes of {folders:?}");
}

#[test]
fn of_all_that_a_folder_can_hold() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let top = dir.path().join("t");
    let (long, longer) = ("x".repeat(60), "y".repeat(97));
    for (name, content, mode) in [
        ("main.tf", &b"# one\n"[..], 0o644),
        ("README.md", b"", 0o444),
        ("Upper", b"1", 0o600),
        ("sub/run.sh", b"2", 0o755),
        ("sub.tf", b"3", 0o711),
        ("sub-x", b"4", 0o4711),
        ("sub folder/\u{fc}.txt", b"5", 0o640),
        ("sub/.terraform", b"not packed", 0o644),
        (".terraform/x", b"not packed", 0o644),
        (".hidden", &[0; 511], 0o644),
        ("block", &[7; 512], 0o644),
        ("more", &[7; 513], 0o644),
        ("zeros", &[0; 20_000], 0o644),
        (&format!("{long}/{long}/file"), b"6", 0o644),
        (&longer, b"7", 0o644),
        (&format!("{longer}d/{long}"), b"8", 0o644),
        (&format!("{longer}d/{longer}/a"), b"9", 0o644),
    ] {
        file(top.join(name), content, mode);
    }
    fs::create_dir(top.join("empty")).expect("create");
    symlink("../main.tf", top.join("sub/link")).expect("link");
    symlink("nowhere", top.join("a-link")).expect("link");

    let Some(files) = uploaded(dir.path()) else {
        return;
    };

    assert!(files == [of_tar(&top)], "other bytes than tar's");
}

#[test]
fn files_that_a_store_has_made_one_are_two_all_the_same() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["t/main.tf", "t/other.tf", "u/main.tf", "u/other.tf"] {
        file(dir.path().join(name), b"# the same\n", 0o444);
    }
    fs::remove_file(dir.path().join("u/other.tf")).expect("remove");
    fs::hard_link(dir.path().join("u/main.tf"), dir.path().join("u/other.tf")).expect("link");

    let Some(files) = uploaded(dir.path()) else {
        return;
    };

    assert_eq!(files.len(), 1, "the same content is the same file to Coder");
}
