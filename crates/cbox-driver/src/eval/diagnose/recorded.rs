//! Real errors of Nix, as `tests/errors/record.sh` recorded them, and what becomes of each.
//!
//! A folder of `tests/errors/fixtures/` is one error: `nix-<version>.txt` is what that release
//! said, behind a line that names the call, and `cbox.snap` what the user reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cbox_nix::{
    NixError,
    build::{BuildFailure, Causes},
    eval::explain,
    events::Reader,
    expression::Request,
    nix::Staged,
    nix_error::Fault,
    overrides::Overrides,
};
use cbox_source::tree::{Entry, Kind, Tree};
use nix_formats::{
    nar::Hasher,
    nix_text::without_escapes,
    store_path::{DEFAULT_STORE_DIR, StorePath},
};
use serde_json::json;

use super::{in_users_terms, of_fetch, place};
use crate::{
    ci::SYSTEMS,
    flake::{checkout::Checkout, project::Project},
    process::environment::Environment,
};

/// The store path of the staged source in all recordings.
const STAGED: &str = "/nix/store/00000000000000000000000000000000-source";

/// The option that a case may set; see `cases.sh`.
const SET: &str = "services.coder.enabel";

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/errors/fixtures");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
}

/// The recordings of a case, each with the release that made it.
fn recordings(case: &Path) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(case)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let version = name.strip_prefix("nix-")?.strip_suffix(".txt")?.to_owned();
            Some((version, fs::read_to_string(case.join(name)).unwrap()))
        })
        .collect();
    found.sort();
    found
}

/// The error that cbox makes of a recording.
fn error_of(recording: &str, sets: bool) -> NixError {
    let (call, stderr) = recording.split_once('\n').unwrap();
    let plain = without_escapes(stderr);
    let start = match plain.starts_with("error:") {
        true => 0,
        false => plain.rfind("\nerror:").map_or(0, |before| before + 1),
    };
    let fault = Fault::of(&plain[start..], "", STAGED);
    match call {
        "$ nix eval --apply" => explain(&request(sets), fault),
        "$ nix flake metadata --no-update-lock-file" => NixError::Flake {
            fault: Box::new(fault),
        },
        "$ nix build" => failed_build(stderr),
        _ => NixError::Failed {
            command: call.trim_start_matches("$ ").to_owned(),
            status: "failed with exit code 1".to_owned(),
            signal: None,
            stderr: plain,
        },
    }
}

fn request(sets: bool) -> Request {
    let mut overrides = Overrides::default();
    if sets {
        overrides.force(SET.parse().unwrap(), json!(true));
    }
    Request {
        host: "box".into(),
        overrides,
        ..Request::default()
    }
}

fn failed_build(stderr: &str) -> NixError {
    let (mut reader, mut causes) = (Reader::default(), Causes::default());
    for line in stderr.lines() {
        if let Some(event) = reader.line(line.as_bytes()) {
            causes.look(&event);
        }
    }
    BuildFailure::new(&reader, causes, "nix log ".to_owned()).into()
}

/// What the user reads who stands at the top of the tree in `folder`.
fn rendered(folder: &Path, recording: &str, sets: bool) -> String {
    let folder = camino::Utf8PathBuf::from_path_buf(folder.to_owned()).unwrap();
    let environment = Environment {
        folder: folder.clone(),
        ..Environment::unknown()
    };
    let project = Project::find(&environment, Some(&folder)).unwrap();
    let origin = Checkout::working_tree(project);
    let staged = Staged {
        path: StorePath::from_absolute_path(STAGED, DEFAULT_STORE_DIR).unwrap(),
        nar_hash: Hasher::default().finish(),
        dir: String::new(),
    };
    let mut error = error_of(recording, sets);
    if let NixError::Evaluation { fault, .. } = &mut error {
        let file = |path: &str| Entry {
            path: path.into(),
            kind: Kind::Symlink,
            tracked: true,
            changed_at: 0,
        };
        let tree = Tree {
            top: folder.into(),
            entries: vec![file("flake.nix"), file("hosts/box/default.nix")],
        };
        place::complete(fault, &tree, STAGED);
    }
    let error = match error {
        error @ NixError::Failed { .. } if recording.starts_with("$ nix flake metadata") => {
            of_fetch("parts", error)
        }
        error => in_users_terms(&origin, &environment, error, &staged, "".into()),
    };
    let mut text = format!("error: {}\n", error.lines().join("\n"));
    if let Some(annotation) = SYSTEMS[0].placed_annotation(&error) {
        let annotation = annotation.as_str();
        let (properties, _) = annotation.split_once("::cbox").unwrap_or((annotation, ""));
        let properties = properties.split(",title").next().unwrap();
        text.push_str(&format!("on GitHub: {properties}\n"));
    }
    format!("{text}exit code: {}\n", error.kind.code())
}

/// What the user reads in a case, with each release.
fn told(case: &Path) -> String {
    // The tree of the case, for the lines that Nix does not name.
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("flake.nix"), "").unwrap();
    fs::create_dir_all(tree.path().join("hosts/box")).unwrap();
    let host = fs::read(case.join("host.nix")).unwrap();
    fs::write(tree.path().join("hosts/box/default.nix"), host).unwrap();
    let folder = tree.path().canonicalize().unwrap();
    let sets = case.ends_with("nixos-no-such-option-set");
    let mut versions: Vec<(String, String)> = Vec::new();
    for (version, recording) in recordings(case) {
        let text = rendered(&folder, &recording, sets);
        match versions.last_mut() {
            // Releases that come to the same are told once.
            Some((known, same)) if *same == text => known.push_str(&format!(", {version}")),
            _ => versions.push((version, text)),
        }
    }
    let parts = versions.iter();
    parts
        .map(|(version, text)| format!("# Nix {version}\n{text}"))
        .collect()
}

#[test]
fn recorded_errors_are_told_in_the_users_terms() {
    insta::glob!(
        "../../../../../tests/errors/fixtures",
        "*/host.nix",
        |host| {
            let case = host.parent().unwrap();
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path(case);
            settings.set_prepend_module_to_snapshot(false);
            settings.remove_snapshot_suffix();
            settings.set_omit_expression(true);
            settings.bind(|| insta::assert_snapshot!("cbox", told(case)));
        }
    );
}

#[test]
fn enough_errors_are_recorded_with_every_release() {
    let cases = fixtures();
    assert!(cases.len() >= 20, "{}", cases.len());
    for case in cases {
        let versions: Vec<String> = recordings(&case)
            .into_iter()
            .map(|(version, _)| version)
            .collect();
        assert_eq!(versions, ["2.26", "2.34"], "{}", case.display());
    }
}
