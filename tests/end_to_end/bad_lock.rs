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
    let inputs = format!(
        "inputs.{name}.url = \"path:{}\";",
        place.beside(folder).display()
    );
    let toplevel = tiny::script_host("box", "echo >$out");
    let text = tiny::flake_with_inputs(&inputs, &[("box", &toplevel)]);
    place.write("flake.nix", text);
    place.commit("an input");
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
