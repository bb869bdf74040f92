//! Ctrl-C at any moment: exit code 130, the last good link in place, no temporary folder,
//! no process left behind.

use rustix::process::Signal;
use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{call::Running, place::Place, processes, tiny, unique, wait_until};

const BUILD: [&str; 2] = ["build", "hosts/box"];

/// A script whose result is new at every run, so that it has to be built.
fn good() -> String {
    format!("echo {} >$out", unique())
}

/// A place with a good build that is linked, and the word that marks its processes.
struct Interrupted {
    place: Place,
    word: String,
    link: String,
    manifest: serde_json::Value,
}

impl Interrupted {
    fn after_a_good_build() -> Self {
        let place = Place::flake(&tiny::scripts(&[("box", &good())]));
        place.ask(&BUILD);
        assert_eq!(place.names("../tmp"), [""; 0]);
        Self {
            link: place.link("hosts-box"),
            manifest: place.manifest("hosts-box"),
            word: unique(),
            place,
        }
    }

    /// Starts the next build.
    fn start(&self) -> Running {
        self.place
            .cbox(&BUILD)
            .env("CBOX_TEST_WORD", &self.word)
            .start()
    }

    /// Sends the signal and checks that all is as it was.
    #[track_caller]
    fn stop(&self, running: Running, signal: Signal, code: i32) {
        running.signal(signal);
        let ended = running.wait().code(code);
        assert_eq!(ended.stdout, "", "{ended}");
        assert_eq!(self.place.link("hosts-box"), self.link, "the good link");
        assert_eq!(self.place.manifest("hosts-box"), self.manifest);
        let names = self.place.names("out");
        assert_eq!(names, ["hosts-box", "hosts-box.json"], "{ended}");
        assert_eq!(self.place.names("../tmp"), [""; 0], "{ended}");
        // A daemon ends its builds by itself a moment later.
        wait_until("no process is left", || {
            processes::with_word(&self.word).is_empty()
        });
    }
}

/// Interrupts cbox while `program` is at the call that has `pattern` in it.
#[track_caller]
fn interrupted_at(program: &str, pattern: &str) {
    let before = Interrupted::after_a_good_build();
    let text = tiny::scripts(&[("box", &good())]);
    before.place.write("flake.nix", text);
    let reached = before.place.stall(program, pattern);
    let mut running = before.start();
    wait_until("the call is reached", || {
        assert!(!running.has_ended(), "cbox ended before");
        reached.exists()
    });
    before.stop(running, Signal::INT, 130);
}

#[test]
fn while_git_lists_the_files() {
    interrupted_at("git", "*' ls-files '*");
}

#[test]
fn while_nix_says_its_version() {
    interrupted_at("nix", "*' --version '*");
}

#[test]
fn while_the_source_is_added_to_the_store() {
    interrupted_at("nix", "*' daemon '*");
}

#[test]
fn while_the_lock_is_checked() {
    interrupted_at("nix", "*' --no-update-lock-file '*");
}

#[test]
fn while_a_host_is_evaluated() {
    interrupted_at("nix", "*' --apply '*");
}

#[test]
fn while_a_build_begins() {
    interrupted_at("nix", "*' build --json '*");
}

#[test]
fn while_the_link_is_made() {
    interrupted_at("nix", "*' build --out-link '*");
}

#[test]
fn in_the_middle_of_a_long_evaluation() {
    let before = Interrupted::after_a_good_build();
    // Hours of work that needs no memory.
    let long = "let many = builtins.genList (n: n) 3000; \
        count = f: builtins.foldl' (sum: n: sum + f n) 0 many; in \
        builtins.seq (count (_: count (_: count (n: n)))) (throw \"too fast\")";
    before
        .place
        .write("flake.nix", tiny::flake(&[("box", long)]));
    let running = before.start();
    wait_until("Nix evaluates", || {
        let processes = processes::with_word(&before.word);
        processes.iter().any(|process| process.contains("--apply"))
    });
    before.stop(running, Signal::INT, 130);
}

/// Starts a build that never ends, and waits until its builder runs.
fn endless_build(before: &Interrupted) -> Running {
    let script = format!(": {}; while :; do :; done", before.word);
    let text = tiny::scripts(&[("box", &script)]);
    before.place.write("flake.nix", text);
    let running = before.start();
    wait_until("the builder runs", || {
        let processes = processes::with_word(&before.word);
        processes.iter().any(|process| process.contains("while :"))
    });
    running
}

#[test]
fn in_the_middle_of_a_build() {
    let before = Interrupted::after_a_good_build();
    before.stop(endless_build(&before), Signal::INT, 130);
}

#[test]
fn a_polite_kill_is_as_orderly_and_has_its_own_exit_code() {
    let before = Interrupted::after_a_good_build();
    before.stop(endless_build(&before), Signal::TERM, 143);
}

#[test]
fn a_terminal_that_goes_away_is_as_orderly() {
    let before = Interrupted::after_a_good_build();
    before.stop(endless_build(&before), Signal::HUP, 129);
}

#[test]
fn in_the_middle_of_hashing_the_tree() {
    let before = Interrupted::after_a_good_build();
    // Big enough that its hashing lasts for some seconds, and no space on the disk.
    let big = before.place.path("big");
    fs::File::create(&big).unwrap().set_len(2 << 30).unwrap();
    let mut running = before.start();
    wait_until("the file is read", || {
        assert!(!running.has_ended(), "cbox ended before");
        processes::has_open(running.pid(), &big)
    });
    before.stop(running, Signal::INT, 130);
}

#[test]
fn in_the_middle_of_one_huge_file() {
    let before = Interrupted::after_a_good_build();
    // Its hashing would last for minutes, and it needs no space on the disk.
    let huge = before.place.path("huge");
    let file = fs::File::create(&huge).unwrap();
    file.set_len(200 << 30).unwrap();
    let mut running = before.start();
    wait_until("the file is read", || {
        assert!(!running.has_ended(), "cbox ended before");
        processes::has_open(running.pid(), &huge)
    });
    let sent = Instant::now();
    before.stop(running, Signal::INT, 130);
    let lasted = sent.elapsed();
    assert!(lasted < Duration::from_secs(30), "it lasted {lasted:?}");
}

#[test]
fn behind_the_link_its_records_still_follow() {
    let place = Place::minibox();
    place.ask(&["appliance", "iso"]);
    let before = place.link("appliance-iso");
    let reached = place.stall_behind("nix", "*' build --out-link '*");
    let set = format!("system.nixos.version={}", unique());
    let running = place.cbox(&["appliance", "iso", "--set", &set]).start();
    wait_until("the link is made", || reached.exists());
    running.signal(Signal::INT);
    running.wait().code(130);
    fs::remove_file(place.beside("bin/nix")).unwrap();

    let after = place.link("appliance-iso");
    assert_ne!(after, before);
    assert_eq!(place.manifest("appliance-iso")["outPath"], after.as_str());
    let check = place
        .call("sha256sum")
        .args(["-c", "appliance-iso.sha256"])
        .folder(place.path("out"));
    check.run().ok();
    let status = place.cbox(&["status", "--json"]).run().ok().json();
    assert_eq!(status["links"][0]["state"], "forced", "{status:#}");
    assert_eq!(
        place.names("out"),
        [
            "appliance-iso",
            "appliance-iso.json",
            "appliance-iso.sha256"
        ]
    );
}

#[test]
fn the_next_run_finishes_what_was_interrupted() {
    let before = Interrupted::after_a_good_build();
    let place = &before.place;
    place.write("flake.nix", tiny::scripts(&[("box", &good())]));
    let reached = place.stall("nix", "*' build --out-link '*");
    let running = before.start();
    wait_until("the link is about to be made", || reached.exists());
    before.stop(running, Signal::INT, 130);
    fs::remove_file(place.beside("bin/nix")).unwrap();
    place.ask(&BUILD);
    assert_ne!(place.link("hosts-box"), before.link);
    assert_eq!(
        place.manifest("hosts-box")["outPath"],
        place.link("hosts-box").as_str()
    );
}
