//! What the bench takes from where it runs: programs, inputs of The Box, folders.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use tempfile::TempDir;

use crate::{
    command::Command,
    failure::Failure,
    peers::{Found, Peer, find},
    results::Made,
};

const FEATURES: [&str; 2] = ["--extra-experimental-features", "nix-command flakes"];

/// Read once.
#[derive(Debug)]
pub(crate) struct Environment {
    nix: PathBuf,
    git: PathBuf,
    /// The program that is measured.
    cbox: PathBuf,
    /// The others that it is compared with, each found, or why not.
    peers: Vec<(Peer, Result<Found, String>)>,
    /// The example of nix-formats that reads derivations and writes them again.
    pub(crate) round_trip: Option<PathBuf>,
    /// What The Box is evaluated with.
    pub(crate) inputs: Inputs,
    /// The top of this repository.
    pub(crate) top: PathBuf,
    most: usize,
    scratch: TempDir,
}

/// Where nixpkgs and disko come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inputs {
    /// Flake references that stand in for the locked ones.
    Given { nixpkgs: String, disko: String },
    /// As in flake.lock, from the network or the store.
    Locked,
    /// Nowhere.
    None,
}

impl Environment {
    /// Looks around; `cbox` is measured in place of the one beside this program, with no more
    /// than `most` of what the work grows with.
    pub(crate) fn read(cbox: Option<&Path>, most: Option<usize>) -> Result<Self, Failure> {
        let itself = std::env::current_exe()
            .map_err(|error| Failure::new(format!("this program cannot find itself: {error}")))?;
        let cbox = match cbox {
            Some(cbox) => {
                std::path::absolute(cbox).map_err(|error| Failure::file("find", cbox, &error))?
            }
            None => itself.with_file_name("cbox"),
        };
        if !cbox.is_file() {
            return Err(Failure::new(format!(
                "there is no {}: `make bench` builds it, `--cbox FILE` names another",
                cbox.display()
            )));
        }
        let scratch = tempfile::tempdir()
            .map_err(|error| Failure::new(format!("cannot make a temporary folder: {error}")))?;
        // Copies, so that a build in the meantime does not change what is measured.
        let keep = |file: &Path, name| {
            let kept = scratch.path().join(name);
            std::fs::copy(file, &kept).map_err(|error| Failure::file("copy", file, &error))?;
            Ok(kept)
        };
        let round_trip = itself.with_file_name("examples").join("round_trip");
        let round_trip = round_trip.is_file().then_some(round_trip);
        Ok(Self {
            nix: needed("nix")?,
            git: needed("git")?,
            cbox: keep(&cbox, "cbox")?,
            peers: Peer::value_variants()
                .iter()
                .map(|&peer| (peer, peer.find()))
                .collect(),
            round_trip: round_trip
                .map(|file| keep(&file, "round_trip"))
                .transpose()?,
            inputs: Inputs::read(),
            top: crate::TOP.into(),
            most: most.unwrap_or(usize::MAX),
            scratch,
        })
    }

    /// Those of `numbers` that are wanted.
    pub(crate) fn wanted(&self, numbers: &[usize]) -> Vec<usize> {
        let small = numbers.iter().filter(|&&number| number <= self.most);
        small.copied().collect()
    }

    /// A path that is gone when the bench ends.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The folder called `name` there, made where it is not yet.
    pub(crate) fn scratch_folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.scratch(name);
        std::fs::create_dir_all(&folder).map_err(|error| Failure::file("make", &folder, &error))?;
        Ok(folder)
    }

    pub(crate) fn nix<A: AsRef<str>>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let arguments = arguments.into_iter().map(|word| word.as_ref().to_owned());
        let features = FEATURES.map(str::to_owned);
        self.with_cache(Command::new(
            &self.nix,
            folder,
            features.into_iter().chain(arguments),
        ))
    }

    /// A program that comes with Nix: `nix-store`, `nix-instantiate`.
    pub(crate) fn nix_tool<A: AsRef<str>>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let program = self.nix.with_file_name(name);
        self.with_cache(Command::new(&program, self.scratch.path(), arguments))
    }

    pub(crate) fn git<A: AsRef<str>>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        Command::new(&self.git, folder, arguments)
    }

    pub(crate) fn cbox<A: AsRef<str>>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        self.with_cache(Command::new(&self.cbox, folder, arguments))
    }

    /// `peer` with `arguments`.
    ///
    /// # Errors
    /// Why it is not there.
    pub(crate) fn peer<A: AsRef<str>>(
        &self,
        peer: Peer,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Command, String> {
        let (_, found) = self
            .peers
            .iter()
            .find(|(known, _)| *known == peer)
            .ok_or("it was not looked for")?;
        let found = found.as_ref().map_err(Clone::clone)?;
        Ok(self.with_cache(Command::new(&found.program, folder, arguments)))
    }

    /// What all figures of this run depend on.
    pub(crate) fn made(&self) -> Made {
        let top = &self.top;
        let date = Command::new(
            Path::new("/bin/sh"),
            top,
            ["-c", "date -u '+%Y-%m-%d %H:%M UTC'"],
        );
        let mut versions = vec![
            ("cbox".to_owned(), first(self.cbox(top, ["--version"]))),
            ("nix".to_owned(), first(self.nix(top, ["--version"]))),
            ("git".to_owned(), first(self.git(top, ["--version"]))),
        ];
        for (peer, found) in &self.peers {
            let version = found
                .as_ref()
                .map_or_else(Clone::clone, |found| found.version.clone());
            versions.push((peer.name().to_owned(), version));
        }
        Made {
            date: first(date),
            commit: self.commit(top),
            machine: machine(),
            versions,
            inputs: Vec::new(),
        }
    }

    /// What git calls the commit, and whether more is there than it and what this program writes.
    fn commit(&self, top: &Path) -> String {
        let commit = first(self.git(top, ["rev-parse", "--short=10", "HEAD"]));
        let own = [
            ":!docs/benchmarks.md",
            ":!docs/images/benchmarks",
            ":!tests/bench/results",
        ];
        let status = ["status", "--porcelain", "--", "."].iter().chain(&own);
        match self.git(top, status.copied()).ask() {
            Ok(changed) if changed.trim().is_empty() => commit,
            _ => format!("{commit}-dirty"),
        }
    }

    /// The caches of the user hold what this run did not pay for, and are left as they are.
    fn with_cache(&self, command: Command) -> Command {
        command.variable("XDG_CACHE_HOME", &self.scratch("cache"))
    }
}

impl Inputs {
    fn read() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("BOX_NIXPKGS"), variable("BOX_DISKO")) {
            (Some(nixpkgs), Some(disko)) => Self::Given { nixpkgs, disko },
            _ if variable("BOX_LOCKED").is_some() => Self::Locked,
            _ => Self::None,
        }
    }
}

fn needed(program: &str) -> Result<PathBuf, Failure> {
    find(program).ok_or_else(|| {
        Failure::new(format!(
            "there is no {program} on the PATH, and nothing to compare without it"
        ))
    })
}

/// Processor, cores, memory and kernel, as Linux tells them.
fn machine() -> String {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map(|(_, value)| value.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let processor = processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kibibytes: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
    let gibibytes = kibibytes / 1024.0 / 1024.0;
    let kernel = read("/proc/sys/kernel/osrelease");
    // Without what a builder of kernels adds.
    let kernel = kernel.split(['-', '+']).next().unwrap_or_default().trim();
    format!("{processor}, cores: {cores}, {gibibytes:.1} GiB of memory, Linux {kernel}")
}

/// The first line of what a command answers, or why there is none.
fn first(command: Command) -> String {
    let answer = command.ask().unwrap_or_else(|failure| failure.to_string());
    answer.lines().next().unwrap_or_default().to_owned()
}
