//! The staged source against git, on a repository for each thing that is special.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};

use crate::support::place::Place;

/// A flake's repository with nothing else in it.
pub(crate) fn repository() -> Place {
    Place::flake("{ outputs = _: { }; }")
}

/// What has to be staged: what git lists, without what is not there: deleted files,
/// folders (submodules, nested repositories, files that became folders), and files
/// behind a symlink.
fn expected(place: &Place) -> BTreeSet<PathBuf> {
    let answer = place.beside("listed");
    let listed = place
        .call("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .stdout(fs::File::create(&answer).unwrap());
    listed.run().ok();
    let there = |path: &PathBuf| {
        let real = |folder: &Path| {
            place
                .path(folder)
                .symlink_metadata()
                .is_ok_and(|it| it.is_dir())
        };
        let kind = place.path(path).symlink_metadata();
        path.ancestors().skip(1).all(real) && kind.is_ok_and(|kind| !kind.is_dir())
    };
    fs::read(&answer)
        .unwrap()
        .split(|&byte| byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .filter(there)
        .collect()
}

/// Compares what cbox stages with what git lists, by list and by hash.
#[track_caller]
pub(crate) fn agrees_with_git(place: &Place, what: &str) -> BTreeSet<PathBuf> {
    let expected = expected(place);
    let listed = place.beside("listed");
    let list = place.cbox(&["source", "list", "-z"]);
    list.stdout(fs::File::create(&listed).unwrap()).run().ok();
    let names = expected
        .iter()
        .map(|path| [path.as_os_str().as_bytes(), b"\0"].concat());
    let names: Vec<u8> = names.collect::<Vec<_>>().concat();
    assert!(fs::read(&listed).unwrap() == names, "{what}");

    let copy = place.beside("copy");
    for path in &expected {
        let (from, to) = (place.path(path), copy.join(path));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if from.is_symlink() {
            symlink(fs::read_link(from).unwrap(), to).unwrap();
        } else {
            fs::copy(from, to).unwrap();
        }
    }
    let hash = place.nix(&["hash", "path", "--sri", copy.to_str().unwrap()]);
    assert_eq!(
        place.ask(&["source", "hash"]),
        hash.run().ok().text(),
        "{what}"
    );
    expected
}

/// Shows that after `prepare` exactly these files are staged besides the flake, and that
/// git agrees.
#[track_caller]
fn stages(files: &[&str], prepare: impl FnOnce(&Place)) {
    let place = repository();
    prepare(&place);
    let mut found = agrees_with_git(&place, "git");
    for known in [".gitignore", "flake.nix"] {
        assert!(found.remove(Path::new(known)), "{known}");
    }
    assert_eq!(found, files.iter().map(PathBuf::from).collect());
}

#[test]
fn a_tracked_file_is_staged_even_if_it_is_ignored() {
    stages(&["kept.log"], |place| {
        place.write(".gitignore", "*.log\n");
        place.write("kept.log", "");
        place.write("left.log", "");
        place.git(&["add", "--force", "kept.log"]);
    });
}

#[test]
fn a_file_that_git_is_only_told_of_is_staged() {
    stages(&["told"], |place| {
        place.write(".gitignore", "told\n");
        place.write("told", "content");
        place.git(&["add", "-fN", "told"]);
    });
}

#[test]
fn a_file_that_was_deleted_is_passed_by() {
    stages(&[], |place| {
        place.write("gone", "");
        place.commit("there");
        fs::remove_file(place.path("gone")).unwrap();
    });
}

#[test]
fn a_file_that_became_a_folder_is_staged_as_what_it_is() {
    stages(&["it/inner"], |place| {
        place.write("it", "");
        place.commit("a file");
        fs::remove_file(place.path("it")).unwrap();
        place.write("it/inner", "");
    });
}

#[test]
fn a_folder_that_became_a_symlink_is_staged_as_one() {
    stages(&["it"], |place| {
        place.write("it/inner", "");
        place.commit("a folder");
        fs::rename(place.path("it"), place.beside("elsewhere")).unwrap();
        symlink(place.beside("elsewhere"), place.path("it")).unwrap();
    });
}

#[test]
fn a_nested_repository_is_left_out() {
    stages(&[], |place| {
        nested_repository(place, "nested");
    });
}

/// Makes a repository with one file in a folder of the working tree.
fn nested_repository(place: &Place, folder: &str) {
    place.write(Path::new(folder).join("file"), "");
    let git = |args: &[&str]| {
        let call = place.call("git").args(args);
        call.folder(place.path(folder)).run().ok();
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "nested"]);
}

#[test]
fn a_submodule_is_left_out() {
    stages(&[".gitmodules"], |place| {
        nested_repository(place, "sub");
        place.write(
            ".gitmodules",
            "[submodule \"sub\"]\n\tpath = sub\n\turl = ../sub\n",
        );
        place.git(&["add", "sub", ".gitmodules"]);
        let entry = place.git(&["ls-files", "--stage", "sub"]);
        assert!(entry.stdout.starts_with("160000 "), "{entry}");
    });
}

#[test]
fn ignore_rules_of_the_repository_alone_count() {
    stages(&[".ignore", "c", "d"], |place| {
        place.write(".git/info/exclude", "a\n");
        place.write("../excludes", "b\n");
        let excludes = place.beside("excludes");
        place.git(&["config", "core.excludesFile", excludes.to_str().unwrap()]);
        // Ripgrep's file, which means nothing to git.
        place.write(".ignore", "c\n");
        for name in ["a", "b", "c", "d"] {
            place.write(name, "");
        }
    });
}

#[test]
fn the_local_files_of_no_host_are_staged_by_a_flake_without_cbox_toml() {
    stages(&["hosts/a/local.nix"], |place| {
        place.write("hosts/a/local.nix", "{ }");
    });
}

#[test]
fn tracked_leaves_out_what_git_does_not_know() {
    let place = repository();
    place.write("new", "");
    assert!(place.ask(&["source", "list"]).contains("new"));
    assert!(!place.ask(&["source", "list", "--tracked"]).contains("new"));
}

#[test]
fn a_worktree_of_a_repository_is_a_repository() {
    let place = repository();
    place.git(&["worktree", "add", "--quiet", "../tree"]);
    let list = place.cbox(&["source", "list"]).folder(place.beside("tree"));
    assert_eq!(list.run().ok().lines(), [".gitignore", "flake.nix"]);
}

#[test]
fn outside_a_repository_the_tree_is_walked() {
    let place = repository();
    place.write("sub/.gitignore", "*.log\n");
    place.write("sub/a.log", "");
    place.write("sub/b", "");
    place.write("out/image", "");
    let inside = place.cbox(&["source", "hash"]).run().ok().stdout;
    fs::remove_dir_all(place.path(".git")).unwrap();
    let run = place.cbox(&["source", "list"]).run().ok();
    assert_eq!(
        run.lines(),
        [".gitignore", "flake.nix", "sub/.gitignore", "sub/b"]
    );
    run.says(&["no git repository here"]);
    assert_eq!(place.cbox(&["source", "hash"]).run().ok().stdout, inside);
}

#[test]
fn the_environment_of_a_git_hook_does_not_lead_astray() {
    let place = repository();
    let other = Place::empty("repo");
    other.write("other", "");
    other.make_repository();
    let list = place.cbox(&["source", "list"]);
    let list = list.env("GIT_DIR", other.path(".git"));
    let list = list.env("GIT_WORK_TREE", other.path(""));
    let list = list.env("GIT_INDEX_FILE", other.path(".git/index"));
    assert_eq!(list.run().ok().lines(), [".gitignore", "flake.nix"]);
}

#[test]
fn ref_puts_a_tree_into_the_store_that_is_the_tree() {
    let place = Place::minibox();
    let reference = place.ask(&["source", "ref"]);
    let path = reference.strip_prefix("path:").unwrap();
    let path = path.split('?').next().unwrap();
    let hash = place.nix(&["hash", "path", "--sri", path]).run().ok();
    assert_eq!(hash.text(), place.ask(&["source", "hash"]));
    let flake = format!("{reference}#nixosConfigurations.mini-arm64.config.networking.hostName");
    assert_eq!(
        place.nix(&["eval", "--raw", &flake]).run().ok().stdout,
        "mini-arm64"
    );
}

#[test]
fn names_that_are_no_text_survive() {
    let place = repository();
    let raw: [&[u8]; 4] = [b"a\xff/\xfe", b"b\nc\td", b"\x1b[2J", b"\xc2\x9b"];
    for name in raw {
        place.write(OsStr::from_bytes(name), "");
    }
    // Git's own list and hash, and names as they are.
    agrees_with_git(&place, "names");
    place.commit("names");
    agrees_with_git(&place, "tracked names");
    let run = place.cbox(&["source", "list"]).run().ok();
    assert_eq!(
        run.stdout,
        "\\u{1b}[2J\n.gitignore\na\\xff/\\xfe\nb\\nc\\td\nflake.nix\n\\u{9b}\n"
    );
    let run = place.cbox(&["source", "list", "--json"]).run().ok();
    assert!(
        !run.stdout.contains('\u{9b}') && run.stdout.contains("\\u009b"),
        "{run}"
    );
    let document = run.json();
    let files = document["files"].as_array().unwrap();
    let find = |path: &str| files.iter().find(|file| file["path"] == path).unwrap();
    assert_eq!(find("a\\xff/\\xfe")["pathBase64"], "Yf8v/g==");
    assert_eq!(find("b\nc\td").get("pathBase64"), None);
    let why = place
        .cbox(&["source", "why"])
        .args(raw.map(OsStr::from_bytes));
    let run = why.run().ok();
    assert_eq!(run.stdout.matches("git tracks it").count(), 4, "{run}");
    assert!(run.stdout.contains("a\\xff/\\xfe: git tracks it"), "{run}");
    let nowhere = place
        .cbox(&["source", "why", "--json"])
        .args([OsStr::from_bytes(b"no\xff")]);
    let run = nowhere.run().code(1);
    let path = &run.json()["paths"][0];
    assert_eq!(
        (&path["path"], &path["pathBase64"], &path["why"]),
        (&"no\\xff".into(), &"bm//".into(), &"nowhere".into()),
        "{run}"
    );
    // The store has them too.
    let reference = place.ask(&["source", "ref"]);
    let path = reference.strip_prefix("path:").unwrap();
    let path = Path::new(path.split('?').next().unwrap());
    assert!(
        raw.iter()
            .all(|name| path.join(OsStr::from_bytes(name)).exists()),
        "{reference}"
    );
}
