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

    let whole = place.path("new.nix").into_os_string().into_string();
    let staged = [
        "flake.nix",
        "kept.img",
        "new.nix",
        "real",
        ".",
        &whole.unwrap(),
    ];
    let left_out = [
        "a.img",
        "mine",
        "yours",
        "docs/a.md",
        "docs",
        "hosts/a/local.nix",
        "baseline.json",
        "out/x",
        "link/x",
        "nested/x",
        "gone.nix",
        "empty",
        ".git/config",
        "flak.nix",
        "nothing/of/it",
    ];
    let mut answers = String::new();
    for (paths, code) in [(&staged[..], 0), (&left_out, 1)] {
        for path in paths {
            let run = place.cbox(&["source", "why", path]).run().code(code);
            assert_eq!(run.lines().len(), 1, "{run}");
            answers.push_str(&run.stdout);
        }
    }
    insta::assert_snapshot!(place.stable(&answers), @"
    staged      flake.nix: git tracks it
    staged      kept.img: git tracks it
    staged      new.nix: git does not track it, and does not ignore it
    staged      real: a folder of 1 staged file
    staged      .: a folder of 7 staged files
    staged      <place>/repo/new.nix: git does not track it, and does not ignore it
    not staged  a.img is there, but git ignores it (`*.img` in .gitignore:3), so it is not staged: change that rule, or `git add --force a.img`
    not staged  mine is there, but git ignores it (`mine` in .git/info/exclude:1), so it is not staged: change that rule, or `git add --force mine`
    not staged  yours is there, but git ignores it (`yours` in <place>/excludes:1), so it is not staged: change that rule, or `git add --force yours`
    not staged  docs/a.md is there, but `/docs/` under `exclude` in cbox.toml:3 keeps it from being staged: change that, or do without the file
    not staged  docs is there, but `/docs/` under `exclude` in cbox.toml:3 keeps it from being staged: change that, or do without the file
    not staged  hosts/a/local.nix is there, but it holds local settings (`hosts/{host}/local.nix` under `local` in cbox.toml), which only their own host gets (an image host with `--with-local`): read it only where it is there, `lib.optional (builtins.pathExists ./x) ./x`
    not staged  baseline.json is never staged: what a host builds must not depend on it
    not staged  out/x is there, but cbox made it, and what cbox makes is no source
    not staged  link/x is there, but link is a symlink, and nothing behind one is staged: name the file by its real path
    not staged  nested/x is there, but nested is a repository of its own (a submodule), of which nothing is staged: `inputs.self.submodules = true;` in flake.nix brings it (Nix 2.27 or newer), or make it an input of the flake
    not staged  gone.nix was deleted, though git still tracks it: `git restore gone.nix` brings it back
    not staged  empty is an empty folder, which git does not keep: put a file into it
    not staged  .git/config belongs to git, and is no source
    not staged  there is no flak.nix in the tree: did you mean flake.nix?
    not staged  there is no nothing/of/it in the tree
    ");
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
    insta::assert_snapshot!(run.stdout, @"
    6 B      .gitignore
    21 B     flake.nix
    12.3 kB  large
    ");
    let run = place.cbox(&["source", "list", "--largest"]).run().ok();
    insta::assert_snapshot!(run.stdout, @"
    12.3 kB  large
    21 B     flake.nix
    6 B      .gitignore
    ");
    let run = run.says(&["3 files, 12.4 kB"]);
    let json = place.cbox(&["source", "list", "--json"]).run().ok().json();
    assert_eq!(json["size"], 12_345 + 6 + 21, "{run}");
    assert_eq!(json["files"][2]["size"], 12_345, "{run}");
}
