//! `kill -9` of cbox, which leaves it no time for anything: what it started ends all the same, and
//! what it made is removed by the next run.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{deaf, endless, pipe};
use crate::support::{call::Running, place::Place, processes, tiny, unique, wait_until};

const BUILD: [&str; 2] = ["build", "hosts/box"];

/// A place, and the word that marks its processes.
struct Killed {
    place: Place,
    word: String,
}

impl Killed {
    fn new(flake: &str) -> Self {
        Self {
            place: Place::flake(flake),
            word: unique(),
        }
    }

    fn start(&self, words: &[&str]) -> Running {
        self.place
            .cbox(words)
            .env("CBOX_TEST_WORD", &self.word)
            .start()
    }

    fn processes(&self) -> Vec<String> {
        processes::with_word(&self.word)
    }

    /// Kills cbox while it runs a process with these words, and checks that nothing of it stays.
    #[track_caller]
    fn kill_while(&self, mut running: Running, words: &str) {
        wait_until(words, || {
            assert!(!running.has_ended(), "{}", running.said());
            let processes = self.processes();
            processes.iter().any(|process| process.contains(words))
        });
        self.kill(running);
    }

    #[track_caller]
    fn kill(&self, running: Running) {
        running.signal(Signal::KILL);
        running.wait();
        let end = Instant::now() + Duration::from_secs(10);
        while !self.processes().is_empty() {
            assert!(Instant::now() < end, "left: {:#?}", self.processes());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn in_an_evaluation_that_never_looks() {
    let killed = Killed::new(&tiny::flake(&[("box", &endless())]));
    for _ in 0..3 {
        killed.kill_while(killed.start(&BUILD), "--apply");
    }
}

#[test]
fn in_a_build() {
    let word = unique();
    let script = format!(": {word}; while :; do :; done");
    let killed = Killed {
        place: Place::flake(&tiny::scripts(&[("box", &script)])),
        word,
    };
    killed.kill_while(killed.start(&BUILD), "while :");
    let names = killed.place.names("out");
    assert!(
        names.iter().all(|name| name.starts_with(".cbox-")),
        "{names:?}"
    );
}

/// Programs that wait, and what those have started.
#[test]
fn in_a_program_that_waits() {
    for (program, pattern) in [
        ("git", "*' ls-files '*"),
        ("nix", "*' --version '*"),
        ("nix", "*' daemon '*"),
        ("nix", "*' build --out-link '*"),
    ] {
        let script = format!("echo {} >$out", unique());
        let killed = Killed::new(&tiny::scripts(&[("box", &script)]));
        let reached = killed.place.beside("stalled");
        // It becomes the one process that waits: what a shell starts is the shell's.
        let real = crate::support::call::find_program(program).unwrap();
        let script = format!(
            "case \" $* \" in {pattern}) : >'{}'; exec sleep 1000 ;; esac\nexec '{}' \"$@\"",
            reached.display(),
            real.display()
        );
        killed.place.stand_in(program, &script);
        let running = killed.start(&BUILD);
        wait_until("the call is reached", || reached.exists());
        killed.kill(running);
    }
}

#[test]
fn in_a_machine() {
    let place = Place::minibox();
    place.ask(&["appliance", "iso"]);
    place.stand_in_firmware();
    let killed = Killed {
        place,
        word: unique(),
    };
    let started = killed.place.beside("started");
    let script = format!(
        "case \" $* \" in *' -nodefaults '*) exit 1 ;; *' -display help '*) echo none; exit ;; esac\n\
         : >'{}'; exec sleep 1000",
        started.display()
    );
    for arch in ["x86_64", "aarch64"] {
        let program = format!("qemu-system-{arch}");
        killed.place.stand_in(&program, &script);
    }
    for options in [&["--headless"][..], &["--until", "never"]] {
        let words = [&["boot", "appliance/iso"][..], options].concat();
        let call = killed.place.cbox(&words);
        let call = call.env("CBOX_FIRMWARE_DIR", killed.place.beside("firmware"));
        let running = call.env("CBOX_TEST_WORD", &killed.word).start();
        wait_until("the machine runs", || started.exists());
        killed.kill(running);
        fs::remove_file(&started).unwrap();
    }
}

/// What a killed run left in TMPDIR, local settings among it, and beside the links.
#[test]
fn the_next_run_removes_what_it_left() {
    let killed = Killed::new(&tiny::scripts(&[("box", "echo >$out")]));
    let place = &killed.place;
    let reached = place.stall("nix", "*' build --out-link '*");
    let running = killed.start(&BUILD);
    wait_until("the link is about to be made", || reached.exists());
    running.signal(Signal::KILL);
    running.wait();
    assert_ne!(place.names("out"), [""; 0], "a folder with roots");
    fs::remove_file(place.beside("bin/nix")).unwrap();

    // As a run leaves it that was killed while it staged.
    let tmp = place.beside("tmp");
    let left = tmp.join("cbox-abcdefghijkl");
    fs::create_dir_all(left.join("source/hosts/box")).unwrap();
    fs::write(left.join("source/hosts/box/local.nix"), "secret").unwrap();
    pipe(&left.join("source/pipe"));
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&left, private.clone()).unwrap();
    // Nobody's: of others, or a link in the place of such a folder.
    let precious = place.beside("precious");
    fs::create_dir(&precious).unwrap();
    fs::set_permissions(&precious, private).unwrap();
    fs::write(precious.join("file"), "").unwrap();
    symlink(&precious, tmp.join("cbox-bbbbbbbbbbbb")).unwrap();
    fs::create_dir(tmp.join("cbox-backup")).unwrap();
    symlink(&precious, left.join("source/link")).unwrap();

    place.ask(&BUILD);
    assert_eq!(place.names("../tmp"), ["cbox-backup", "cbox-bbbbbbbbbbbb"]);
    assert_eq!(fs::read_dir(&precious).unwrap().count(), 1);
    assert_eq!(place.names("out"), ["hosts-box", "hosts-box.json"]);
}

/// Builds that are killed at any moment, of new sources each, a good run behind each: no process
/// and no folder stays, and what is linked is whole.
#[test]
fn at_random_moments() {
    let is_long = std::env::var_os("CBOX_LONG").is_some();
    let rounds = if is_long { 200 } else { 12 };
    // Some time in an evaluation that never looks, and some in a builder.
    let text = || {
        let script = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done";
        let host = tiny::script_host("box", &format!("{script}; echo {} >$out", unique()));
        tiny::flake(&[("box", &format!("builtins.seq ({}) ({host})", deaf(150)))])
    };
    let killed = Killed::new(&text());
    let place = &killed.place;
    let begun = Instant::now();
    place.ask(&BUILD);
    let whole = begun.elapsed();
    let (mut processes, mut folders, mut ended) = (0, 0, 0);
    for round in 0..rounds {
        place.write("flake.nix", text());
        let mut running = killed.start(&BUILD);
        // Spread over a run by the golden ratio, which meets no rhythm.
        let share = (f64::from(round) * 0.618_034).fract();
        std::thread::sleep(whole.mul_f64(share));
        match running.has_ended() {
            true => ended += 1,
            false => running.signal(Signal::KILL),
        }
        running.wait();
        let end = Instant::now() + Duration::from_secs(10);
        while !killed.processes().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        processes += killed.processes().len();
        place.ask(&BUILD);
        folders += left_over(&place.beside("tmp")) + left_over(&place.path("out"));
        assert_eq!(
            place.manifest("hosts-box")["outPath"],
            place.link("hosts-box").as_str()
        );
    }
    let said = format!(
        "of {rounds} runs that were killed ({ended} had ended before) {processes} left processes \
         and {folders} left folders"
    );
    assert!(
        processes == 0 && folders == 0 && ended < rounds as usize / 2,
        "{said}"
    );
    crate::support::nix::say(&said);
}

/// How many things are there that only a run has.
fn left_over(folder: &Path) -> usize {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let own = names.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("cbox-") || name.starts_with(".cbox-")
    });
    own.count()
}
