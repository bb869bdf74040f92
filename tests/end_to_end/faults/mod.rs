//! What breaks on purpose: files that are none, waits, signals, a killed cbox, a Nix that crashes,
//! text without end.

mod bounds;
mod crashes;
mod not_a_file;
mod sigkill;
mod waits;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::support::call::{Call, Ended, Running};

/// More than a second: the machine may be busy. What hangs never ends.
const SOON: Duration = Duration::from_secs(10);

/// An expression that is evaluated for hours, in which Nix never looks whether it is to end.
fn endless() -> String {
    format!("builtins.seq ({}) (throw \"too fast\")", deaf(3000))
}

/// One that takes as many calls as the third power of `number`.
fn deaf(number: u32) -> String {
    format!(
        "let many = builtins.genList (n: n) {number}; \
         count = f: builtins.foldl' (sum: n: sum + f n) 0 many; in \
         count (_: count (_: count (n: n)))"
    )
}

/// Makes a pipe at which a reader waits for ever, in the place of whatever is there.
fn pipe(path: &Path) {
    let _gone = std::fs::remove_file(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

/// Runs what waits for nobody.
#[track_caller]
fn ends(call: Call) -> Ended {
    soon(call.start(), 3 * SOON)
}

/// What ends in this time.
#[track_caller]
fn soon(mut running: Running, within: Duration) -> Ended {
    let end = Instant::now() + within;
    while !running.has_ended() {
        assert!(Instant::now() < end, "it hangs: {}", running.said());
        std::thread::sleep(Duration::from_millis(10));
    }
    running.wait()
}
