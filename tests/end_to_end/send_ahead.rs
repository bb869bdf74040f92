//! A large tree goes into the store while it is hashed, if it is likely to be new. Whatever the
//! guess, the outcome is the same.

use std::{fs, path::PathBuf};

use rustix::process::Signal;

use crate::support::{
    call::{Call, Ended, Running},
    nix::{native, real},
    place::Place,
    processes, quoted, tiny, unique, wait_until,
};

/// More files than a large tree has, all together more than goes into pipes.
const FILES: usize = 2_100;

/// A large flake of one host that reads `word` alone, and a store of its own.
struct Large {
    place: Place,
    store: PathBuf,
}

const BUILD: [&str; 3] = ["build", "hosts/box", "--drv"];

impl Large {
    fn new() -> Self {
        let system = native();
        let host = format!(
            "derivation {{ name = \"box\"; system = \"{system}\"; builder = \"/bin/sh\"; \
             word = builtins.readFile ./word; }}"
        );
        let place = Place::flake(&tiny::flake(&[("box", &host)]));
        place.write("cbox.toml", "hosts = [\"box\"]\n");
        place.write("word", unique());
        for number in 0..FILES {
            place.write(file(number), format!("{number} ").repeat(500));
        }
        place.commit("files");
        let store = place.beside("own");
        Self { place, store }
    }

    fn cbox(&self, args: &[&str]) -> Call {
        let store = self.store.to_str().unwrap();
        self.place
            .cbox(args)
            .args(["--store", store, "-v", "-v"])
            .env("CBOX_TEST_WORD", self.place.read("word"))
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.cbox(args).run().ok()
    }

    /// What is in the store.
    fn stored(&self) -> Vec<String> {
        let mut names = self.place.names(self.store.join("nix/store"));
        names.retain(|name| name != ".links");
        names
    }

    /// Has the daemon hear what `script` lets through.
    fn before_the_daemon(&self, script: &str) {
        let real = quoted(real());
        self.place.stand_in(
            "nix",
            &format!(
                "case \" $* \" in *' daemon '*) {script} | {real} \"$@\"; exit ;; esac\n\
                 exec {real} \"$@\""
            ),
        );
    }

    /// A build that has sent a tree by half: the daemon hears nothing more until the file is there
    /// that this gives.
    fn half_sent(&self) -> (Running, PathBuf) {
        let (reached, go) = (self.place.beside("reached"), self.place.beside("go"));
        self.before_the_daemon(&format!(
            "exec 3<&0; {{ dd bs=64k count=20 <&3 2>/dev/null; : >{}; until [ -e {} ]; do sleep 0.1; done; \
             exec cat <&3; }}",
            quoted(&reached),
            quoted(&go)
        ));
        let mut running = self.cbox(&BUILD).start();
        wait_until("it is half sent", || {
            assert!(!running.has_ended(), "cbox ended before");
            reached.exists()
        });
        (running, go)
    }

    /// No process is left, and nothing that the store takes for a tree. Gives what else is in it.
    #[track_caller]
    fn nothing_is_left(&self) -> Vec<String> {
        let word = self.place.read("word");
        wait_until("no process is left", || {
            processes::with_word(&word).is_empty()
        });
        let mut stored = self.stored();
        // What a daemon wrote that is killed, which a garbage collection removes.
        stored.retain(|name| !name.starts_with("tmp-"));
        assert_eq!(stored, [""; 0]);
        self.stored()
    }
}

fn file(number: usize) -> String {
    format!("files/{number:04}")
}

fn is_sent(run: &Ended) -> bool {
    run.stderr
        .contains("the tree went to the store while it was hashed")
}

/// How often a tree was put into the store.
fn adds(run: &Ended) -> usize {
    run.stderr.matches(" to the store (").count()
}

#[test]
fn what_is_likely_new_is_sent_and_has_the_path_that_it_has_otherwise() {
    let large = Large::new();
    // Neither puts anything anywhere.
    large.run(&["source", "list"]);
    let hash = large.run(&["source", "hash"]);
    assert!(!is_sent(&hash) && !large.store.exists(), "{hash}");
    let first = large.run(&BUILD);
    assert!(is_sent(&first) && adds(&first) == 1, "{first}");
    let reference = large.run(&["source", "ref"]);
    assert_eq!(adds(&reference), 0, "{reference}");
    let (path, nar_hash) = reference.text().split_once("?narHash=").unwrap();
    let encoded = hash.text().trim().replace('+', "%2B");
    assert_eq!(nar_hash.trim(), encoded.replace('=', "%3D"), "{reference}");
    let path = path.strip_prefix("path:").unwrap();
    let store = large.store.to_str().unwrap();
    let verify = ["store", "verify", "--no-trust", "--store", store, path];
    large.place.nix(&verify).run().ok();
    // As it was, as a commit, and in another worktree: it is known.
    large.place.write(file(7), "changed");
    let changed = large.run(&BUILD);
    assert!(is_sent(&changed) && adds(&changed) == 1, "{changed}");
    let same = large.run(&BUILD);
    assert_eq!(adds(&same), 0, "{same}");
    large.place.commit("changed");
    let committed = large.run(&BUILD);
    assert_eq!(adds(&committed), 0, "{committed}");
    let worktree = large.place.beside("worktree");
    let worktree = worktree.to_str().unwrap();
    large.place.git(&["worktree", "add", "-q", worktree]);
    let elsewhere = [&BUILD[..], &["--flake", worktree]].concat();
    let elsewhere = large.run(&elsewhere);
    assert_eq!(adds(&elsewhere), 0, "{elsewhere}");
    // Written as git has it, it is no other tree.
    large.place.write(file(7), "changed");
    let touched = large.run(&BUILD);
    assert_eq!(adds(&touched), 0, "{touched}");
    // A wrong guess: what is not committed was written as it was.
    large.place.write(file(7), "once more");
    assert!(is_sent(&large.run(&BUILD)));
    large.place.write(file(7), "once more");
    let again = large.run(&BUILD);
    assert!(is_sent(&again), "{again}");
    for run in [&changed, &same, &committed, &elsewhere, &touched, &again] {
        assert_eq!(run.stdout, first.stdout, "{run}");
    }
}

#[test]
fn a_change_that_nobody_may_read_is_not_sent() {
    let large = Large::new();
    large.run(&["accept"]);
    large.place.write(file(7), "changed");
    let before = large.run(&["verify-hosts"]);
    assert!(is_sent(&before), "{before}");
    large.run(&["verify-hosts", "--self-test"]);
    large.place.write(file(7), "changed again");
    let unread = large.run(&["verify-hosts"]);
    assert_eq!(adds(&unread), 0, "{unread}");
    assert!(
        unread.stdout.contains("did not read files/0007"),
        "{unread}"
    );
    // A wrong guess: it is put there behind its hash.
    large.place.write("word", unique());
    let read = large.cbox(&["verify-hosts"]).run().code(1);
    assert!(!is_sent(&read) && adds(&read) == 1, "{read}");
    // With another file, no evaluation is known to read nothing new.
    large.place.write("files/more", "");
    large.place.git(&["add", "files/more"]);
    let more = large.cbox(&["verify-hosts"]).run().code(1);
    assert!(is_sent(&more) && adds(&more) == 1, "{more}");
}

#[test]
fn an_image_among_the_files_leaves_nothing_of_them() {
    let large = Large::new();
    large.place.write("files/zzz", b"QFI\xfb and more");
    let run = large.cbox(&BUILD).run();
    assert_ne!(run.status.code(), Some(0), "{run}");
    let run = run.says(&["files/zzz holds a qcow2 image"]);
    assert!(
        run.stderr.contains("adding 2105 files to the store"),
        "{run}"
    );
    assert_eq!(large.nothing_is_left(), [""; 0]);
    // So it is where nothing is sent.
    let hash = large.cbox(&["source", "hash"]).run();
    assert_eq!(hash.status.code(), run.status.code(), "{hash}");
    hash.says(&["files/zzz holds a qcow2 image"]);
}

#[test]
fn a_file_that_changes_meanwhile_leaves_nothing_of_them() {
    let large = Large::new();
    let (running, go) = large.half_sent();
    large.place.write(file(FILES - 1), "another size");
    fs::write(go, "").unwrap();
    let last = file(FILES - 1);
    let ended = running.wait();
    assert_ne!(ended.status.code(), Some(0), "{ended}");
    ended.says(&[&format!("{last} changed while it was read")]);
    large.nothing_is_left();
}

#[test]
fn ctrl_c_leaves_nothing_of_them() {
    let large = Large::new();
    let (running, _go) = large.half_sent();
    running.signal(Signal::INT);
    let ended = running.wait().code(130);
    assert!(!is_sent(&ended), "{ended}");
    large.nothing_is_left();
}

#[test]
fn a_daemon_that_dies_meanwhile_costs_time_alone() {
    let large = Large::new();
    let known = large.run(&BUILD);
    let other = Large {
        store: large.place.beside("other"),
        ..Large::new()
    };
    other.place.write("word", large.place.read("word"));
    let once = quoted(other.place.beside("once"));
    let script = format!("if mkdir {once}; then dd bs=64k count=20; else cat; fi 2>/dev/null");
    other.before_the_daemon(&script);
    let run = other.run(&BUILD);
    assert!(!is_sent(&run), "{run}");
    assert_eq!(run.stdout, known.stdout);
    assert!(other.stored().iter().any(|name| name.ends_with("-source")));
    run.says(&["the tree is hashed first"]);
}
