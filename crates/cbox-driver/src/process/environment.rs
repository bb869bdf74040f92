//! The environment of the process, read once and passed on as values.

use std::{ffi::OsString, path::PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::regular_file;
use rustix::process::geteuid;

use crate::{
    ci,
    error::{Error, Kind},
    process::user_config::UserConfig,
};

/// What the program takes from its environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The working directory.
    pub folder: Utf8PathBuf,
    /// Where caches go: `$XDG_CACHE_HOME/cbox` or `~/.cache/cbox`.
    pub cache: Utf8PathBuf,
    /// Where Nix has its own, as far as variables say.
    pub nix_cache: Option<Utf8PathBuf>,
    /// Where temporary files go: `TMPDIR`, or `/tmp`.
    pub temporary: Utf8PathBuf,
    /// `NIX_STORE_DIR`, which moves the store's directory.
    pub nix_store_dir: Option<String>,
    /// `NIX_STATE_DIR`, which moves the store's database and roots.
    pub nix_state_dir: Option<String>,
    /// `NIX_SSHOPTS`: further options of ssh, for Nix and for cbox.
    pub nix_ssh_options: Option<String>,
    /// Where programs are.
    pub path: OsString,
    /// Where the user has UEFI firmware: `CBOX_FIRMWARE_DIR`.
    pub firmware: Option<Utf8PathBuf>,
    /// Where programs keep what the user configured.
    pub config_home: Option<Utf8PathBuf>,
    /// The flake that is meant where the command line names none: `CBOX_FLAKE`.
    pub flake: Option<Utf8PathBuf>,
    /// The time that files which are to be the same each time name: `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<String>,
    /// After how many seconds of silence a sign of life is wanted: `CBOX_HEARTBEAT`.
    pub heartbeat: Option<String>,
    /// What the user prefers in all flakes, or what is wrong with the file that says it.
    pub user: Result<UserConfig, Error>,
    /// Whether the terminal, if there is one, can do nothing but take text: `TERM`.
    pub terminal_is_dumb: bool,
    /// Whether there is a display for windows.
    pub has_display: bool,
    /// How many processors this process may use.
    pub cores: usize,
    /// Whether the user has set the heap that Nix starts with.
    pub heap_is_set: bool,
    /// What each CI system says of this run.
    pub ci_jobs: Vec<ci::Job>,
}

impl Environment {
    /// The time that the caller says in place of the clock's, in seconds since 1970.
    ///
    /// # Errors
    /// When `SOURCE_DATE_EPOCH` is no number.
    pub fn source_date(&self) -> Result<Option<u64>, Error> {
        let Some(text) = &self.source_date_epoch else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            let message = format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds");
            Error::new(Kind::Usage, message).hint("unset it, or set it to seconds since 1970")
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    /// Reads it.
    ///
    /// # Errors
    /// When the working directory has gone, or its name is not UTF-8.
    pub fn read() -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let folder = std::env::current_dir().map_err(|error| {
            Error::file(Kind::Environment, "find", "the working directory", &error)
        })?;
        let folder = Utf8PathBuf::from_path_buf(folder).map_err(|folder| {
            Error::new(
                Kind::Environment,
                format!(
                    "the name of the working directory {} is not UTF-8",
                    folder.display()
                ),
            )
            .hint("rename it: Nix cannot use it either")
        })?;
        let home = variable("HOME").map(Utf8PathBuf::from).or_else(own_home);
        let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let cache = variable("XDG_CACHE_HOME")
            .map(Utf8PathBuf::from)
            .filter(|cache| cache.is_absolute())
            .or_else(|| below_home(".cache"))
            .unwrap_or_else(|| folder.join(".cache"));
        let config_home = variable("XDG_CONFIG_HOME")
            .map(Utf8PathBuf::from)
            .filter(|config| config.is_absolute())
            .or_else(|| below_home(".config"));
        Ok(Self {
            folder,
            cache: cache.join("cbox"),
            nix_cache: variable("NIX_CACHE_HOME")
                .or_else(|| variable("XDG_CACHE_HOME").map(|cache| format!("{cache}/nix")))
                .map(Utf8PathBuf::from)
                .or_else(|| below_home(".cache/nix")),
            temporary: variable("TMPDIR").map_or_else(|| "/tmp".into(), Utf8PathBuf::from),
            nix_store_dir: variable("NIX_STORE_DIR"),
            nix_state_dir: variable("NIX_STATE_DIR"),
            nix_ssh_options: variable("NIX_SSHOPTS"),
            path: std::env::var_os("PATH").unwrap_or_default(),
            firmware: variable("CBOX_FIRMWARE_DIR").map(Utf8PathBuf::from),
            flake: variable("CBOX_FLAKE").map(Utf8PathBuf::from),
            source_date_epoch: variable("SOURCE_DATE_EPOCH"),
            heartbeat: variable("CBOX_HEARTBEAT"),
            user: config_home
                .as_deref()
                .map_or(Ok(UserConfig::default()), UserConfig::read),
            config_home,
            terminal_is_dumb: variable("TERM").is_none_or(|terminal| terminal == "dumb"),
            has_display: variable("DISPLAY").is_some() || variable("WAYLAND_DISPLAY").is_some(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            heap_is_set: std::env::var_os(cbox_nix::eval::HEAP_VARIABLE).is_some(),
            ci_jobs: ci::jobs(&variable),
        })
    }

    /// What there is to go by when the environment cannot be read.
    pub fn unknown() -> Self {
        Self {
            folder: Utf8PathBuf::new(),
            cache: Utf8PathBuf::new(),
            nix_cache: None,
            temporary: Utf8PathBuf::new(),
            nix_store_dir: None,
            nix_state_dir: None,
            nix_ssh_options: None,
            path: OsString::new(),
            firmware: None,
            config_home: None,
            flake: None,
            source_date_epoch: None,
            heartbeat: None,
            user: Ok(UserConfig::default()),
            terminal_is_dumb: true,
            has_display: false,
            cores: 1,
            heap_is_set: false,
            ci_jobs: vec![],
        }
    }

    /// What the user prefers, as far as it could be read.
    pub fn preferred(&self) -> UserConfig {
        self.user.as_ref().copied().unwrap_or_default()
    }

    /// The job of a CI system that the program runs in.
    pub fn ci(&self) -> Option<&ci::Job> {
        self.ci_jobs.iter().find(|job| job.is_here)
    }

    /// The file of a program on the PATH.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.path)
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
    }

    /// `path` as the user means it: relative to the working directory.
    pub fn absolute(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.folder.join(path)
    }

    /// `path` as the user would write it: relative to the working directory where it is
    /// below it or a few steps up, otherwise as it is.
    pub fn display_path(&self, path: &Utf8Path) -> Utf8PathBuf {
        for (steps, above) in self.folder.ancestors().take(4).enumerate() {
            if let Ok(inside) = path.strip_prefix(above)
                && (steps == 0 || above.parent().is_some())
            {
                return Utf8PathBuf::from("../".repeat(steps)).join(inside);
            }
        }
        path.to_owned()
    }
}

/// The home of the user by the system's list of them, where `HOME` names none.
fn own_home() -> Option<Utf8PathBuf> {
    let users = regular_file::read_to_string("/etc/passwd").ok()?;
    home_of(&users, geteuid().as_raw())
}

/// The home of the user `id` in the text of `/etc/passwd`.
fn home_of(users: &str, id: u32) -> Option<Utf8PathBuf> {
    let homes = users.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_own = fields.get(2)?.parse() == Ok(id);
        is_own.then(|| fields.get(5).copied()).flatten()
    });
    let mut homes = homes.filter(|home| home.starts_with('/'));
    homes.next().map(Utf8PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_found_by_the_number_of_its_user() {
        let users = "root:x:0:0:root:/root:/bin/sh\nodd:x:7\nnone:x:8:8:::/bin/sh\nme:x:1000:100:,:/home/me:/bin/sh\n";
        for (id, home) in [
            (0, Some("/root")),
            (1000, Some("/home/me")),
            (7, None),
            (8, None),
            (9, None),
        ] {
            assert_eq!(
                home_of(users, id).as_deref(),
                home.map(Utf8Path::new),
                "{id}"
            );
        }
    }

    #[test]
    fn paths_are_shown_from_where_the_user_stands() {
        let environment = Environment {
            folder: "/home/me/box/hosts".into(),
            ..Environment::unknown()
        };
        for (path, expected) in [
            ("/home/me/box/hosts/a", "a"),
            ("/home/me/box/out/x", "../out/x"),
            ("/home/me/box", "../"),
            ("/home/me/box/hosts", ""),
            ("/nix/store/a", "/nix/store/a"),
        ] {
            assert_eq!(
                environment.display_path(path.into()).as_str(),
                expected,
                "{path}"
            );
        }
    }
}
