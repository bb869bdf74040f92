//! Whatever a user or a repository has configured, and whatever is hidden from git: the
//! answers are the same, and nothing runs.

use super::*;

/// A commit is the same whatever the user has configured, and wherever that stands.
#[test]
fn a_commit_is_laid_out_alike_for_everybody() {
    let (place, commit) = with_attributes();
    let plain = contents(place.materialise(&commit).0.path());
    place.write("replacement", "b\n");
    let other = place.git(&["hash-object", "-w", "replacement"]);
    let of_tool = place.git(&["rev-parse", "HEAD:tool"]);
    place.git(&["replace", &of_tool, &other]);
    place.write(".git/info/attributes", "* text eol=crlf filter=upper\n");
    place.write(".git/attributes", "* eol=crlf\n");
    let attributes = place.folder.path().join(".git/attributes");
    place.git(&[
        "config",
        "core.attributesFile",
        attributes.to_str().unwrap(),
    ]);
    place.git(&["config", "filter.upper.required", "true"]);
    place.git(&["config", "filter.upper.process", "false"]);
    for (setting, value) in [
        ("core.autocrlf", "true"),
        ("core.autocrlf", "input"),
        ("core.eol", "crlf"),
        ("core.fileMode", "false"),
        ("core.symlinks", "false"),
        ("core.safecrlf", "true"),
        ("core.sparseCheckout", "true"),
    ] {
        place.git(&["config", setting, value]);
        let folder = place.materialise(&commit).0;
        assert!(contents(folder.path()) == plain, "{setting}={value}");
    }
}

/// A clone without contents fetches them, and gives the same commit.
#[test]
fn a_commit_of_a_partial_clone_is_fetched_and_laid_out() {
    let (place, commit) = with_attributes();
    place.git(&["config", "uploadpack.allowFilter", "true"]);
    place.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let folder = tempfile::tempdir().unwrap();
    let from = format!("file://{}", place.folder.path().display());
    let clone = [
        "clone",
        "-q",
        "--no-checkout",
        "--filter=blob:none",
        &from,
        ".",
    ];
    git(folder.path(), &clone);
    let clone = Place::at(folder);
    clone.git(&["config", "filter.upper.smudge", "tr a-z A-Z"]);
    let there = contents(place.materialise(&commit).0.path());
    assert!(contents(clone.materialise(&commit).0.path()) == there);
}

#[test]
fn changes_are_told_however_they_are_hidden() {
    let place = Place::new();
    for name in ["assumed", "skipped", "gone", "kept", "mode", "deep/ä b"] {
        place.write(name, "1\n");
    }
    place.commit("one");
    let told = || {
        let changes = run(place.repository.changes(&Interrupt::never())).unwrap();
        let mut paths: Vec<String> = changes
            .iter()
            .map(|change| change.path.display().to_string())
            .collect();
        paths.sort();
        let looked_at = changes.iter().filter(|change| !change.hidden);
        let looked_at: Vec<&Path> = looked_at.map(|change| change.path.as_path()).collect();
        assert!(looked_at.is_empty() || looked_at == [Path::new("mode")]);
        let head = run(place.repository.head(&Interrupt::never())).unwrap();
        let staging = run(place.repository.files_and_head(&Interrupt::never())).unwrap();
        assert_eq!(head.dirty, !paths.is_empty());
        assert_eq!(staging.1, head);
        paths
    };
    place.git(&[
        "update-index",
        "--assume-unchanged",
        "assumed",
        "kept",
        "deep/ä b",
    ]);
    place.git(&[
        "update-index",
        "--skip-worktree",
        "skipped",
        "gone",
        "deep/ä b",
    ]);
    place.git(&["config", "core.fileMode", "false"]);
    place.git(&["config", "core.splitIndex", "true"]);
    assert!(told().is_empty(), "hidden and unchanged");
    let index = fs::read(place.folder.path().join(".git/index")).unwrap();
    place.write("assumed", "2\n");
    assert_eq!(told(), ["assumed"]);
    place.write("skipped", "2\n");
    place.write("deep/ä b", "2\n");
    fs::remove_file(place.folder.path().join("gone")).unwrap();
    let mode = place.folder.path().join("mode");
    fs::set_permissions(mode, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(told(), ["assumed", "deep/ä b", "gone", "mode", "skipped"]);
    let added = run(place
        .repository
        .added_lines("HEAD", None, &Interrupt::never()))
    .unwrap();
    let files: Vec<&Path> = added.iter().map(|line| line.file.as_path()).collect();
    assert_eq!(files, ["assumed", "deep/ä b", "skipped"].map(Path::new));
    let after = fs::read(place.folder.path().join(".git/index")).unwrap();
    assert!(index == after, "the repository's own index changed");
}

/// A file that is saved in the second of the commit, with another content of the same length,
/// looks as it did to everybody but git.
#[test]
fn a_hidden_change_of_the_same_second_is_seen() {
    let place = Place::new();
    place.write("a", "1\n");
    place.commit("one");
    place.git(&["update-index", "--assume-unchanged", "a"]);
    place.write("a", "2\n");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let changes = run(place.repository.changes(&Interrupt::never())).unwrap();
    assert!(changes.iter().any(|change| change.hidden), "{changes:?}");
}

/// Whatever a repository names as filter, hook or monitor stays unasked, also where git would
/// have to look into a file.
#[test]
fn nothing_runs_that_the_repository_names() {
    let place = Place::new();
    place.write(".gitattributes", "* filter=a.b=c\n");
    place.write("a", "1\n");
    let commit = place.commit("one");
    let marker = place.folder.path().join(".git/ran");
    let program = place.folder.path().join(".git/program");
    let script = format!("#!/bin/sh\ntouch {}\ncat\n", marker.display());
    place.write(".git/program", script);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    for setting in ["clean", "smudge", "process"] {
        place.git(&["config", &format!("filter.a.b=c.{setting}"), program]);
    }
    place.git(&["config", "filter.a.b=c.required", "true"]);
    place.git(&["config", "core.fsmonitor", program]);
    for hook in ["post-index-change", "post-checkout", "fsmonitor-watchman"] {
        fs::create_dir_all(place.folder.path().join(".git/hooks")).unwrap();
        symlink(program, place.folder.path().join(".git/hooks").join(hook)).unwrap();
    }
    place.write("a", "2\n");
    let never = Interrupt::never();
    let repository = &place.repository;
    assert_eq!(run(repository.changes(&never)).unwrap().len(), 1);
    assert!(run(repository.files_and_head(&never)).unwrap().1.dirty);
    assert_eq!(
        run(repository.added_lines(&commit, None, &never))
            .unwrap()
            .len(),
        1
    );
    place.materialise(&commit);
    run(repository.ignored_by(Path::new("a"), &never)).unwrap();
    run(repository.tracks(Path::new("a"), &never)).unwrap();
    assert!(!marker.exists(), "something ran");
    place.git(&["config", "--unset", "filter.a.b=c.process"]);
    place.git(&["status"]);
    assert!(marker.exists(), "nothing runs here anyway");
}
