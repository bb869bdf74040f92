//! Whatever cbox waits for, it hears each signal that asks it to stop.

use std::{
    fs::{self, File},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{SOON, endless, ends, soon};
use crate::support::{call::Running, place::Place, processes, tiny, unique, wait_until};

const BUILD: [&str; 2] = ["build", "hosts/box"];

const SIGNALS: [(Signal, i32); 4] = [
    (Signal::INT, 130),
    (Signal::TERM, 143),
    (Signal::HUP, 129),
    (Signal::QUIT, 131),
];

fn place() -> Place {
    Place::flake(&tiny::scripts(&[("box", "echo >$out")]))
}

/// Sends each signal while cbox waits, and checks that it ends at once.
#[track_caller]
fn hears(place: &Place, words: &[&str]) {
    for (signal, code) in SIGNALS {
        let mut running = place.cbox(words).start();
        // It is said on a terminal alone that it waits.
        std::thread::sleep(Duration::from_secs(2));
        assert!(!running.has_ended(), "{}", running.said());
        let sent = Instant::now();
        running.signal(signal);
        soon(running, SOON).code(code);
        assert!(sent.elapsed() < Duration::from_secs(3), "{signal:?}");
    }
}

#[test]
fn a_lock_on_the_folder_of_the_links() {
    let place = place();
    place.ask(&BUILD);
    let lock = File::open(place.path("out")).unwrap();
    lock.lock().unwrap();
    hears(&place, &BUILD);
    hears(&place, &["clean", "--all"]);
    drop(lock);
    place.ask(&BUILD);
    assert_eq!(place.names("out"), ["hosts-box", "hosts-box.json"]);
}

#[test]
fn a_lock_on_the_baseline() {
    let place = Place::flake(&tiny::of_folders());
    place.write(
        "hosts/box/default.nix",
        tiny::script_host("box", "echo >$out"),
    );
    place.commit("a host");
    let lock = File::open(place.path("")).unwrap();
    lock.lock().unwrap();
    hears(&place, &["accept"]);
    drop(lock);
    place.ask(&["accept"]);
}

/// The lock that Nix takes for writing to its store, and the one of its database.
#[test]
fn locks_of_nix() {
    let place = place().with_own_store();
    place.ask(&BUILD);
    let lock = File::open(place.beside("state/gc.lock")).unwrap();
    lock.lock().unwrap();
    place.write("new", unique());
    let mut running = place.cbox(&BUILD).start();
    std::thread::sleep(Duration::from_secs(1));
    assert!(!running.has_ended(), "Nix waits: {}", running.said());
    let sent = Instant::now();
    running.signal(Signal::INT);
    soon(running, SOON).code(130);
    assert!(sent.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_parent_that_ignores_its_children() {
    let place = place();
    let cbox = env!("CARGO_BIN_EXE_cbox");
    let words = ["--ignore-signal=CHLD", cbox, "build", "hosts/box"];
    ends(place.call("env").args(words)).ok();
    assert!(place.path("out/hosts-box").is_symlink());
}

/// Starts an evaluation that does not look whether it is to end.
fn deaf(place: &Place, word: &str) -> Running {
    let running = place.cbox(&BUILD).env("CBOX_TEST_WORD", word).start();
    wait_until("Nix evaluates", || {
        let processes = processes::with_word(word);
        processes.iter().any(|process| process.contains("--apply"))
    });
    running
}

#[test]
fn an_evaluation_that_never_looks() {
    let place = Place::flake(&tiny::flake(&[("box", &endless())]));
    let word = unique();
    for (signal, code) in SIGNALS {
        let running = deaf(&place, &word);
        // Nix has yet to come to the evaluation.
        std::thread::sleep(Duration::from_millis(500));
        running.signal(signal);
        let says = "waiting for Nix to end";
        wait_until(says, || running.said().contains(says));
        let again = running.said().contains("Ctrl-C again kills it");
        assert_eq!(again, signal == Signal::INT, "{}", running.said());
        let sent = Instant::now();
        running.signal(signal);
        soon(running, SOON).code(code);
        assert!(sent.elapsed() < Duration::from_secs(3));
        assert_eq!(processes::with_word(&word), [""; 0]);
    }
}

#[test]
fn sigquit_ends_children_and_leaves_nothing() {
    let script = "while :; do :; done";
    let place = Place::flake(&tiny::scripts(&[("box", script)]));
    let word = unique();
    let running = place.cbox(&BUILD).env("CBOX_TEST_WORD", &word).start();
    wait_until("it builds", || running.said().contains("building"));
    running.signal(Signal::QUIT);
    soon(running, 3 * SOON).code(131);
    wait_until("no process is left", || {
        processes::with_word(&word).is_empty()
    });
    assert_eq!(place.names("../tmp"), [""; 0]);
    assert_eq!(
        fs::read_dir(place.path("out")).unwrap().count(),
        1,
        "the logs"
    );
}
