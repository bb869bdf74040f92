//! `cbox.toml`: the targets of a flake, and what of its tree is staged. [`package`] is about images
//! that are no part of a host.

mod package;

use camino::Utf8Path;
use cbox_nix::one_or_several;
use cbox_nix::overrides::{OptionPath, Overrides};
use cbox_nix::regular_file;
use cbox_source::audit_rules::Finding;
use nix_formats::system::System;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    error::{Error, Kind},
    target_name::{HOSTS, TargetName, word},
    text::{byte_size::ByteSize, nearest::suggestion},
    toml_file::{offset, parse_toml, position, wrong},
};

/// The file's name, beside `flake.nix`.
pub const FILE: &str = "cbox.toml";

/// The configuration of a flake.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The form of the file, 1; a newer cbox may have others.
    pub schema: Option<u32>,
    /// The hosts that run on machines; without it the folders of `hosts/` say.
    pub hosts: Option<Vec<String>>,
    /// What is staged.
    #[serde(default)]
    pub source: SourceConfig,
    /// How it is evaluated.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// The options that `--stamp` sets.
    pub stamp: Option<StampConfig>,
    /// The images.
    #[serde(default, rename = "target")]
    pub targets: Vec<TargetConfig>,
}

/// `[source]`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Patterns as in `.gitignore` of files that no host depends on: never staged.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Local settings: paths with `{host}` in them, staged for that host alone.
    #[serde(default)]
    pub local: Vec<String>,
    /// The option that holds the source which is baked into images.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub baked: Option<OptionPath>,
    /// What an audit finds and is there on purpose.
    #[serde(default)]
    pub allow: Vec<AllowConfig>,
}

/// `[[source.allow]]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AllowConfig {
    /// A pattern as in `.gitignore` of the files in which it is allowed.
    pub path: String,
    /// What is allowed there.
    #[serde(deserialize_with = "finding")]
    #[cfg_attr(test, schemars(schema_with = "findings"))]
    pub finding: Finding,
    /// Why.
    pub why: String,
}

/// The finding of this name.
fn finding<'d, D: Deserializer<'d>>(text: D) -> Result<Finding, D::Error> {
    let word = String::deserialize(text)?;
    word.parse().map_err(|error| {
        let names = Finding::ALL.map(|(_, name)| name);
        D::Error::custom(format!("{error}: {}", suggestion(&word, &names)))
    })
}

/// `[evaluation]`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvaluationConfig {
    /// Whether something may be built during evaluation.
    #[serde(default)]
    pub import_from_derivation: bool,
}

/// `[stamp]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StampConfig {
    /// The option that takes the commit.
    #[cfg_attr(test, schemars(with = "String"))]
    pub revision: OptionPath,
    /// The option that takes the branch.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub branch: Option<OptionPath>,
}

/// A text or a list of texts.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is a schema alone")]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

/// `[[target]]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// The first part of its name.
    pub kind: String,
    /// The second part.
    pub format: String,
    /// The host that it is an image of; empty where `package` is the image.
    #[serde(default)]
    pub host: String,
    /// The option of the host that holds its derivation, `system.build.isoImage` say.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub attribute: Option<OptionPath>,
    /// In place of both: the derivation, by its way from the outputs of the flake. `{system}` in
    /// it stands for the system that is asked for.
    pub package: Option<String>,
    /// Which file of the output is the image: a path in which `*` and `?` stand for
    /// anything but a slash. Exactly one file has to match. Where several files are, it is a
    /// list with a path for each. Without it the derivation says, in its `passthru.filePath`.
    #[serde(default, deserialize_with = "one_or_several::deserialize")]
    #[cfg_attr(test, schemars(with = "Option<OneOrSeveral>"))]
    pub artifact: Vec<String>,
    /// The option that holds the image's file name.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub name: Option<OptionPath>,
    /// The host's own system, where that is to be left alone.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub system: Option<System>,
    /// The systems that it can be built for: the one that is asked for is forced on the
    /// host.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    systems: Option<Vec<System>>,
    /// Whether another system's image can be built here by cross compilation.
    #[serde(default)]
    pub cross: bool,
    /// How large it may be.
    #[serde(default)]
    pub budget: Budget,
    /// Values to force on options.
    #[serde(default)]
    #[cfg_attr(
        test,
        schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")
    )]
    overrides: toml::Table,
}

/// `budget` of a target: `{ image = "2 GiB", closure = "6 GiB" }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "a budget is written { image = \"2 GiB\", closure = \"6 GiB\" }"
)]
pub struct Budget {
    /// For the image file.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub image: Option<ByteSize>,
    /// For all that the system in it needs.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub closure: Option<ByteSize>,
}

impl TargetConfig {
    /// Its name, without a system.
    pub fn target(&self) -> String {
        format!("{}/{}", self.kind, self.format)
    }

    /// The systems that it can be built for.
    pub fn systems(&self) -> Vec<System> {
        match (self.own_system(), &self.systems) {
            (Some(own), _) => vec![own],
            (None, Some(systems)) => systems.clone(),
            (None, None) => ["x86_64-linux", "aarch64-linux"]
                .iter()
                .filter_map(|system| system.parse().ok())
                .collect(),
        }
    }

    /// Its overrides. Tables are ways to options, all else is a value.
    pub fn overrides(&self) -> Result<Overrides, Error> {
        let mut overrides = Overrides::default();
        collect(&self.overrides, &[], &mut overrides).map_err(|message| {
            Error::new(
                Kind::Config,
                format!("{FILE}: target {}: {message}", self.target()),
            )
        })?;
        Ok(overrides)
    }
}

/// Adds the values in `table`, whose own place is `above`. A key is an option path.
fn collect(table: &toml::Table, above: &[String], overrides: &mut Overrides) -> Result<(), String> {
    for (key, value) in table {
        let path: OptionPath = key.parse().map_err(|error| format!("{error}"))?;
        let parts = [above, path.parts()].concat();
        match value {
            toml::Value::Table(inner) => collect(inner, &parts, overrides)?,
            value => {
                let value =
                    serde_json::to_value(value).map_err(|error| format!("`{key}`: {error}"))?;
                if let Some(path) = OptionPath::from_parts(parts) {
                    overrides.force(path, value);
                }
            }
        }
    }
    Ok(())
}

impl Config {
    /// Reads the file in `folder`; `None` where there is none.
    pub fn read(folder: &Utf8Path) -> Result<Option<Self>, Error> {
        let file = folder.join(FILE);
        match regular_file::read_to_string(&file) {
            Ok(text) => Self::parse(&text, &file).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file(Kind::Config, "read", &file, &error)),
        }
    }

    /// Reads `text`, the content of `file`.
    pub fn parse(text: &str, file: &Utf8Path) -> Result<Self, Error> {
        let hint = "docs/reference.md of cbox lists the settings of cbox.toml";
        let config: Self = parse_toml(text, file, hint)?;
        config.check().map_err(|(path, message)| {
            wrong(file, Some(position(text, offset(text, &path))), &message)
        })?;
        Ok(config)
    }

    /// What the types alone do not say: a mistake with its place, as [`offset`] takes it.
    fn check(&self) -> Result<(), (String, String)> {
        for (number, allow) in self.source.allow.iter().enumerate() {
            let (key, message) = match allow.check() {
                Ok(()) => continue,
                Err(wrong) => wrong,
            };
            return Err((format!("source.allow.{number}.{key}"), message));
        }
        let mut known = std::collections::BTreeSet::new();
        for (number, host) in self.hosts.iter().flatten().enumerate() {
            let wrong = |message: String| (format!("hosts.{number}"), format!("hosts: {message}"));
            word(host).map_err(|error| wrong(error.to_string()))?;
            if !known.insert(host) {
                return Err(wrong(format!("`{host}` is listed twice")));
            }
        }
        let mut slugs = std::collections::BTreeMap::new();
        for (number, target) in self.targets.iter().enumerate() {
            let name = target.target();
            let at = |key: &str| format!("target.{number}.{key}");
            let wrong = |key: &str, message: String| (at(key), format!("target {name}: {message}"));
            for (key, part) in [("kind", &target.kind), ("format", &target.format)] {
                word(part).map_err(|error| wrong(key, error.to_string()))?;
            }
            target
                .check_origin()
                .map_err(|(key, message)| wrong(key, message))?;
            if target.kind == HOSTS {
                let message = format!("the kind `{HOSTS}` is reserved for the install hosts");
                return Err(wrong("kind", message));
            }
            if target.system.is_some() && (target.systems.is_some() || target.cross) {
                let message = "a target with `system` keeps its own system, so it cannot have \
                               `systems` or `cross`";
                return Err(wrong("system", message.to_owned()));
            }
            let systems = target.systems();
            if systems.is_empty() {
                return Err(wrong("systems", "`systems` is empty".to_owned()));
            }
            for artifact in &target.artifact {
                check_artifact(artifact).map_err(|reason| wrong("artifact", reason))?;
            }
            if target.name.is_some() && target.artifact.len() > 1 {
                let message = "`name` holds the name of one file, but `artifact` has several";
                return Err(wrong("name", message.to_owned()));
            }
            collect(&target.overrides, &[], &mut Overrides::default())
                .map_err(|message| wrong("overrides", message))?;
            for system in std::iter::once(None).chain(systems.iter().map(Some)) {
                let full = TargetName::Image {
                    kind: target.kind.clone(),
                    format: target.format.clone(),
                    system: system.cloned(),
                };
                match slugs.insert(full.slug(), full.to_string()) {
                    Some(other) if other == full.to_string() => {
                        return Err((at("format"), format!("target {name} is defined twice")));
                    }
                    Some(other) => {
                        let slug = full.slug();
                        let message =
                            format!("targets {other} and {full} would share the link out/{slug}");
                        return Err((at("format"), message));
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }
}

impl AllowConfig {
    /// Its mistake, behind the key that has it.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let Self { path, finding, why } = self;
        if why.trim().is_empty() {
            let message = format!("{finding} is allowed in `{path}`, but `why` is empty");
            return Err(("why", message));
        }
        if *finding == Finding::DiskImage {
            let message =
                format!("a disk image (`{path}`) cannot be allowed: no tree with one is staged");
            return Err(("finding", message));
        }
        Ok(())
    }
}

/// The error for a mistake in the `cbox.toml` in `folder`, at the value at `path`; see [`offset`].
pub(super) fn wrong_at(folder: &Utf8Path, path: &str, message: &str) -> Error {
    wrong(&folder.join(FILE), position_of(folder, path), message)
}

/// The line and the column of the `cbox.toml` in `folder` at which the value at `path` stands;
/// see [`offset`].
pub fn position_of(folder: &Utf8Path, path: &str) -> Option<(usize, usize)> {
    let text = regular_file::read_to_string(folder.join(FILE)).ok()?;
    Some(position(&text, offset(&text, path)))
}

/// Whether `pattern` can name a file of an output.
pub fn check_artifact(pattern: &str) -> Result<(), String> {
    let relative = Utf8Path::new(pattern)
        .components()
        .all(|component| matches!(component, camino::Utf8Component::Normal(_)));
    if pattern.is_empty() || !relative || pattern.contains("**") {
        return Err(format!(
            "`artifact` must be a path below the output without `..` and `**`, not `{pattern}`"
        ));
    }
    // Each part is matched on its own, so each has to be a pattern on its own.
    pattern.split('/').try_for_each(|part| {
        let glob = globset::Glob::new(part).map(drop);
        glob.map_err(|error| format!("`artifact`: {error}"))
    })
}

/// The schema of the name of a finding.
#[cfg(test)]
fn findings(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let names = Finding::ALL.map(|(_, name)| name);
    schemars::json_schema!({ "type": "string", "enum": names })
}

#[cfg(test)]
mod tests;
