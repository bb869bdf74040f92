//! What the bench takes from where it runs: programs, inputs of The Box, folders.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{command::Command, failure::Failure};

const FEATURES: [&str; 2] = ["--extra-experimental-features", "nix-command flakes"];

/// Read once.
#[derive(Debug)]
pub(crate) struct Environment {
    nix: PathBuf,
    git: PathBuf,
    /// The program that is measured.
    cbox: PathBuf,
    /// The other program that explains differences, or why there is none.
    pub(crate) rival: Result<Rival, String>,
    /// The example of nix-formats that reads derivations and writes them again.
    pub(crate) round_trip: Option<PathBuf>,
    /// What The Box is evaluated with.
    pub(crate) inputs: Inputs,
    /// The top of this repository.
    pub(crate) top: PathBuf,
    scratch: TempDir,
}

/// nix-diff-rs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rival {
    pub(crate) program: PathBuf,
    /// What it says of its version.
    pub(crate) version: String,
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
    /// Looks around; `cbox` is measured in place of the one beside this program.
    pub(crate) fn read(cbox: Option<&Path>) -> Result<Self, Failure> {
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
            rival: find_rival(),
            round_trip: round_trip
                .map(|file| keep(&file, "round_trip"))
                .transpose()?,
            inputs: Inputs::read(),
            top: Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
            scratch,
        })
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

/// The file that `program` is on the PATH.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn needed(program: &str) -> Result<PathBuf, Failure> {
    find(program).ok_or_else(|| {
        Failure::new(format!(
            "there is no {program} on the PATH, and nothing to compare without it"
        ))
    })
}

/// nix-diff-rs installs itself as `nix-diff`, the name of a Haskell program that does the
/// same, so it is known by its help.
fn find_rival() -> Result<Rival, String> {
    let program = find("nix-diff-rs")
        .or_else(|| find("nix-diff"))
        .ok_or("there is no nix-diff-rs on the PATH")?;
    let ask = |option| {
        let answer = std::process::Command::new(&program).arg(option).output();
        answer.map_err(|error| format!("{} cannot be started: {error}", program.display()))
    };
    let help = ask("--help")?;
    let text = [help.stdout, help.stderr].concat();
    if !String::from_utf8_lossy(&text).contains("<INPUT1>") {
        return Err(format!("{} is not nix-diff-rs", program.display()));
    }
    let answer = ask("--version")?;
    let said = String::from_utf8_lossy(&answer.stdout);
    let version = match said.lines().next().filter(|_| answer.status.success()) {
        Some(line) => line.trim().to_owned(),
        None => version_in_store(&program)
            .unwrap_or_else(|| "a version that it does not tell".to_owned()),
    };
    Ok(Rival { program, version })
}

/// The name of its package, where `program` lies in a store or links into one.
fn version_in_store(program: &Path) -> Option<String> {
    let file = program.canonicalize().ok()?;
    let package = file.parent()?.parent()?;
    let name = package.file_name()?.to_str()?;
    let (hash, name) = name.split_once('-')?;
    (hash.len() == 32).then(|| name.to_owned())
}
