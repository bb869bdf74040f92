//! `kill -9` at any moment of the linking stage: a link, its manifest and its checksum are those
//! of one image or are missing, and the next run leaves all three. So it is with a disk that is
//! full or broken at any moment.
//!
//! `CBOX_LONG=1` kills 200 times, at every system call that changes a file and all through the
//! call of Nix that makes the link, and lets 100 such calls fail; otherwise it is some of each.

use std::{collections::BTreeMap, fs, os::unix::process::ExitStatusExt as _};

use serde_json::Value;

use crate::{
    bad_words::one_error,
    support::{
        call::{Call, find_program},
        nix::{self, say_left_out},
        place::Place,
        processes, quoted, unique, wait_until,
    },
};

/// What changes files or puts them on the disk, as strace names it.
const CALLS: &str = "mkdir,rename,renameat,renameat2,link,linkat,symlink,unlink,unlinkat,rmdir,fchmod,fsync,fdatasync,flock";

const SLUG: &str = "appliance-qcow2";

/// How many kills the long form makes of each of the two kinds.
const MANY: usize = 100;

fn is_long() -> bool {
    std::env::var_os("CBOX_LONG").is_some()
}

/// A place with two images of one target, both of them built, the first one linked.
struct Images {
    place: Place,
    /// Their store paths.
    paths: [String; 2],
}

impl Images {
    fn new() -> Self {
        let place = Place::minibox();
        let mut images = Self {
            place,
            paths: Default::default(),
        };
        for which in [1, 0] {
            images.build(which).run().ok();
            images.paths[which] = images.place.link(SLUG);
        }
        images
    }

    fn words(which: usize) -> [String; 4] {
        let set = format!("system.nixos.version=killed-{which}");
        ["appliance", "qcow2", "--set", &set].map(str::to_owned)
    }

    fn build(&self, which: usize) -> Call {
        let words = Self::words(which);
        self.place.cbox(&words.each_ref().map(String::as_str))
    }

    fn record(&self, extension: &str) -> Option<String> {
        fs::read_to_string(self.place.path(format!("out/{SLUG}{extension}"))).ok()
    }

    /// Shows that what is there belongs together. Gives how many of the records there are.
    #[track_caller]
    fn is_consistent(&self, when: &str) -> usize {
        let link = self.place.link(SLUG);
        assert!(self.paths.contains(&link), "{when}: {link}");
        let manifest: Option<Value> =
            (self.record(".json")).map(|text| serde_json::from_str(&text).unwrap());
        let checksum = self.record(".sha256");
        if let Some(manifest) = &manifest {
            assert_eq!(manifest["outPath"], link.as_str(), "{when}");
        }
        if let Some(checksum) = &checksum {
            let check = self.place.call("sha256sum").args(["--check", "--strict"]);
            let check = check.args([format!("{SLUG}.sha256")]);
            let check = check.folder(self.place.path("out")).run();
            assert!(check.status.success(), "{when}: {check}");
            let recorded = manifest
                .as_ref()
                .map(|manifest| manifest["artifact"]["sha256"].as_str().unwrap());
            assert!(
                recorded.is_none_or(|sha256| checksum.starts_with(sha256)),
                "{when}: {checksum}{manifest:?}"
            );
        }
        if manifest.is_none() {
            let status = self.place.cbox(&["status", "--json"]).run().ok().json();
            let why = status["links"][0]["why"].as_str().unwrap_or_default();
            assert!(why.contains("was killed before"), "{when}: {status:#}");
        }
        usize::from(manifest.is_some()) + usize::from(checksum.is_some())
    }

    /// Shows that the next run mends what was killed.
    #[track_caller]
    fn is_mended(&self, which: usize, when: &str) {
        self.build(which).run().ok();
        assert_eq!(self.place.link(SLUG), self.paths[which], "{when}");
        assert_eq!(self.is_consistent(when), 2, "{when}: a record is missing");
        let names = ["", ".json", ".sha256"].map(|end| format!("{SLUG}{end}"));
        assert_eq!(self.place.names("out"), names, "{when}");
    }
}

/// One call of the linking stage.
struct Step {
    /// As strace shows it.
    shown: String,
    /// Its name and its number among those of this name, by which strace finds it again.
    name: String,
    number: usize,
}

/// The calls of the linking stage, in their order; `None` where there is no strace.
fn steps(images: &Images, which: usize, calls: &str) -> Option<Vec<Step>> {
    let works = find_program("strace").is_some_and(|_| {
        let run = images.place.call("strace").args(["-qq", "true"]).run();
        run.status.success()
    });
    if !works {
        say_left_out("no `strace` here that may look at a process");
        return None;
    }
    let trace = format!("trace={calls}");
    strace(images, which, &["-y", "-e", &trace]).run().ok();
    let text = fs::read_to_string(images.place.beside("strace")).unwrap();
    let mut numbers = BTreeMap::<String, usize>::new();
    let mut steps: Vec<Step> = text
        .lines()
        .filter_map(|line| {
            let name = line.split_once('(')?.0.to_owned();
            let number = numbers.entry(name.clone()).or_default();
            *number += 1;
            Some(Step {
                shown: line.to_owned(),
                name,
                number: *number,
            })
        })
        .collect();
    let is_first = |step: &Step| step.shown.contains("/new");
    let first = steps.iter().position(is_first).unwrap();
    steps.drain(..first);
    assert!(steps.len() > 20, "{text}");
    Some(steps)
}

/// A build whose main thread, which does all of the linking, strace looks at.
fn strace(images: &Images, which: usize, options: &[&str]) -> Call {
    images
        .place
        .call("strace")
        .args(["-qq", "-e", "signal=none", "-o"])
        .args([images.place.beside("strace")])
        .args(options)
        .args([env!("CARGO_BIN_EXE_cbox")])
        .args(Images::words(which))
}

#[test]
fn at_any_call_that_changes_a_file() {
    let images = Images::new();
    let Some(steps) = steps(&images, 1, CALLS) else {
        return;
    };
    let kills = match is_long() {
        true => MANY.max(2 * steps.len()),
        false => 8,
    };
    let mut missing = 0;
    for kill in 0..kills {
        let which = kill % 2;
        let step = match is_long() {
            // Each call on the way to one image and on the way to the other.
            true => &steps[kill / 2 % steps.len()],
            false => &steps[kill * steps.len() / kills],
        };
        let when = format!("killed at {}", step.shown);
        let inject = format!("inject={}:signal=KILL:when={}", step.name, step.number);
        let ended = strace(&images, which, &["-e", &inject]).run();
        assert_eq!(ended.status.signal(), Some(9), "{when}: {ended}");
        missing += usize::from(images.is_consistent(&when) < 2);
        images.is_mended(which, &when);
    }
    assert!(missing > 0, "no kill came while the link changed");
    println!("{kills} kills at {} calls, all consistent", steps.len());
}

#[test]
fn at_any_call_that_fails() {
    let images = Images::new();
    let calls = format!("{CALLS},write");
    let Some(mut steps) = steps(&images, 1, &calls) else {
        return;
    };
    // What is said is written, too.
    steps.retain(|step| step.name != "write" || step.shown.contains("/out/"));
    let errors = ["ENOSPC", "EDQUOT", "EIO", "EROFS"];
    let faults = if is_long() { MANY } else { 8 };
    let mut failed = 0;
    for fault in 0..faults {
        let which = fault % 2;
        let step = match is_long() {
            true => &steps[fault / 2 % steps.len()],
            false => &steps[fault * steps.len() / faults],
        };
        let error = errors[fault / 2 % errors.len()];
        let when = format!("{error} at {}", step.shown);
        let inject = format!("inject={}:error={error}:when={}", step.name, step.number);
        let before = images.place.link(SLUG);
        let ended = strace(&images, which, &["-e", &inject]).run();
        let there = images.is_consistent(&when);
        if ended.status.success() {
            // It was no more than tidying up.
            assert_eq!(there, 2, "{when}: {ended}");
        } else {
            failed += 1;
            one_error(&ended);
            let ended = ended.code(10);
            assert!(ended.stderr.contains("os error"), "{when}: {ended}");
            if images.place.link(SLUG) == before {
                assert_eq!(there, 2, "{when}: the records of before are there: {ended}");
            }
        }
        images.is_mended(which, &when);
    }
    assert!(failed > 0, "nothing failed");
    println!("{faults} faults, {failed} of them an error, all consistent");
}

#[test]
fn all_through_the_call_that_makes_the_link() {
    let images = Images::new();
    let kills = if is_long() { MANY } else { 4 };
    let mut linked = 0;
    for kill in 0..kills {
        let which = (kill + 1) % 2;
        // From before the call of Nix to after it.
        let delay = 0.08 * kill as f64 / (kills - 1) as f64;
        images.place.stand_in(
            "nix",
            &format!(
                "nix={}\ncase \" $* \" in *' build --out-link '*) ;; *) exec $nix \"$@\" ;; esac\n\
                 parent=$PPID; (sleep {delay}; kill -9 $parent) & $nix \"$@\"; wait",
                quoted(nix::real())
            ),
        );
        let when = format!("killed {delay} s after Nix began to make the link");
        let word = unique();
        let ended = images.build(which).env("CBOX_TEST_WORD", &word).run();
        assert_eq!(ended.status.signal(), Some(9), "{when}: {ended}");
        linked += usize::from(images.place.link(SLUG) == images.paths[which]);
        images.is_consistent(&when);
        wait_until("nothing of the call is left", || {
            processes::with_word(&word).is_empty()
        });
        images.is_consistent(&when);
        fs::remove_file(images.place.beside("bin/nix")).unwrap();
        images.is_mended(which, &when);
    }
    println!("{kills} kills, {linked} of them after the link changed, all consistent");
}

#[test]
fn what_a_killed_run_had_ready_is_used() {
    for (behind, which) in [(false, 0), (true, 1)] {
        let images = Images::new();
        let nix = quoted(nix::real());
        let real = if behind { "$nix \"$@\"; " } else { "" };
        images.place.stand_in(
            "nix",
            &format!(
                "nix={nix}\ncase \" $* \" in *' build --out-link '*) {real}kill -9 $PPID; exit 1 ;; \
                 esac\nexec $nix \"$@\""
            ),
        );
        let ended = images.build(1).run();
        assert_eq!(ended.status.signal(), Some(9), "{ended}");
        assert_eq!(images.is_consistent("killed"), 0, "no record is there");
        let refused = images.place.cbox(&["flash", "appliance/qcow2", "none"]);
        refused.run().code(9).says(&[
            "it is not known which image out/appliance-qcow2 is",
            "hint: build it: `cbox appliance qcow2`",
        ]);
        // A build of anything gives the link its records back.
        fs::remove_file(images.place.beside("bin/nix")).unwrap();
        images.place.ask(&["appliance", "iso"]);
        assert_eq!(images.place.link(SLUG), images.paths[which]);
        assert_eq!(images.is_consistent("mended"), 2);
        // And so does `clean`, which would not know the link otherwise.
        images.build(which).run().ok();
        images.place.ask(&["clean", "appliance/qcow2"]);
        assert!(images.record(".sha256").is_none());
    }
}
