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
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, "cbox.toml".into()).map_err(|error| error.message)
    }

    const ISO: &str = "[[target]]\nkind = \"appliance\"\nformat = \"iso\"\nhost = \"_iso\"\n\
        attribute = \"system.build.isoImage\"\nartifact = \"iso/*.iso\"\n";

    #[test]
    fn a_small_file_is_enough() {
        let config = parse(ISO).unwrap();
        let target = &config.targets[0];
        assert_eq!(target.target(), "appliance/iso");
        assert_eq!(target.systems().len(), 2);
        assert!(!target.cross && target.name.is_none() && target.overrides().unwrap().is_empty());
        assert!(parse("").unwrap().targets.is_empty());
    }

    #[test]
    fn a_host_that_is_left_as_it_is_has_one_system() {
        let text = ISO.replace("artifact = \"iso/*.iso\"", "system = \"aarch64\"");
        let config = parse(&format!("hosts = []\n{text}")).unwrap();
        let target = &config.targets[0];
        let systems: Vec<String> = target.systems().iter().map(ToString::to_string).collect();
        assert_eq!(systems, ["aarch64-linux"]);
        assert_eq!((config.hosts, &target.artifact), (Some(vec![]), &vec![]));
    }

    /// The schema that editors check `cbox.toml` with is of these types: a change to them writes
    /// it anew, with `CBOX_UPDATE_SCHEMA=1`.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever runs the test says whether the files are to be written"
    )]
    fn the_schemas_are_of_these_types() {
        use crate::process::user_config::UserConfig;
        for (file, schema) in [
            ("cbox.toml.json", schemars::schema_for!(Config)),
            ("config.toml.json", schemars::schema_for!(UserConfig)),
        ] {
            let file = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../docs/schema")
                .join(file);
            let text = format!("{:#}\n", json!(schema));
            if std::env::var_os("CBOX_UPDATE_SCHEMA").is_some() {
                std::fs::write(&file, &text).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "{file}");
        }
    }

    /// The reference's example has every setting, those in comments too.
    #[test]
    fn the_reference_shows_what_can_be_set() {
        let reference = include_str!("../../../../docs/reference.md");
        let (_, section) = reference.split_once("\n## cbox.toml\n").unwrap();
        let block = section.split("```").nth(1).unwrap();
        let example = block.strip_prefix("toml\n").unwrap();
        assert_eq!(parse(example).unwrap().targets.len(), 1);
        let own: Vec<&str> = example
            .lines()
            .filter(|line| {
                let others = ["systems", "cross", "# package"];
                !others.iter().any(|other| line.starts_with(other))
            })
            .map(|line| line.trim_start_matches("# "))
            .collect();
        assert!(parse(&own.join("\n")).unwrap().targets[0].system.is_some());
        let (target, _) = example.split_once("host = ").unwrap();
        let package = example.lines().find(|line| line.starts_with("# package"));
        let package = format!("{target}{}", package.unwrap().trim_start_matches("# "));
        assert!(parse(&package).unwrap().targets[0].package.is_some());
    }

    #[test]
    fn overrides_are_paths_and_values() {
        let text = format!(
            "{ISO}[target.overrides]\n\"disko.imageBuilder.imageFormat\" = \"qcow2\"\nbox.a.b = [1, true]\n"
        );
        let config = parse(&text).unwrap();
        let overrides = config.targets[0].overrides().unwrap();
        let found: Vec<_> = overrides
            .iter()
            .map(|(path, value)| (path.to_string(), value.clone()))
            .collect();
        assert_eq!(
            found,
            [
                ("box.a.b".to_owned(), json!([1, true])),
                ("disko.imageBuilder.imageFormat".to_owned(), json!("qcow2")),
            ]
        );
    }

    #[test]
    fn mistakes_are_shown_with_their_place() {
        let unknown = parse(&format!("{ISO}artefact = \"x\"\n")).unwrap_err();
        assert!(
            unknown
                .starts_with("cbox.toml:7:1: unknown field `artefact`: did you mean `artifact`?"),
            "{unknown}"
        );
        let kind = parse("[source]\nexclude = \"x\"\n").unwrap_err();
        assert!(kind.starts_with("cbox.toml:2:11: invalid type"), "{kind}");
        let syntax = parse("[source\n").unwrap_err();
        assert!(syntax.starts_with("cbox.toml:1:"), "{syntax}");
        let missing = parse("[[target]]\nkind = \"a\"\n").unwrap_err();
        assert!(missing.contains("missing field `format`"), "{missing}");
        assert!(parse(&format!("schema = 1\n{ISO}")).is_ok());
        let newer = parse(&format!("a = 1\nschema = 2\n{ISO}")).unwrap_err();
        assert_eq!(
            newer,
            "cbox.toml:2:10: schema 2 is newer than this cbox, which knows schemas up to 1"
        );
        let system = parse(&format!("{ISO}systems = [\"x 86\"]\n")).unwrap_err();
        assert!(system.contains("is not a system"), "{system}");
    }

    #[test]
    fn what_is_allowed_has_a_name_and_a_reason() {
        let with = |finding: &str, why: &str| {
            let text = format!("[[source.allow]]\npath = \"a\"\nfinding = \"{finding}\"\n{why}");
            parse(&text)
        };
        assert!(with("token", "why = \"a test\"\n").is_ok());
        let unknown = with("tokn", "why = \"a test\"\n").unwrap_err();
        assert!(
            unknown.starts_with("cbox.toml:3:11: `tokn` is no finding: did you mean `token`?"),
            "{unknown}"
        );
        let missing = with("token", "").unwrap_err();
        assert!(missing.contains("missing field `why`"), "{missing}");
        let empty = with("token", "why = \" \"\n").unwrap_err();
        assert!(empty.contains("`why` is empty"), "{empty}");
        let image = with("disk-image", "why = \"x\"\n").unwrap_err();
        assert!(image.contains("cannot be allowed"), "{image}");
    }

    #[test]
    fn budgets_are_sizes() {
        let text = format!("{ISO}budget = {{ image = \"2 GiB\" }}\n");
        let budget = parse(&text).unwrap().targets[0].budget.clone();
        assert_eq!(budget.image.unwrap().bytes(), 2 << 30);
        assert_eq!(budget.closure, None);
        for (value, reason) in [
            (
                "\"2 gigs\"",
                "`2 gigs` is not a size: it is a number and a unit",
            ),
            ("2", "invalid type: integer"),
        ] {
            let error = parse(&format!("{ISO}[target.budget]\nimage = {value}\n")).unwrap_err();
            assert!(error.starts_with("cbox.toml:8:9: "), "{error}");
            assert!(error.contains(reason), "{error}");
        }
        let unknown = parse(&format!("{ISO}budget = {{ disk = \"1 GB\" }}\n")).unwrap_err();
        assert!(unknown.contains("unknown field `disk`"), "{unknown}");
    }

    #[test]
    fn targets_that_cannot_be_are_refused() {
        let with = |from: &str, to: &str| parse(&ISO.replace(from, to)).unwrap_err();
        let twins = parse(&format!("{ISO}{ISO}")).unwrap_err();
        assert_eq!(
            twins,
            "cbox.toml:9:10: target appliance/iso is defined twice"
        );
        assert!(
            with("\"appliance\"", "\"hosts\"")
                .starts_with("cbox.toml:2:8: target hosts/iso: the kind `hosts` is reserved")
        );
        assert!(with("\"appliance\"", "\"a/b\"").contains("cannot be a part"));
        assert!(with("iso/*.iso", "../x").contains("artifact"));
        assert!(with("iso/*.iso", "a/**/b").contains("artifact"));
        assert!(with("iso/*.iso", "a[").contains("artifact"));
        assert!(with("iso/*.iso", "a{b/c,d}").contains("artifact"));
        let several = ISO.replace("\"iso/*.iso\"", "[\"a.raw\", \"../b\"]");
        assert!(parse(&several).unwrap_err().contains("not `../b`"));
        let named = several.replace("../b", "b.raw") + "name = \"image.fileName\"\n";
        assert!(
            parse(&named)
                .unwrap_err()
                .contains("`artifact` has several")
        );
        let both = format!("{ISO}system = \"x86_64-linux\"\nsystems = [\"x86_64-linux\"]\n");
        assert!(parse(&both).unwrap_err().contains("keeps its own system"));
        let cross = format!("{ISO}system = \"x86_64-linux\"\ncross = true\n");
        assert!(parse(&cross).unwrap_err().contains("keeps its own system"));
        assert!(
            parse("hosts = [\"a b\"]")
                .unwrap_err()
                .starts_with("cbox.toml:1:10: hosts: `a b`")
        );
        assert!(
            parse("hosts = [\"a\", \"a\"]")
                .unwrap_err()
                .contains("twice")
        );
        assert!(
            parse(&format!("{ISO}systems = []\n"))
                .unwrap_err()
                .contains("empty")
        );
        let one = ISO.replace("\"iso\"", "\"b-c\"");
        let other = ISO
            .replace("\"appliance\"", "\"appliance-b\"")
            .replace("\"iso\"", "\"c\"");
        assert!(
            parse(&format!("{one}{other}"))
                .unwrap_err()
                .contains("share the link")
        );
    }
}
