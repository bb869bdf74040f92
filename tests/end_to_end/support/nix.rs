//! The real Nix: whether it is here, and what it says itself.

use std::{fs::File, io::Write as _, path::PathBuf, sync::OnceLock};

use super::{
    call::{Call, find_program},
    place::Place,
};

const FEATURES: [&str; 2] = ["--extra-experimental-features", "nix-command flakes"];

/// The real Nix. A test that needs it fails without it: what was not run must not look
/// like what passed.
pub(crate) fn real() -> PathBuf {
    static REAL: OnceLock<Option<PathBuf>> = OnceLock::new();
    match REAL.get_or_init(|| find_program("nix")) {
        Some(nix) => nix.clone(),
        None => panic!(
            "there is no Nix here: run `make setup` and then `. .tools/env`, or leave the \
             end-to-end tests out on purpose with `CBOX_SKIP_NIX=1 make test`"
        ),
    }
}

/// Says that a test is left out, where the machine and not its set-up is the reason.
pub(crate) fn say_left_out(reason: &str) {
    let test = std::thread::current();
    let name = test.name().unwrap_or("a test");
    say(&format!("LEFT OUT: {name} ({reason})"));
    // For the last line of `make test`.
    if let Some(file) = std::env::var_os("CBOX_LEFT_OUT") {
        let mut all = File::options()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        all.write_all(format!("{name}\t{reason}\n").as_bytes())
            .unwrap();
    }
}

/// Says something to whoever runs the tests.
pub(crate) fn say(text: &str) {
    // Not by eprintln, which the test runner would keep to itself.
    let line = format!("{text}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Nix's own name for this machine.
pub(crate) fn native() -> String {
    format!("{}-linux", std::env::consts::ARCH)
}

impl Place {
    /// A call of the real Nix, past every stand-in.
    pub(crate) fn nix(&self, args: &[&str]) -> Call {
        self.call(real()).args(FEATURES).args(args)
    }

    /// What `nix eval .#ATTRIBUTE` gives without cbox, as text.
    #[track_caller]
    pub(crate) fn plain_eval(&self, attribute: &str) -> String {
        let flake = format!(".#{attribute}");
        self.nix(&["eval", "--raw", &flake]).run().ok().stdout
    }

    /// Roots of the garbage collector that keep `store_path` and lie in this place.
    pub(crate) fn roots(&self, store_path: &str) -> Vec<PathBuf> {
        let answer = self
            .call("nix-store")
            .args(["--query", "--roots", store_path])
            .run()
            .ok();
        let mut roots: Vec<PathBuf> = answer
            .lines()
            .iter()
            .filter_map(|line| line.split(" -> ").next())
            .map(PathBuf::from)
            .filter(|root| root.starts_with(self.folder()))
            .collect();
        roots.sort();
        roots
    }
}
