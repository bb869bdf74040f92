//! Tests on repositories that git made.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use super::*;
use crate::test_runtime::run;

mod configured;

/// A repository in a folder of its own.
struct Place {
    folder: tempfile::TempDir,
    repository: Repository,
}

/// Runs git in `folder`, without what the user of this machine has configured.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let own = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgSign=false",
        "-c",
        "protocol.file.allow=always",
    ];
    let command = Command::new("git", own.iter().chain(arguments))
        .in_folder(folder)
        .without(FOREIGN)
        .with("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = run(command.run(&Interrupt::never())).unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(
            folder.path(),
            &["init", "-q", "-b", "main", "--template=", "."],
        );
        Self::at(folder)
    }

    fn at(folder: tempfile::TempDir) -> Self {
        Self {
            repository: Repository::around(folder.path()).unwrap(),
            folder,
        }
    }

    /// A clone that has the last commit only.
    fn shallow(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = format!("file://{}", self.folder.path().display());
        git(
            folder.path(),
            &["clone", "-q", "--no-single-branch", "--depth=1", &from, "."],
        );
        Self::at(folder)
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(self.folder.path(), arguments)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn resolve(&self, revision: &str) -> Result<String, NixError> {
        run(self.repository.resolve(revision, &Interrupt::never()))
    }

    fn merge_base(&self, one: &str, other: &str) -> Result<String, NixError> {
        run(self.repository.merge_base(one, other, &Interrupt::never()))
    }

    fn materialise(&self, commit: &str) -> (tempfile::TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let files = run(self
            .repository
            .materialise(commit, folder.path(), &Interrupt::never()))
        .unwrap();
        (folder, files)
    }
}

/// What there is below `folder` except for git's own: contents and targets, with a word
/// on the kind.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (&'static str, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let what = if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                ("symlink", target.as_os_str().as_encoded_bytes().to_vec())
            } else if metadata.is_dir() {
                folders.push(path.clone());
                ("folder", vec![])
            } else if metadata.permissions().mode() & 0o100 != 0 {
                ("program", fs::read(&path).unwrap())
            } else {
                ("file", fs::read(&path).unwrap())
            };
            let inside = path.strip_prefix(folder).unwrap().to_owned();
            if !inside.starts_with(".git") {
                found.insert(inside, what);
            }
        }
    }
    found
}

/// A repository with everything that a checkout can do to a file.
fn with_attributes() -> (Place, String) {
    let place = Place::new();
    place.git(&["config", "filter.upper.smudge", "tr a-z A-Z"]);
    place.git(&["config", "filter.upper.clean", "tr A-Z a-z"]);
    place.write(
        ".gitattributes",
        "*.crlf text eol=crlf\n*.id ident\n*.up filter=upper\nhidden export-ignore\n\
         subst export-subst\n*.utf16 text working-tree-encoding=UTF-16LE\n",
    );
    // Sorted before the attributes, which count all the same.
    place.write("!first.crlf", "a\r\n");
    place.write("deep/.gitattributes", "*.crlf -text eol=\n");
    place.write("deep/kept.crlf", "a\n");
    place.write("x.crlf", "a\r\nb\r\n");
    place.write("x.id", "$Id$\n");
    place.write("x.up", "LOUD\n");
    place.write("x.utf16", b"a\0\n\0");
    place.write("hidden", "still here\n");
    place.write("subst", "$Format:%H$\n");
    place.write("new\nline", "a\n");
    place.write("tool", "#!/bin/sh\n");
    let tool = place.folder.path().join("tool");
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("nowhere", place.folder.path().join("link")).unwrap();
    let first = place.commit("one");
    place.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{first},module"),
    ]);
    place.git(&["commit", "-q", "-m", "a submodule"]);
    let commit = place.git(&["rev-parse", "HEAD"]);
    (place, commit)
}

#[test]
fn a_commit_is_laid_out_as_a_checkout_would() {
    let (place, commit) = with_attributes();
    let (folder, files) = place.materialise(&commit);
    let beside = tempfile::tempdir().unwrap();
    let worktree = beside.path().join("tree");
    place.git(&[
        "worktree",
        "add",
        "-q",
        "--detach",
        worktree.to_str().unwrap(),
        &commit,
    ]);
    let laid_out = contents(folder.path());
    let mut checked_out = contents(&worktree);
    // But for what a filter makes of a file: none runs.
    let filtered = checked_out.insert("x.up".into(), ("file", b"loud\n".to_vec()));
    assert_eq!(filtered, Some(("file", b"LOUD\n".to_vec())));
    assert_eq!(laid_out, checked_out);
    let text = |path: &str| laid_out[Path::new(path)].1.as_slice();
    assert_eq!(text("!first.crlf"), b"a\r\n");
    assert_eq!(text("x.crlf"), b"a\r\nb\r\n");
    assert_eq!(text("deep/kept.crlf"), b"a\n");
    assert_eq!(text("x.utf16"), b"a\0\n\0");
    assert!(text("x.id").starts_with(b"$Id: "));
    assert_eq!(text("subst"), b"$Format:%H$\n");
    assert_eq!(laid_out[Path::new("tool")].0, "program");
    assert_eq!(laid_out[Path::new("module")].0, "folder");
    let listed: Vec<&[u8]> = files.split(|&byte| byte == 0).collect();
    for name in ["hidden", "link", "new\nline", ".gitattributes", "module"] {
        assert!(listed.contains(&name.as_bytes()), "{name:?}");
    }
}

#[test]
fn laying_out_a_commit_leaves_the_repository_alone() {
    let (place, commit) = with_attributes();
    let (plain, _) = place.materialise(&commit);
    place.write("stashed", "a\n");
    place.git(&["stash", "-q", "--include-untracked"]);
    place.write("subst", "not staged\n");
    place.write("staged", "a\n");
    place.git(&["add", "staged"]);
    let marker = place.folder.path().join(".git/hook-ran");
    place.write(
        ".git/hooks/post-index-change",
        format!("#!/bin/sh\ntouch {}\n", marker.display()),
    );
    let hook = place.folder.path().join(".git/hooks/post-index-change");
    fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
    place.write(".git/info/sparse-checkout", "/nothing\n");
    for setting in ["splitIndex", "sparseCheckout", "untrackedCache"] {
        place.git(&["config", &format!("core.{setting}"), "true"]);
    }
    place.git(&["config", "submodule.recurse", "true"]);
    let state = || {
        let names: Vec<String> = fs::read_dir(place.folder.path().join(".git"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let read = |name: &str| fs::read(place.folder.path().join(".git").join(name)).unwrap();
        let refs = place.git(&["for-each-ref"]);
        let files = contents(place.folder.path());
        (names.len(), read("index"), read("HEAD"), refs, files)
    };
    let before = state();
    let (folder, _) = place.materialise(&commit);
    assert!(before == state(), "the repository changed");
    assert!(!marker.exists(), "a hook ran");
    assert_eq!(
        contents(folder.path()),
        contents(plain.path()),
        "settings of the working tree counted"
    );
}

#[test]
fn revisions_are_resolved_and_never_become_options() {
    let place = Place::new();
    let empty = place.resolve("HEAD").unwrap_err();
    assert_eq!(
        empty.to_string(),
        "there is no commit `HEAD` in this repository"
    );
    place.write("a", "1\n");
    let one = place.commit("one");
    place.git(&["tag", "-a", "-m", "tag", "v1"]);
    place.write("a", "2\n");
    let two = place.commit("two");
    for (revision, commit) in [
        ("HEAD", &two),
        ("main", &two),
        ("@", &two),
        ("v1", &one),
        ("HEAD~1", &one),
        (&one[..10], &one),
    ] {
        assert_eq!(&place.resolve(revision).unwrap(), commit, "{revision}");
    }
    for bad in [
        "",
        "nope",
        "-h",
        "--all",
        "--git-dir",
        "--",
        "^main",
        "HEAD~9",
        "HEAD:a",
        "HEAD~1..HEAD",
        "main\nmain",
        "a b",
    ] {
        match place.resolve(bad).unwrap_err() {
            NixError::Revision { revision, shallow } => {
                assert_eq!((revision.as_str(), shallow), (bad, false));
            }
            other => panic!("{bad}: {other}"),
        }
    }
}

#[test]
fn histories_part_somewhere_or_nowhere() {
    let place = Place::new();
    let one = place.commit("one");
    place.git(&["switch", "-q", "-c", "side"]);
    place.commit("side");
    place.git(&["switch", "-q", "main"]);
    place.commit("two");
    assert_eq!(place.merge_base("main", "side").unwrap(), one);
    let missing = place.merge_base("main", "-x").unwrap_err();
    assert!(matches!(missing, NixError::Revision { .. }), "{missing}");
    let shallow = place.shallow();
    let cut = shallow.merge_base("main", "origin/side").unwrap_err();
    assert_eq!(
        cut.to_string(),
        "`main` and `origin/side` have no common ancestor in this repository, which is a shallow clone"
    );
    let missing = shallow.resolve(&one).unwrap_err();
    assert_eq!(
        missing.to_string(),
        format!("there is no commit `{one}` in this repository, which is a shallow clone")
    );
    place.git(&["switch", "-q", "--orphan", "other"]);
    place.commit("unrelated");
    let none = place.merge_base("main", "other").unwrap_err();
    assert_eq!(
        none.to_string(),
        "`main` and `other` have no common ancestor"
    );
}

#[test]
fn changes_are_told_with_their_names() {
    let place = Place::new();
    for name in ["kept", "a file", "new\nline", "gone", "moved"] {
        place.write(name, format!("{name}\n").repeat(9));
    }
    place.commit("one");
    let changes = || {
        let changes = run(place.repository.changes(&Interrupt::never())).unwrap();
        let mut names: Vec<String> = changes
            .iter()
            .map(|change| change.path.display().to_string())
            .collect();
        names.sort();
        names
    };
    assert!(changes().is_empty());
    place.write("a file", "2\n");
    place.write("new\nline", "2\n");
    place.write("untracked", "2\n");
    place.git(&["rm", "-q", "gone"]);
    place.git(&["mv", "moved", "there"]);
    assert_eq!(changes(), ["a file", "gone", "moved", "new\nline", "there"]);
}

#[test]
fn a_submodule_is_told_from_a_file() {
    let place = Place::new();
    place.write("module/a", "1\n");
    let inner = place.folder.path().join("module");
    git(&inner, &["init", "-q", "-b", "main", "--template=", "."]);
    git(&inner, &["add", "a"]);
    git(&inner, &["commit", "-q", "-m", "inner"]);
    place.commit("a submodule");
    place.write("module/a", "2\n");
    let expected = |hidden| Change {
        path: "module".into(),
        submodule: true,
        intended: false,
        hidden,
    };
    let changes = || run(place.repository.changes(&Interrupt::never())).unwrap();
    assert_eq!(changes().first(), Some(&expected(true)));
    git(&inner, &["commit", "-q", "-a", "-m", "inner"]);
    assert_eq!(changes(), [expected(false)]);
}

#[test]
fn a_file_that_is_only_meant_to_be_added_is_told_from_an_added_one() {
    let place = Place::new();
    place.commit("one");
    place.write("added", "1\n");
    place.git(&["add", "added"]);
    place.write("meant", "1\n");
    place.git(&["add", "--intent-to-add", "meant"]);
    let changes = run(place.repository.changes(&Interrupt::never())).unwrap();
    let meant = changes.iter().filter(|change| change.intended);
    let meant: Vec<&Path> = meant.map(|change| change.path.as_path()).collect();
    assert_eq!((changes.len(), meant), (2, vec![Path::new("meant")]));
}

/// The history of `path` up to `commit`, each blob as what it says.
fn history(place: &Place, path: &str, commit: &str) -> Vec<String> {
    let repository = &place.repository;
    let never = Interrupt::never();
    let changes = run(repository.file_history(Path::new(path), commit, &never)).unwrap();
    let blobs = changes
        .iter()
        .flat_map(|change| [&change.before, &change.after]);
    let blobs = blobs.flatten().cloned().collect();
    let contents = run(repository.contents(&blobs, &never)).unwrap();
    let told = |blob: &Option<String>| match blob {
        Some(blob) => String::from_utf8_lossy(&contents[blob]).trim().to_owned(),
        None => "-".to_owned(),
    };
    let lines = changes.iter().map(|change| {
        let root = if change.is_root { " (root)" } else { "" };
        let (before, after) = (told(&change.before), told(&change.after));
        format!("{}{root} {before} {after}", change.commit)
    });
    lines.collect()
}

/// A repository with a file that several branches change, and what its history says.
fn with_history() -> (Place, Vec<String>) {
    let place = Place::new();
    place.write("d/f*", "1\n");
    place.write("d/fx", "of no interest\n");
    let one = place.commit("one");
    place.git(&["checkout", "-q", "-b", "side"]);
    place.write("d/f*", "2\n");
    let side = place.commit("side");
    place.git(&["checkout", "-q", "main"]);
    place.write("d/fx", "3\n");
    place.commit("elsewhere");
    place.git(&["merge", "-q", "--no-edit", "side"]);
    let merge = place.git(&["rev-parse", "HEAD"]);
    place.git(&["rm", "-q", "d/f*"]);
    let gone = place.commit("gone");
    let expected = vec![
        format!("{gone} 2 -"),
        format!("{merge} 1 2"),
        format!("{side} 1 2"),
        format!("{one} (root) - 1"),
    ];
    (place, expected)
}

#[test]
fn the_history_of_a_file_has_merges_and_is_that_of_a_configured_git_too() {
    let (place, expected) = with_history();
    assert_eq!(history(&place, "d/f*", "HEAD"), expected);
    for (setting, value) in [
        ("log.follow", "true"),
        ("log.showRoot", "false"),
        ("log.showSignature", "true"),
        ("log.diffMerges", "off"),
        ("log.decorate", "full"),
        ("log.date", "raw"),
        ("diff.relative", "true"),
        ("diff.renames", "copies"),
        ("format.pretty", "fuller"),
        ("format.notes", "true"),
        ("color.ui", "always"),
    ] {
        place.git(&["config", setting, value]);
        assert_eq!(history(&place, "d/f*", "HEAD"), expected, "{setting}");
    }
    assert_eq!(history(&place, "d/none", "HEAD"), [""; 0]);
}

#[test]
fn what_a_partial_clone_lacks_of_a_history_is_fetched_at_once() {
    let (place, expected) = with_history();
    place.git(&["config", "uploadpack.allowFilter", "true"]);
    let folder = tempfile::tempdir().unwrap();
    let from = format!("file://{}", place.folder.path().display());
    let clone = ["clone", "-q", "--no-checkout", "--filter=blob:none"];
    git(folder.path(), &[&clone[..], &[&from, "."]].concat());
    let clone = Place::at(folder);
    let packs = || {
        let folder = clone.folder.path().join(".git/objects/pack");
        let names = fs::read_dir(folder).unwrap();
        names
            .filter(|name| name.as_ref().unwrap().path().extension() == Some("pack".as_ref()))
            .count()
    };
    let before = packs();
    assert_eq!(history(&clone, "d/f*", "HEAD"), expected);
    assert_eq!(packs(), before + 1, "both blobs came in one pack");
    assert_eq!(history(&clone, "d/f*", "HEAD"), expected);
    assert_eq!(packs(), before + 1, "they are there now");
}

#[test]
fn the_history_of_a_shallow_clone_begins_where_it_ends() {
    let (place, _) = with_history();
    place.git(&["revert", "--no-edit", "HEAD"]);
    let clone = place.shallow();
    assert!(run(clone.repository.is_shallow(&Interrupt::never())).unwrap());
    let head = clone.git(&["rev-parse", "HEAD"]);
    let expected = [format!("{head} (root) - 2")];
    assert_eq!(history(&clone, "d/f*", "HEAD"), expected);
}

#[test]
fn added_lines_are_those_of_a_configured_git_too() {
    let place = Place::new();
    place.write("a file", "1\n2\n3\n4\n5\n6\n7\n");
    place.write("ü\n", "1\n");
    let one = place.commit("one");
    for setting in [
        "diff.noprefix",
        "diff.mnemonicPrefix",
        "diff.relative",
        "diff.functionContext",
    ] {
        place.git(&["config", setting, "true"]);
    }
    place.git(&["config", "diff.external", "false"]);
    place.git(&["config", "diff.interHunkContext", "9"]);
    place.git(&["config", "diff.context", "3"]);
    place.git(&["config", "color.ui", "always"]);
    place.write("a file", "1\ntwo\n3\n4\n5\nsix\n7");
    place.write("ü\n", "1\n++ b/x\n");
    place.write("binary", b"\0\n");
    let two = place.commit("two");
    place.write("a file", "1\ntwo\n3\n4\n5\nsix\nseven");
    let added = |from: &str, to: Option<&str>| -> Vec<(String, usize, String)> {
        let lines = run(place.repository.added_lines(from, to, &Interrupt::never())).unwrap();
        let told = |line: AddedLine| (line.file.display().to_string(), line.line, line.text);
        lines.into_iter().map(told).collect()
    };
    let owned = |file: &str, line: usize, text: &str| (file.to_owned(), line, text.to_owned());
    assert_eq!(
        added(&one, Some(&two)),
        [
            owned("a file", 2, "two"),
            owned("a file", 6, "six"),
            owned("a file", 7, "7"),
            owned("ü\n", 2, "++ b/x"),
        ]
    );
    assert_eq!(added(&two, None), [owned("a file", 7, "seven")]);
    assert_eq!(added(&two, Some(&two)), []);
}
