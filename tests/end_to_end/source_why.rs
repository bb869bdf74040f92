//! `cbox source why` and `cbox source list --sizes`: what is staged, and by which rule.

use std::{fs, os::unix::fs::symlink};

use crate::support::place::Place;

fn flake() -> Place {
    Place::flake("{ outputs = _: { }; }")
}

/// Asks of one path, and shows that the answer holds `words`.
#[track_caller]
fn answer(place: &Place, path: &str, code: i32, words: &str) {
    let run = place.cbox(&["source", "why", path]).run().code(code);
    let beginning = match code {
        0 => "staged      ",
        _ => "not staged  ",
    };
    assert_eq!(run.lines().len(), 1, "{run}");
    assert!(run.stdout.starts_with(beginning), "{run}");
    assert!(run.stdout.contains(words), "no `{words}` in {run}");
}

#[test]
fn every_rule_is_named_with_its_place() {
    let place = flake();
    place.write(".gitignore", "/out/\n\n*.img\n");
    place.write(
        "cbox.toml",
        "[source]\nexclude = [\n  \"/docs/\",\n]\nlocal = [\"hosts/{host}/local.nix\"]\n",
    );
    place.write("gone.nix", "1");
    place.commit("all of it");
    fs::remove_file(place.path("gone.nix")).unwrap();
    place.write(".git/info/exclude", "mine\n");
    place.write("../excludes", "yours\n");
    let excludes = place.beside("excludes");
    place.git(&["config", "core.excludesFile", excludes.to_str().unwrap()]);
    for path in [
        "a.img",
        "mine",
        "yours",
        "docs/a.md",
        "hosts/a/local.nix",
        "baseline.json",
        "new.nix",
        "real/x",
        "nested/x",
        "out/x",
        "kept.img",
    ] {
        place.write(path, "{}");
    }
    place.git(&["add", "--force", "kept.img"]);
    symlink(place.path("real"), place.path("link")).unwrap();
    place
        .call("git")
        .args(["init", "--quiet", "nested"])
        .run()
        .ok();
    fs::create_dir(place.path("empty")).unwrap();

    answer(&place, "flake.nix", 0, "flake.nix: git tracks it");
    answer(&place, "kept.img", 0, "git tracks it");
    answer(
        &place,
        "new.nix",
        0,
        "git does not track it, and does not ignore it",
    );
    answer(&place, "real", 0, "a folder of 1 staged file");
    answer(&place, ".", 0, "a folder of ");
    answer(&place, "a.img", 1, "(`*.img` in .gitignore:3)");
    answer(&place, "mine", 1, "(`mine` in .git/info/exclude:1)");
    answer(
        &place,
        "yours",
        1,
        &format!("(`yours` in {}:1)", excludes.display()),
    );
    answer(
        &place,
        "docs/a.md",
        1,
        "`/docs/` under `exclude` in cbox.toml:3",
    );
    answer(&place, "docs", 1, "`/docs/` under `exclude` in cbox.toml:3");
    answer(
        &place,
        "hosts/a/local.nix",
        1,
        "`hosts/{host}/local.nix` under `local`",
    );
    answer(&place, "baseline.json", 1, "is never staged");
    answer(&place, "out/x", 1, "cbox made it");
    answer(&place, "link/x", 1, "link is a symlink");
    answer(&place, "nested/x", 1, "nested is a repository of its own");
    answer(
        &place,
        "gone.nix",
        1,
        "was deleted, though git still tracks it",
    );
    answer(&place, "empty", 1, "is an empty folder");
    answer(&place, ".git/config", 1, "belongs to git");
    answer(&place, "flak.nix", 1, "did you mean flake.nix?");
    answer(
        &place,
        "nothing/of/it",
        1,
        "there is no nothing/of/it in the tree",
    );
    let whole = place.path("new.nix");
    answer(&place, whole.to_str().unwrap(), 0, "git does not track it");
}

#[test]
fn options_say_which_tree_is_meant() {
    let place = flake();
    place.write(
        "cbox.toml",
        "[source]\nlocal = [\"hosts/{host}/local.nix\"]\n",
    );
    place.write("hosts/a/default.nix", "{ }");
    place.write("hosts/a/local.nix", "{ }");
    let why = |args: &[&str]| place.cbox(&[&["source", "why"], args].concat()).run();
    let run = why(&["hosts/a/local.nix", "--host", "a"]).ok();
    assert!(run.stdout.contains("staged for that host alone"), "{run}");
    let run = why(&["hosts/a/default.nix", "--tracked"]).code(1);
    assert!(
        run.stdout.contains("`git add hosts/a/default.nix`"),
        "{run}"
    );
    // From a folder below, paths are told as they are from there.
    let run = place.cbox(&["source", "why", "default.nix", "../x"]);
    let run = run.folder(place.path("hosts/a")).run().code(1);
    assert!(run.stdout.contains("staged      default.nix: "), "{run}");
    run.says(&["error: 1 of 2 paths is not staged"]);

    let run = why(&["flake.nix", "no", "--json"]).code(1);
    let answers = &run.json()["paths"];
    assert_eq!(answers[0]["staged"], true, "{run}");
    assert_eq!(answers[0]["why"], "tracked", "{run}");
    assert_eq!(answers[1]["staged"], false, "{run}");
    assert_eq!(answers[1]["why"], "nowhere", "{run}");
}

#[test]
fn what_is_outside_is_misuse() {
    let place = flake();
    for path in ["../x", "/etc/passwd", "a/../../x"] {
        let run = place.cbox(&["source", "why", path]).run().code(2);
        run.says(&[&format!("{path} is outside of the repository")]);
    }
    place
        .cbox(&["source", "why"])
        .run()
        .code(2)
        .says(&["<PATH>"]);
    let run = place.cbox(&["source", "why", "flake.nix", "--host", "a/b"]);
    run.run().code(2);
}

#[test]
fn outside_of_a_repository_the_ignore_files_count() {
    let place = flake();
    place.write("a.log", "");
    place.write(".gitignore", "*.log\n");
    fs::remove_dir_all(place.path(".git")).unwrap();
    answer(&place, "flake.nix", 0, "no .gitignore names it");
    answer(
        &place,
        "a.log",
        1,
        "a .gitignore keeps it from being staged",
    );
}

#[test]
fn sizes_are_shown_and_sorted() {
    let place = flake();
    place.write("large", vec![b'x'; 12_345]);
    let run = place.cbox(&["source", "list", "--sizes"]).run().ok();
    assert_eq!(run.lines()[0], "6 B      .gitignore", "{run}");
    let run = place.cbox(&["source", "list", "--largest"]).run().ok();
    assert_eq!(run.lines()[0], "12.3 kB  large", "{run}");
    let run = run.says(&["3 files, 12.4 kB"]);
    let json = place.cbox(&["source", "list", "--json"]).run().ok().json();
    assert_eq!(json["size"], 12_345 + 6 + 21, "{run}");
    assert_eq!(json["files"][2]["size"], 12_345, "{run}");
}
