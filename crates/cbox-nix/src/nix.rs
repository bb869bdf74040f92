//! The Nix of one run: its version and settings, and the small questions it answers.

use std::{collections::BTreeMap, path::Path, time::Duration};

use nix_formats::{
    closure::PathInfos,
    nar::NarHash,
    nix_text::without_escapes,
    store_path::{OutPath, StorePath},
    system::System,
};
use serde::Deserialize;

use crate::{
    Interrupt, NixError,
    argv::Options,
    builders::{self, Builder},
    expression::DerivationInfo,
    process::{Command, Output},
    regular_file,
    store::{Store, USUAL},
    store_fault::{self, StoreFault},
};

/// The least version: older ones lack `nix store add` in its form, or answer otherwise.
pub const LEAST_VERSION: (u32, u32) = (2, 26);

/// The settings that cbox looks at, from `nix config show --json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The builder's own system.
    pub system: System,
    /// What else it can run: `extra-platforms`.
    pub extra_platforms: Vec<String>,
    /// Other machines that build for it.
    pub builders: Vec<Builder>,
    /// What it offers to builds beyond its system: `kvm`.
    pub system_features: Vec<String>,
    /// The experimental features, sorted.
    pub features: Vec<String>,
    /// The setting `store`.
    store: String,
}

/// A Nix that is there and new enough.
#[derive(Debug, Clone)]
pub struct Nix {
    /// What `nix --version` says.
    pub version: String,
    /// Its settings, with the options of this run applied.
    pub settings: Settings,
    /// The store that it evaluates in, whose files can be read here.
    pub store: Store,
    /// The store that it builds in: the same, or one on another machine.
    pub outputs: Store,
    /// What holds for every call.
    pub options: Options,
    interrupt: Interrupt,
}

impl Nix {
    /// Asks Nix for its version and settings, at once.
    ///
    /// `store_dir` is the value of `NIX_STORE_DIR`. Where the store is one whose files cannot
    /// be read here, the usual one is evaluated in: Nix cannot do it elsewhere before 2.34,
    /// and cbox reads derivations and sources.
    ///
    /// # Errors
    /// When Nix is missing, too old, or does not take the options.
    pub async fn find(
        mut options: Options,
        store_dir: Option<&str>,
        interrupt: &Interrupt,
    ) -> Result<Self, NixError> {
        let version = Command::new("nix", ["--version"]);
        let config = Command::new("nix", options.show_config());
        let (version, config) = tokio::join!(version.run(interrupt), config.run(interrupt));
        // A Nix that is too old does not know the second question: the first answer counts.
        let version = version_line(&version?.stdout);
        check_version(&version)?;
        let store = options.store.as_deref().unwrap_or_default();
        let is_unknown = |said: &str| said.contains("Cannot parse Nix store");
        let config = config.map_err(|error| match error {
            NixError::Failed { stderr, .. } if is_unknown(&without_escapes(&stderr)) => {
                StoreFault::Unknown(store.to_owned()).into()
            }
            NixError::Failed { stderr, .. } => NixError::Options(without_escapes(&stderr)),
            other => other,
        })?;
        let mut settings = parse_settings(&config.stdout)?;
        if let Some(builders) = &options.builders {
            settings.builders = parse_builders(builders);
        }
        let outputs = Store::from_uri(&settings.store, store_dir);
        let usual = (!outputs.is_here()).then(|| USUAL.to_owned());
        options.eval_store = options.pass_through.eval_store.clone().or(usual);
        let store = match &options.eval_store {
            None => outputs.clone(),
            Some(uri) => {
                options.store = Some(outputs.uri.clone());
                Store::from_uri(uri, store_dir)
            }
        };
        if let Some(fault) = outputs.fault() {
            return Err(fault.into());
        }
        if !store.is_here() {
            return Err(StoreFault::Evaluation(store.uri).into());
        }
        Ok(Self {
            version,
            settings,
            store,
            outputs,
            options,
            interrupt: interrupt.clone(),
        })
    }

    /// This Nix, for work that something else ends early too.
    #[must_use]
    pub fn under(&self, interrupt: &Interrupt) -> Self {
        Self {
            interrupt: interrupt.clone(),
            ..self.clone()
        }
    }

    /// This Nix with nothing but the store that it evaluates in, which is on this machine.
    #[must_use]
    pub fn here(&self) -> Self {
        let mut here = self.clone();
        here.outputs = self.store.clone();
        if let Some(store) = here.options.eval_store.take() {
            here.options.store = Some(store);
        }
        here
    }

    /// This Nix with the store at `uri` as the one that it builds in, to ask what is there.
    #[must_use]
    pub fn at(&self, uri: &str) -> Self {
        let mut there = self.here();
        there.options.eval_store = Some(there.store.uri.clone());
        there.options.store = Some(uri.to_owned());
        there.outputs = Store::from_uri(uri, Some(&there.store.dir));
        there
    }

    /// This Nix with nothing but the store that it builds in.
    fn here_to_build(&self) -> Self {
        let mut here = self.clone();
        here.store = self.outputs.clone();
        here.options.eval_store = None;
        here
    }

    /// What ends this run early.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Whether this machine can build for `system`, on its own or with others. A builder is
    /// believed to do what is listed for it.
    #[must_use]
    pub fn can_build(&self, system: &System) -> bool {
        let settings = &self.settings;
        let platforms = &settings.extra_platforms;
        *system == settings.system
            || system.as_str() == "builtin"
            || platforms.iter().any(|platform| platform == system.as_str())
            || settings
                .builders
                .iter()
                .any(|builder| builder.builds(system, &settings.system))
    }

    /// Whether the store at `uri` answers in time.
    ///
    /// # Errors
    /// When a signal comes.
    pub async fn answers(&self, uri: &str, patience: Duration) -> Result<bool, NixError> {
        match tokio::time::timeout(patience, self.run(self.options.store_info(uri))).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error @ NixError::Interrupted(_))) => Err(error),
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    /// Puts `folder` into the store, and checks that it got the path that its hash gives
    /// it: another path means that the tree changed while it was read.
    ///
    /// # Errors
    /// When Nix fails. `Ok(false)` says that the path is another one.
    pub async fn add(&self, folder: &Path, expected: &StorePath) -> Result<bool, NixError> {
        let command = self.command(self.options.add(folder)).ends_orderly();
        let output = command.run(&self.interrupt).await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim() == expected.as_str())
    }

    /// Removes `path` from the store, unless something holds it.
    ///
    /// # Errors
    /// When Nix cannot be started, or a signal comes.
    pub async fn delete(&self, path: &str) -> Result<(), NixError> {
        match self.run(self.options.delete(path)).await {
            Ok(_) => Ok(()),
            Err(error @ NixError::Failed { .. }) => {
                tracing::debug!("{path} stays until the next garbage collection: {error}");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether all `paths` are valid in the store that it evaluates in. A store that does not
    /// answer counts as one without them: the next call will say why.
    ///
    /// # Errors
    /// When Nix cannot be started, or a signal comes.
    pub async fn is_valid(&self, paths: &[&str]) -> Result<bool, NixError> {
        match self.run(self.options.path_info(paths)).await {
            Ok(_) => Ok(true),
            Err(NixError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether `path` is valid in the store that it builds in.
    ///
    /// # Errors
    /// When Nix cannot be started, the store cannot be reached, or a signal comes.
    pub async fn is_built(&self, path: &str) -> Result<bool, NixError> {
        let asked = self.run(self.options.built_path_info(path)).await;
        match asked.map_err(|error| store_fault::named(self, error)) {
            Ok(_) => Ok(true),
            Err(NixError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The path of an output in the store that it builds in; `None` where it is not there, or where it is one
    /// that only a build can tell and no build did.
    ///
    /// # Errors
    /// When Nix cannot be started, the store cannot be reached, or a signal comes.
    pub async fn output_path(
        &self,
        derivation: &DerivationInfo,
    ) -> Result<Option<OutPath>, NixError> {
        let there = match &derivation.out {
            // A file that is there may be what a failed build left: only Nix knows.
            Some(out) => self.outputs.holds(out) != Some(false) && self.is_built(out).await?,
            None => {
                let installable = derivation.installable();
                let answer = self.run(self.options.built_path_info(&installable)).await;
                return match answer.map_err(|error| store_fault::named(self, error)) {
                    Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok()),
                    Err(NixError::Failed { .. }) => Ok(None),
                    Err(error) => Err(error),
                };
            }
        };
        Ok(derivation.out.clone().filter(|_| there))
    }

    /// The same for several outputs, by one question where all that seem to be there are.
    ///
    /// # Errors
    /// When Nix cannot be started, or a signal comes.
    pub async fn output_paths<const N: usize>(
        &self,
        derivations: [&DerivationInfo; N],
    ) -> Result<[Option<OutPath>; N], NixError> {
        let is_here = |out: &&OutPath| self.outputs.holds(out) != Some(false);
        let known = derivations.iter().filter_map(|one| one.out.as_ref());
        let mut known: Vec<&str> = known.filter(is_here).map(|out| out.as_str()).collect();
        known.dedup();
        let are_valid = match (self.outputs.is_here(), known.as_slice()) {
            (_, []) => true,
            (true, known) => self.here_to_build().is_valid(known).await?,
            // Each is asked for by itself, and a store that cannot be reached says so.
            (false, _) => false,
        };
        let mut paths = derivations.map(|one| one.out.clone().filter(|out| is_here(&out)));
        for (path, derivation) in paths.iter_mut().zip(derivations) {
            if derivation.out.is_none() || path.is_some() && !are_valid {
                *path = self.output_path(derivation).await?;
            }
        }
        Ok(paths)
    }

    /// The path of the derivation whose output `path` is, as far as Nix knows it; `None` where
    /// `path` is not in the store.
    ///
    /// # Errors
    /// When Nix cannot be started, the store cannot be reached, or a signal comes.
    pub async fn deriver(&self, path: &str) -> Result<Option<Option<String>>, NixError> {
        let command = self.command(self.options.path_info_json(path));
        let output = command.run(&self.interrupt).await;
        let output = match output.map_err(|error| store_fault::named(self, error)) {
            Ok(output) => output,
            Err(NixError::Failed { stderr, .. }) if stderr.contains("is not valid") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        parse_deriver(&output.stdout).map_err(|reason| NixError::Answer {
            command: command.to_shell(),
            reason,
        })
    }

    /// What there is to say of all that `paths` need.
    ///
    /// # Errors
    /// When one of them is not in the store.
    pub async fn closure(&self, paths: &[&str]) -> Result<PathInfos, NixError> {
        let command = self.command(self.options.closure(paths));
        let output = command.run(&self.interrupt).await;
        let output = output.map_err(|error| store_fault::named(self, error))?;
        PathInfos::parse(&output.stdout).map_err(|reason| NixError::Answer {
            command: command.to_shell(),
            reason,
        })
    }

    /// Runs `nix` with these arguments.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) async fn run(&self, arguments: Vec<std::ffi::OsString>) -> Result<Output, NixError> {
        self.command(arguments).run(&self.interrupt).await
    }

    /// The command `nix` with these arguments.
    pub(crate) fn command(&self, arguments: Vec<std::ffi::OsString>) -> Command {
        Command::new("nix", arguments)
    }
}

/// The flake reference and store path of a source in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Its path.
    pub path: StorePath,
    /// Its hash.
    pub nar_hash: NarHash,
    /// The folder of `flake.nix` below it; empty at the top.
    pub dir: String,
}

impl Staged {
    /// The flake reference.
    #[must_use]
    pub fn reference(&self) -> String {
        crate::argv::staged_reference(self.path.as_str(), &self.dir, &self.nar_hash.to_string())
    }

    /// A file of the flake, as a path behind the store path.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        if self.dir.is_empty() {
            format!("/{name}")
        } else {
            format!("/{}/{name}", self.dir)
        }
    }
}

/// What a program says of its version: the first line, as far as it may be one.
pub(crate) fn version_line(answer: &[u8]) -> String {
    /// No version is longer.
    const LONGEST: usize = 200;
    let line = answer.split(|&byte| byte == b'\n').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    match line.trim().char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line.trim()[..end]),
        None => line.trim().to_owned(),
    }
}

fn check_version(line: &str) -> Result<(), NixError> {
    // `nix (Nix) 2.26.3`, `nix (Lix, like Nix) 2.93.0`, `nix (Nix) 2.35pre20260101_abc`.
    let number = line.rsplit(' ').next().unwrap_or_default();
    let mut parts = number
        .split(|character: char| !character.is_ascii_digit())
        .map(|part| part.parse::<u32>().ok());
    let version = (parts.next().flatten(), parts.next().flatten());
    match version {
        (Some(major), Some(minor)) if (major, minor) >= LEAST_VERSION => Ok(()),
        _ => Err(NixError::TooOld {
            found: line.to_owned(),
            least: format!("{}.{}", LEAST_VERSION.0, LEAST_VERSION.1),
        }),
    }
}

/// The machines that the setting `builders` lists.
fn parse_builders(setting: &str) -> Vec<Builder> {
    builders::parse(setting, |file| regular_file::read_to_string(file).ok())
}

fn parse_settings(answer: &[u8]) -> Result<Settings, NixError> {
    #[derive(Deserialize)]
    struct Setting {
        value: serde_json::Value,
    }
    let unreadable = |reason: String| NixError::Answer {
        command: "nix config show --json".to_owned(),
        reason,
    };
    let all: BTreeMap<String, Setting> =
        serde_json::from_slice(answer).map_err(|error| unreadable(error.to_string()))?;
    let text = |name: &str| {
        all.get(name)
            .and_then(|setting| setting.value.as_str())
            .ok_or_else(|| unreadable(format!("it has no `{name}`")))
    };
    let list = |name: &str| -> Vec<String> {
        let items = all.get(name).and_then(|setting| setting.value.as_array());
        let words = items
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str);
        words.map(str::to_owned).collect()
    };
    let mut features = list("experimental-features");
    features.sort();
    Ok(Settings {
        system: text("system")?
            .parse()
            .map_err(|error| unreadable(format!("{error}")))?,
        extra_platforms: list("extra-platforms"),
        builders: parse_builders(text("builders")?),
        system_features: list("system-features"),
        features,
        store: text("store")?.to_owned(),
    })
}

/// The deriver in the answer of `nix path-info --json` on one path: the answer is a map
/// by path, and before Nix 2.19 it was a list.
fn parse_deriver(answer: &[u8]) -> Result<Option<Option<String>>, String> {
    let answer: serde_json::Value =
        serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let info = answer.as_object().and_then(|paths| paths.values().next());
    let info = info
        .or_else(|| answer.as_array()?.first())
        .ok_or("it names no path")?;
    // Of a path that is not there Nix says nothing, or that.
    let is_there = !info.is_null() && info["valid"] != false;
    Ok(is_there.then(|| info["deriver"].as_str().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for good in [
            "nix (Nix) 2.26.3",
            "nix (Nix) 2.34.8",
            "nix (Lix, like Nix) 2.93.0",
            "nix (Nix) 2.35pre2026_x",
            "nix (Nix) 3.0",
        ] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in [
            "nix (Nix) 2.8.0",
            "nix (Nix) 2.25.5",
            "",
            "nix",
            "nix (Nix) x.y",
        ] {
            assert!(check_version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn of_a_version_one_line_counts() {
        assert_eq!(
            version_line(b" nix (Nix) 2.26.3\nmore\n"),
            "nix (Nix) 2.26.3"
        );
        assert_eq!(version_line(b""), "");
        assert_eq!(version_line(&[b'x'; 3_000_000]).chars().count(), 201);
    }

    #[test]
    fn settings_are_read() {
        let answer = br#"{"system":{"value":"x86_64-linux"},"extra-platforms":{"value":["i686-linux"]},
            "builders":{"value":"@/no/such/file"},"system-features":{"value":["kvm"]},"substituters":{"value":[]},"store":{"value":"auto"},
            "experimental-features":{"value":["nix-command","flakes"]},"other":{"value":null}}"#;
        let settings = parse_settings(answer).unwrap();
        assert_eq!(settings.system.as_str(), "x86_64-linux");
        assert_eq!(settings.features, ["flakes", "nix-command"]);
        assert!(settings.builders.is_empty() && settings.system_features == ["kvm"]);
        assert!(parse_settings(b"{}").unwrap_err().to_string().contains("`"));
        assert!(parse_settings(b"").is_err());
    }

    #[test]
    fn builders_are_read_from_their_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = format!("@{}", file.path().display());
        assert!(parse_builders(&place).is_empty());
        std::fs::write(file.path(), "ssh://b aarch64-linux\n").unwrap();
        assert_eq!(parse_builders(&place)[0].uri, "ssh://b");
    }
}
