//! A lock that does not lock everything, and overrides of no input: one clear sentence, the
//! way out, and an exit code of its own.

use crate::{
    bad_words::fails,
    support::{place::Place, stand_in::count, tiny},
};

const BUILD: [&str; 2] = ["build", "hosts/box"];

/// A flake with one input, which is a folder beside it.
fn with_input() -> Place {
    let place = Place::flake("{ outputs = _: { }; }");
    place.write("../input/flake.nix", "{ outputs = _: { }; }");
    place.write("../other/flake.nix", "{ outputs = _: { x = 1; }; }");
    declare(&place, "word", "input");
    place
}

/// Declares the only input of the flake.
fn declare(place: &Place, name: &str, folder: &str) {
    declare_all(place, &format!("{name}.url = \"{}\";", url(place, folder)));
}

/// Declares these inputs: `DIR` in them is the folder that holds the flake.
fn declare_all(place: &Place, inputs: &str) {
    let inputs = inputs.replace("DIR", place.beside("").to_str().unwrap());
    let toplevel = tiny::script_host("box", "echo >$out");
    let inputs = format!("inputs = {{ {inputs} }};");
    let text = tiny::flake_with_inputs(&inputs, &[("box", &toplevel)]);
    place.write("flake.nix", text);
    place.commit("inputs");
}

fn url(place: &Place, folder: &str) -> String {
    format!("path:{}", place.beside(folder).display())
}

fn lock(place: &Place) {
    place.nix(&["flake", "lock"]).run().ok();
    place.git(&["add", "--intent-to-add", "flake.lock"]);
    place.commit("the lock");
}

#[test]
fn a_missing_lock_is_an_error_and_none_is_written() {
    let place = with_input();
    fails(
        &place,
        &BUILD,
        4,
        &["no flake.lock", "word", "nix flake lock"],
    );
    assert!(!place.path("flake.lock").exists());
}

#[test]
fn a_lock_that_fits_is_no_error() {
    let place = with_input();
    lock(&place);
    place.ask(&BUILD);
}

#[test]
fn a_stale_lock_is_an_error_and_is_left_as_it_is() {
    let place = with_input();
    lock(&place);
    let before = place.read("flake.lock");
    declare(&place, "word", "other");
    fails(
        &place,
        &BUILD,
        4,
        &["flake.lock is stale", "word", "nix flake lock"],
    );
    declare(&place, "more", "input");
    fails(
        &place,
        &BUILD,
        4,
        &["flake.lock is stale", "more", "nix flake lock"],
    );
    assert_eq!(place.read("flake.lock"), before);
}

#[test]
fn a_lock_without_a_hash_is_an_error() {
    let place = with_input();
    lock(&place);
    let mut text: serde_json::Value = serde_json::from_str(&place.read("flake.lock")).unwrap();
    let locked = text["nodes"]["word"]["locked"].as_object_mut().unwrap();
    locked.remove("narHash").unwrap();
    place.write("flake.lock", text.to_string());
    fails(&place, &BUILD, 4, &["`word`", "narHash", "nix flake lock"]);
}

#[test]
fn a_lock_that_is_none_is_an_error() {
    let place = with_input();
    for (text, word) in [
        ("{", "flake.lock"),
        ("{\"nodes\": {}, \"root\": \"root\", \"version\": 99}", "99"),
    ] {
        place.write("flake.lock", text);
        place.commit("a bad lock");
        fails(&place, &BUILD, 4, &["flake.lock", word]);
    }
}

#[test]
fn an_override_of_no_input_is_an_error() {
    let place = with_input();
    lock(&place);
    let other = format!("path:{}", place.beside("other").display());
    let args = |name: &'static str| ["build", "hosts/box", "--override-input", name, &other];
    fails(&place, &args("wort"), 4, &["`wort`", "`word`"]);
    place.cbox(&args("word")).run().ok();
    // What is remembered keeps no error back.
    fails(&place, &args("wort"), 4, &["`wort`"]);
}

#[test]
fn an_override_that_cannot_be_fetched_is_an_error() {
    let place = with_input();
    lock(&place);
    let args = [
        "build",
        "hosts/box",
        "--override-input",
        "word",
        "path:/no/such/folder",
    ];
    fails(&place, &args, 4, &["`word`", "/no/such/folder"]);
}

#[test]
fn for_an_override_of_no_input_nothing_is_fetched() {
    let place = with_input();
    lock(&place);
    let log = place.log_nix();
    let args = ["build", "hosts/box", "--override-input", "nosuch"];
    let there = format!("path:{}", place.beside("other").display());
    for reference in [there.as_str(), "path:/no/such/folder"] {
        let args = [&args[..], &[reference]].concat();
        fails(&place, &args, 4, &["`nosuch`", "`word`"]);
    }
    let calls = log.take();
    assert!(!calls.is_empty(), "nix was not called at all");
    assert_eq!(count(&calls, " flake metadata "), 0, "{calls:#?}");
}

#[test]
fn what_nix_locks_is_good_enough() {
    let place = with_input();
    place.write("sub/flake.nix", "{ outputs = _: { }; }");
    place.write("../text/note.txt", "one\n");
    place.write("../repository/flake.nix", "{ outputs = _: { }; }");
    place.commit("a flake inside");
    let repository = place.beside("repository");
    let git = |args: &[&str]| {
        let all = [&["-C", repository.to_str().unwrap()], args].concat();
        place.git(&all).ok();
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "-m", "one"]);
    for inputs in [
        // An override of an input that the other flake does not have.
        "word.url = \"path:DIR/input\"; word.inputs.nowhere.follows = \"word\";",
        "word = { type = \"git\"; url = \"file://DIR/repository\"; };",
        "word = { type = \"path\"; path = \"DIR/input\"; };",
        "word = { url = \"file://DIR/text/note.txt\"; flake = false; };",
        "word.url = \"./sub\";",
        "word.url = \"path:./sub\";",
        "word = { url = \"path:DIR/text\"; flake = false; };",
        "word.follows = \"same\"; same.url = \"path:DIR/input\";",
        "word.url = \"path:DIR/input\"; word.inputs.nowhere.follows = \"\";",
    ] {
        std::fs::remove_file(place.path("flake.lock")).ok();
        declare_all(&place, inputs);
        lock(&place);
        println!("{inputs}");
        place.ask(&BUILD);
    }
}

#[test]
fn a_lock_that_nix_would_change_is_stale() {
    let place = with_input();
    place.write(
        "../middle/flake.nix",
        format!(
            "{{ inputs.word.url = \"{}\"; outputs = _: {{ }}; }}",
            url(&place, "input")
        ),
    );
    let other = "other.url = \"path:DIR/other\";";
    for (before, after, words) in [
        (
            "middle.url = \"path:DIR/middle\"; middle.inputs.word.follows = \"other\";",
            "middle.url = \"path:DIR/middle\";",
            "`middle/word`",
        ),
        (
            "middle.url = \"path:DIR/middle\"; middle.inputs.word.follows = \"\";",
            "middle.url = \"path:DIR/middle\";",
            "`middle/word`",
        ),
        ("same.follows = \"other\";", "", "`same`"),
        ("word.url = \"path:DIR/input\";", "", "`word`"),
        ("", "word.url = \"path:DIR/input\";", "`word`"),
    ] {
        std::fs::remove_file(place.path("flake.lock")).ok();
        declare_all(&place, &format!("{other} {before}"));
        lock(&place);
        place.ask(&BUILD);
        declare_all(&place, &format!("{other} {after}"));
        let words = ["flake.lock is stale", words, "nix flake lock"];
        fails(&place, &BUILD, 4, &words);
        // The way out leads out.
        lock(&place);
        place.ask(&BUILD);
    }
}

#[test]
fn a_lock_that_is_there_and_not_staged_is_told_with_the_rule() {
    let place = with_input();
    place.write("cbox.toml", "hosts = [\"box\"]\n");
    declare_all(&place, "");
    let before = place.git(&["rev-parse", "HEAD"]).ok().stdout;
    let before = before.trim();
    declare_all(&place, "word.url = \"path:DIR/input\";");
    place.nix(&["flake", "lock"]).run().ok();
    // Nix tells git of it.
    place.git(&["reset", "--quiet", "--", "flake.lock"]).ok();
    let words = ["flake.lock", "git does not track it", "git add flake.lock"];
    fails(&place, &["verify-hosts", "--base", before], 4, &words);
    let words = ["flake.lock is in the working tree", "HEAD", "commit it"];
    let rev = ["verify-hosts", "--rev", "HEAD", "--base", before];
    fails(&place, &rev, 4, &words);
    place.write(".gitignore", "*.lock\n");
    let words = ["flake.lock", "git ignores it", "`*.lock` in .gitignore:1"];
    fails(&place, &BUILD, 4, &words);
    place.git(&["add", "--force", "flake.lock"]).ok();
    place.ask(&BUILD);
}

#[test]
fn both_sides_of_a_merge_are_no_lock() {
    let place = with_input();
    lock(&place);
    let whole = place.read("flake.lock");
    let both = format!("{{\n<<<<<<< HEAD\n{whole}=======\n{whole}>>>>>>> other\n");
    place.write("flake.lock", both);
    let run = fails(
        &place,
        &BUILD,
        4,
        &["flake.lock", "merge", "line 2", "git checkout"],
    );
    // That alone is no way out here.
    assert!(!run.stderr.contains("run `nix flake lock`"), "{run:?}");
    place.git(&["checkout", "HEAD", "--", "flake.lock"]).ok();
    place.ask(&BUILD);
}

#[test]
fn a_replacement_that_leaves_its_inputs_open_is_an_error() {
    let place = with_input();
    lock(&place);
    place.write("../open/flake.nix", inner_of(&place));
    let open = url(&place, "open");
    let args = ["build", "hosts/box", "--override-input", "word", &open];
    let way = format!("nix flake lock {open}");
    fails(&place, &args, 4, &["`word`", "`inner`", &way]);
    // Nor is it fetched, where it could not be.
    place.write(
        "../open/flake.nix",
        "{ inputs.inner.url = \"http://localhost:1/x.tar.gz\"; outputs = _: { }; }",
    );
    fails(&place, &args, 4, &["`word`", "`inner`"]);
    // What follows an input of the flake is locked by the flake.
    place.write("../open/flake.nix", inner_of(&place));
    declare_all(
        &place,
        "word.url = \"path:DIR/open\"; word.inputs.inner.follows = \"other\"; other.url = \"path:DIR/other\";",
    );
    lock(&place);
    place.ask(&args);
    place.write(
        "../open/flake.nix",
        "{ inputs.inner.url = \"http://localhost:1/x.tar.gz\"; outputs = _: { }; }",
    );
    place.ask(&args);
}

fn inner_of(place: &Place) -> String {
    format!(
        "{{ inputs.inner.url = \"{}\"; outputs = _: {{ }}; }}",
        url(place, "other")
    )
}

#[test]
fn what_nix_cannot_use_is_told_in_its_own_words_with_a_way_out_that_works() {
    let place = with_input();
    lock(&place);
    let whole = place.read("flake.lock");
    let missing = whole.replace("\"word\": \"word\"", "\"word\": \"nowhere\"");
    assert_ne!(whole, missing);
    let checkout = "git checkout COMMIT -- flake.lock";
    for (text, words) in [
        (missing.as_str(), "missing node 'nowhere'"),
        ("{ \"version\": 7 }", "cannot be used"),
        (
            &whole.replace("\"version\": 7", "\"version\": 3"),
            "version 3",
        ),
    ] {
        place.write("flake.lock", text);
        fails(&place, &BUILD, 4, &["flake.lock", words, checkout]);
    }
    std::fs::remove_file(place.path("flake.lock")).unwrap();
    std::os::unix::fs::symlink("other.lock", place.path("flake.lock")).unwrap();
    place.write("other.lock", &whole);
    fails(
        &place,
        &BUILD,
        4,
        &["flake.lock", "symlink", "put the file itself there"],
    );
}

#[test]
fn what_is_locked_and_cannot_be_fetched_is_not_called_stale() {
    let place = with_input();
    // An input that says itself what its own inputs follow: Nix has to look into it.
    place.write(
        "../middle/flake.nix",
        format!(
            "{{ inputs.word.url = \"{}\"; inputs.same.follows = \"word\"; outputs = _: {{ }}; }}",
            url(&place, "input")
        ),
    );
    let archive = place.beside("middle.tar.gz");
    let pack = ["--create", "--gzip", "--file", archive.to_str().unwrap()];
    let folder = place.beside("");
    let tar = place
        .call("tar")
        .args(pack)
        .args(["-C", folder.to_str().unwrap(), "middle"]);
    tar.run().ok();
    declare_all(&place, "middle.url = \"file://DIR/middle.tar.gz\";");
    lock(&place);
    place.ask(&BUILD);
    let locked = place.read("flake.lock");
    std::fs::remove_file(&archive).unwrap();
    let elsewhere = |args: &[&str]| {
        // Where nothing was fetched yet.
        let cache = place.beside("no-cache");
        let store = place.beside("no-store");
        place
            .cbox(&[args, &["--store", store.to_str().unwrap()]].concat())
            .env("XDG_CACHE_HOME", cache)
    };
    let run = elsewhere(&BUILD).run().code(7);
    let run = run.says(&["without the source of input `middle`", "hint: "]);
    assert!(!run.stderr.contains("stale"), "{run:?}");
    assert_eq!(place.read("flake.lock"), locked);
}

#[test]
fn a_lock_that_fits_is_judged_once() {
    let place = with_input();
    lock(&place);
    place.write("note.txt", "one\n");
    let log = place.log_nix();
    let judgements = || {
        place.ask(&BUILD);
        count(&log.take(), " --no-update-lock-file ")
    };
    assert_eq!(judgements(), 1);
    place.write("note.txt", "two\n");
    assert_eq!(judgements(), 0, "another file changes nothing");
    place.edit("flake.nix", "outputs", "description = \"x\"; outputs");
    assert_eq!(judgements(), 1, "flake.nix counts");
    place.edit("flake.lock", "\n}", "\n}\n");
    assert_eq!(judgements(), 1, "flake.lock counts");
}
