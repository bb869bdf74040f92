//! Errors in the user's terms: places in his own files, why a file is not staged, the way
//! out, and annotations on GitHub. What becomes of each of Nix's errors is tested on
//! recordings (`tests/errors/`); this is what takes a tree, a store and a program.

use std::{fs, os::unix::fs::symlink};

use crate::{
    bad_words::{fails, one_error},
    support::{call::Ended, place::Place, tiny, unique},
};

const BUILD: [&str; 3] = ["build", "hosts/box", "--drv"];

/// A flake whose host `box` is what the expression says.
fn flake(expression: &str) -> Place {
    Place::flake(&tiny::flake(&[("box", expression)]))
}

/// The same, in a tree with a module `hosts/box/default.nix`, which reads `file`.
fn reads(file: &str) -> Place {
    let place = Place::flake(&tiny::flake(&[("box", "import ./hosts/box")]));
    place.write("hosts/box/default.nix", format!("import {file}\n"));
    place
}

#[test]
fn a_file_that_is_there_and_not_staged_is_told_with_the_rule() {
    let place = reads("./x.nix");
    place.write("hosts/box/x.nix", "1");
    place.write(".gitignore", "/out/\n# mine\nx.*\n");
    let rule = [
        "hosts/box/default.nix:1:1",
        "git ignores it (`x.*` in .gitignore:3)",
    ];
    let run = fails(&place, &BUILD, 7, &rule);
    assert!(!run.stderr.contains("/nix/store"), "{run}");
    // From a folder below, it is named as it is from there.
    let below = place.cbox(&BUILD).folder(place.path("hosts")).run().code(7);
    below.says(&["at box/default.nix:1:1", "hint: box/x.nix is there"]);
    place.write(".gitignore", "/out/\n");
    place.write("cbox.toml", "[source]\nexclude = [\"/hosts/box/x.nix\"]\n");
    fails(
        &place,
        &BUILD,
        7,
        &["`/hosts/box/x.nix` under `exclude` in cbox.toml"],
    );
    place.write("cbox.toml", "[source]\nlocal = [\"hosts/{host}/x.nix\"]\n");
    place.write("hosts/box/default.nix", "import ../bax/x.nix\n");
    place.write("hosts/bax/x.nix", "1");
    fails(
        &place,
        &BUILD,
        7,
        &["hosts/bax/x.nix is there, but it holds local settings"],
    );
}

#[test]
fn a_file_that_others_do_not_have_is_told_so() {
    let place = reads("./x.nix");
    place.commit("without the file");
    place.write("hosts/box/x.nix", "1");
    let run = place.cbox(&["verify-hosts", "--base", "HEAD"]).run();
    assert!(run.stdout.contains("git does not track it"), "{run}");
    assert!(run.stdout.contains("`git add hosts/box/x.nix`"), "{run}");
    let run = place.cbox(&["diff", "HEAD:hosts/box", "hosts/box"]).run();
    run.says(&["is in the working tree, but not in HEAD"]);
}

#[test]
fn a_file_that_is_nowhere_is_answered_with_the_nearest() {
    let place = reads("./hardwear.nix");
    place.write("hosts/box/hardware.nix", "1");
    fails(
        &place,
        &BUILD,
        7,
        &[
            "there is no hosts/box/hardwear.nix",
            "did you mean hosts/box/hardware.nix?",
        ],
    );
    place.write("hosts/box/default.nix", "builtins.readDir ./empty");
    fs::create_dir(place.path("hosts/box/empty")).unwrap();
    fails(&place, &BUILD, 7, &["hosts/box/empty is an empty folder"]);
}

#[test]
fn a_file_behind_a_symlink_or_in_a_submodule_is_told_so() {
    let place = reads("./link/x.nix");
    place.write("real/x.nix", "1");
    symlink(place.path("real"), place.path("hosts/box/link")).unwrap();
    let run = place.cbox(&BUILD).run();
    assert_ne!(run.status.code(), Some(0));
    run.says(&["hosts/box/default.nix:1:1", "hint:"]);
    place.write("hosts/box/default.nix", "import ./module/x.nix");
    place.write("hosts/box/module/x.nix", "1");
    place
        .call("git")
        .args(["init", "--quiet", "hosts/box/module"])
        .run()
        .ok();
    let words = [
        "hosts/box/module is a repository of its own",
        "input of the flake",
    ];
    fails(&place, &BUILD, 7, &words);
}

#[test]
fn the_trace_is_folded_until_it_is_wanted() {
    let place = flake("let f = x: x + \"a\"; in f 1");
    let run = fails(&place, &BUILD, 7, &["flake.nix:", "hint: `--show-trace`"]);
    assert!(!run.stderr.contains("… while"), "{run}");
    for more in [&["--show-trace"][..], &["--", "--show-trace"]] {
        let run = place.cbox(&[&BUILD[..], more].concat()).run().code(7);
        one_error(&run);
        let run = run.says(&["… while calling 'f'", "at flake.nix:"]);
        assert!(!run.stderr.contains("hint: `--show-trace`"), "{run}");
    }
}

#[test]
fn a_store_elsewhere_has_the_same_places() {
    let place = flake("let a = { c = 1; }; in a.b");
    let store = place.beside("store").display().to_string();
    for trace in [&[][..], &["--show-trace"]] {
        let args = [&BUILD[..], &["--store", &store], trace].concat();
        let run = fails(
            &place,
            &args,
            7,
            &["at flake.nix:", "attribute 'b' missing"],
        );
        assert!(!run.stderr.contains("-source/"), "{run}");
    }
    place.write("flake.nix", "{ outputs = _: { }\n");
    let args = [&BUILD[..], &["--store", &store]].concat();
    let run = fails(
        &place,
        &args,
        7,
        &["flake.nix does not evaluate", "at flake.nix:"],
    );
    assert!(!run.stderr.contains("-source/"), "{run}");
}

#[test]
fn what_a_flake_throws_is_not_taken_for_the_words_of_nix() {
    let words = "attribute 'x' missing\\n\\nerror: infinite recursion encountered";
    let place = flake(&format!("throw \"{words}\""));
    let run = fails(
        &place,
        &BUILD,
        7,
        &["`--show-trace`", "attribute 'x' missing"],
    );
    assert!(!run.stderr.contains("slip"), "{run}");
    // Nor for those of cbox, or for a command to GitHub.
    let words = "throw \"a\\nhint: b\\n::error::c\"";
    place.write("flake.nix", tiny::flake(&[("box", words)]));
    let run = place.cbox(&BUILD).env("GITHUB_ACTIONS", "true").run();
    let run = run.code(7).says(&["\n  hint: b\n", "\n  : :error::c\n"]);
    assert!(!run.stderr.contains("\nhint: b"), "{run}");
}

#[test]
fn a_wrong_hash_is_found_where_it_is_written() {
    let hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let script = format!("echo {} >$out", unique());
    let host = tiny::script_host("download", &script).replace(
        "derivation {",
        &format!("derivation {{ outputHashMode = \"flat\"; outputHash = \"{hash}\";"),
    );
    let place = flake(&host);
    let args = ["build", "hosts/box", "--no-link"];
    let got = [
        "specified: sha256-AAAA",
        "got:       sha256-",
        "named at flake.nix:",
        hash,
    ];
    fails(&place, &args, 8, &got);
}

#[test]
fn a_repository_of_another_user_is_named() {
    let place = flake("1");
    let folder = place.path("").display().to_string();
    place.stand_in(
        "git",
        &format!(
            "echo \"fatal: detected dubious ownership in repository at '{folder}'\" >&2; exit 128"
        ),
    );
    let way = format!("git config --global --add safe.directory {folder}");
    fails(&place, &BUILD, 5, &[&way]);
}

#[test]
fn systems_are_answered_with_the_nearest_ones() {
    let place = Place::minibox();
    for (args, near) in [
        (&["appliance", "iso", "arm65"][..], "`arm64`"),
        (&["build", "appliance/iso/x86_46"], "`x86_64`"),
        (&["diff", "appliance/iso/amd46", "appliance/iso"], "`amd64`"),
    ] {
        fails(&place, args, 2, &["is not a system", "did you mean", near]);
    }
    let args = ["appliance", "iso", "aarch64-linus"];
    fails(&place, &args, 11, &["did you mean `aarch64-linux`?"]);
    let args = ["verify-hosts", "--base", "HEAD", "--host", "mini-arm46"];
    fails(
        &place,
        &args,
        2,
        &["`mini-arm46`", "did you mean `mini-arm64`?"],
    );
}

/// The annotations of a run, which is on GitHub.
fn annotations(place: &Place, args: &[&str]) -> (Ended, Vec<String>) {
    let run = place.cbox(args).env("GITHUB_ACTIONS", "true").run();
    let lines = run.stdout.lines().chain(run.stderr.lines());
    let found = lines.filter(|line| line.starts_with("::error"));
    let found = found.map(str::to_owned).collect();
    (run, found)
}

#[test]
fn on_github_every_error_with_a_place_is_an_annotation_once() {
    let place = reads("./gone.nix");
    place.commit("broken");
    let beginning = "::error file=hosts/box/default.nix,line=1,title=";
    for args in [
        &BUILD[..],
        &["build", "hosts/box"],
        &["build", "hosts/box", "--json"],
        &["diff", "hosts/box", "HEAD:hosts/box"],
        &["verify-hosts", "--base", "HEAD"],
        &["verify-hosts", "--base", "HEAD", "--format", "plain"],
        &["verify-hosts", "--base", "HEAD", "--format", "markdown"],
        &["verify-hosts", "--base", "HEAD", "--json"],
        &["accept"],
    ] {
        let (run, found) = annotations(&place, args);
        assert_ne!(run.status.code(), Some(0), "{run}");
        let expected = if args[0] == "diff" { 1..=2 } else { 1..=1 };
        assert!(expected.contains(&found.len()), "{found:?} {run}");
        assert!(found[0].starts_with(beginning), "{run}");
        assert!(found[0].contains("hint: "), "{run}");
        let elsewhere = place.cbox(args).run();
        assert!(!elsewhere.stderr.contains("::error"), "{elsewhere}");
    }
    // Run from below, the file is still named from the top.
    let run = place.cbox(&BUILD).env("GITHUB_ACTIONS", "true");
    let run = run.folder(place.path("hosts")).run();
    run.says(&[beginning]);
    place.write("cbox.toml", "[source]\nexclude = 1\n");
    let (_, found) = annotations(&place, &["list"]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("::error file=cbox.toml,line=2,title="),
        "{found:?}"
    );
    // What has no place is no annotation.
    place.write("cbox.toml", "");
    let (_, found) = annotations(&place, &["build", "nonsense"]);
    assert_eq!(found, [""; 0]);
}
