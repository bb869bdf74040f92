//! The manifest `out/<slug>.json`: what was built, from what, and with what.

use std::ops::Deref;

use cbox_nix::overrides::{OptionPath, Overrides};
use nix_formats::{
    flake_lock::{Lock, LockError},
    nix_text::percent_decoded,
    store_path::{DrvPath, OutPath},
    system::System,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{target_name::TargetName, text::utc};

/// The version of the format. It goes up when a field changes its meaning or goes away;
/// a new field does not change it.
pub const SCHEMA: u32 = 2;

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Its schema is newer than [`SCHEMA`].
    #[error("a newer cbox wrote its manifest (schema {0}, and this one knows {SCHEMA})")]
    Newer(u64),
    /// It cannot be read.
    #[error("its manifest cannot be read: {0}")]
    Broken(String),
}

/// The record of one build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The target, as it was named: `appliance/iso`.
    pub target: String,
    /// The entry of `nixosConfigurations`.
    pub host: String,
    /// `networking.hostName`.
    pub host_name: Option<String>,
    /// The system that it runs on.
    pub system: System,
    /// The derivation.
    #[serde(rename = "drvPath", alias = "drv")]
    pub drv: DrvPath,
    /// The store path of the output.
    #[serde(rename = "outPath", alias = "out")]
    pub out: OutPath,
    /// The name of the output.
    pub output: String,
    /// The files that are the result, the first one first; a host's system has none.
    #[serde(flatten)]
    pub artifacts: Artifacts,
    /// What was forced on options.
    pub overrides: Vec<Forced>,
    /// What was evaluated.
    pub source: Source,
    /// What did it.
    pub tools: Tools,
    /// When the link was made, in seconds since 1970-01-01 UTC; in the file by RFC 3339.
    #[serde(with = "utc::as_rfc3339")]
    pub linked_at: u64,
}

impl Manifest {
    /// Whether it is of the target `name`; what cannot be read as a name may be of any.
    pub fn is_of(&self, name: &TargetName) -> bool {
        self.target
            .parse::<TargetName>()
            .map_or(true, |own| own == *name)
    }

    /// Whether it is of the image of this kind and format, for whatever system.
    pub fn is_of_image(&self, kind: &str, format: &str) -> bool {
        match self.target.parse() {
            Ok(TargetName::Image {
                kind: own_kind,
                format: own_format,
                ..
            }) => own_kind == kind && own_format == format,
            _ => true,
        }
    }

    /// The lines of `<link>.sha256`, beside the link of this name, one for each file; `None`
    /// where the build has no file that is the result.
    #[must_use]
    pub fn checksum(&self, link: &str) -> Option<String> {
        let lines = self
            .artifacts
            .iter()
            .map(|artifact| checksum_line(&artifact.sha256, &artifact.below(link)));
        let lines: String = lines.collect();
        (!lines.is_empty()).then_some(lines)
    }

    /// How large the result is, in bytes; `None` where it is no file.
    #[must_use]
    pub fn artifacts_size(&self) -> Option<u64> {
        let sizes = self.artifacts.iter().map(|artifact| artifact.size);
        (!self.artifacts.is_empty()).then(|| sizes.sum())
    }

    /// Reads a manifest of this schema, or of the first one, which had other names for the store
    /// paths and the time as a number.
    ///
    /// # Errors
    /// When the text is none, or one of a newer schema.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let broken = |error: serde_json::Error| ManifestError::Broken(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(text).map_err(broken)?;
        match value["schema"].as_u64() {
            Some(schema) if schema > u64::from(SCHEMA) => Err(ManifestError::Newer(schema)),
            Some(1..) => {
                let manifest = serde_json::from_value(value).map_err(broken)?;
                Ok(Self {
                    schema: SCHEMA,
                    ..manifest
                })
            }
            _ => Err(ManifestError::Broken("it names no schema".to_owned())),
        }
    }
}

/// The files that a build is made for. A manifest names the first of them as `artifact`, and
/// where there are several all of them as `artifacts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Fields", into = "Fields")]
pub struct Artifacts(pub Vec<Artifact>);

impl Deref for Artifacts {
    type Target = [Artifact];

    fn deref(&self) -> &[Artifact] {
        &self.0
    }
}

/// [`Artifacts`], as a manifest has them.
#[derive(Serialize, Deserialize)]
struct Fields {
    artifact: Option<Artifact>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    artifacts: Vec<Artifact>,
}

impl From<Fields> for Artifacts {
    fn from(
        Fields {
            artifact,
            artifacts,
        }: Fields,
    ) -> Self {
        match artifacts.is_empty() {
            true => Self(artifact.into_iter().collect()),
            false => Self(artifacts),
        }
    }
}

impl From<Artifacts> for Fields {
    fn from(Artifacts(artifacts): Artifacts) -> Self {
        Self {
            artifact: artifacts.first().cloned(),
            artifacts: if artifacts.len() > 1 {
                artifacts
            } else {
                vec![]
            },
        }
    }
}

/// A file that a build is made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its place below the output; empty where it is the output.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Artifact {
    /// Where it is when the output is at `place`.
    #[must_use]
    pub fn below(&self, place: &str) -> String {
        match self.path.as_str() {
            "" => place.to_owned(),
            path => format!("{place}/{path}"),
        }
    }
}

/// One forced option.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forced {
    /// The option.
    pub option: OptionPath,
    /// Its value.
    pub value: serde_json::Value,
}

impl Forced {
    /// All that is forced.
    #[must_use]
    pub fn all(overrides: &Overrides) -> Vec<Self> {
        let forced = overrides.iter().map(|(option, value)| Self {
            option: option.clone(),
            value: value.clone(),
        });
        forced.collect()
    }
}

/// The staged source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Its store path.
    #[serde(rename = "storePath", alias = "path")]
    pub path: String,
    /// Its hash, as flake references have it.
    pub nar_hash: String,
    /// The reference that it was fetched by; `None` for a working tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flake: Option<String>,
    /// The commit that was checked out; `None` outside a repository and before the
    /// first commit.
    pub revision: Option<String>,
    /// The branch that was checked out.
    pub branch: Option<String>,
    /// Whether the tree differed from that commit.
    pub dirty: bool,
    /// The local settings that were staged with it.
    pub local: Vec<String>,
    /// Inputs that were replaced, by name, each with the locked reference.
    pub overridden_inputs: Vec<(String, String)>,
    /// All inputs, replaced ones among them; `None` where an older cbox wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<Input>>,
}

/// An input of the flake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Its name, with those of the inputs that it is one of: `disko/nixpkgs`.
    pub name: String,
    /// The locked reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The hash of its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nar_hash: Option<String>,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Input {
    /// The inputs of a flake with this lock file, but for `replaced`, by name with the locked
    /// reference of each.
    ///
    /// # Errors
    /// When it is no lock file.
    pub fn all(lock: Option<&[u8]>, replaced: &[(String, String)]) -> Result<Vec<Self>, LockError> {
        let names: Vec<&str> = replaced.iter().map(|(name, _)| name.as_str()).collect();
        let locked = Lock::parse(lock)?.inputs(&names).into_iter();
        let locked = locked.map(|input| Self {
            name: input.name,
            reference: input.reference,
            nar_hash: input.nar_hash,
            revision: input.revision,
        });
        let replaced = replaced.iter().map(|(name, reference)| {
            let query = reference.split_once('?').map_or("", |(_, query)| query);
            let value = |field: &str| {
                let mut parts = query.split('&').filter_map(|part| part.split_once('='));
                let (_, value) = parts.find(|(name, _)| *name == field)?;
                Some(percent_decoded(value))
            };
            Self {
                name: name.clone(),
                nar_hash: value("narHash"),
                revision: value("rev"),
                reference: Some(reference.clone()),
            }
        });
        let mut all: Vec<Self> = locked.chain(replaced).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }
}

/// The versions that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// The version of cbox.
    pub cbox: String,
    /// The version of Nix.
    pub nix: String,
}

/// The line of `sha256sum` for a file, which `sha256sum -c` takes. Source: GNU coreutils
/// manual, "cksum common options": a name with a backslash or a line feed in it is
/// escaped, and the line then begins with a backslash.
fn checksum_line(sha256: &str, file: &str) -> String {
    if file.contains(['\\', '\n', '\r']) {
        let escaped = file
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r");
        format!("\\{sha256}  {escaped}\n")
    } else {
        format!("{sha256}  {file}\n")
    }
}

/// Whether `text` are lines that [`Manifest::checksum`] gives for the link of this name.
pub(super) fn is_checksum_of(text: &[u8], link: &str) -> bool {
    let text = str::from_utf8(text).unwrap_or_default();
    let mut lines = text.split_inclusive('\n');
    !text.is_empty() && lines.all(|line| is_checksum_line_of(line, link))
}

fn is_checksum_line_of(line: &str, link: &str) -> bool {
    let line = line.strip_prefix('\\').unwrap_or(line);
    let Some((sha256, file)) = line.split_once("  ") else {
        return false;
    };
    let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    let file = file
        .strip_suffix('\n')
        .and_then(|file| file.strip_prefix(link));
    // Where the output is the file, the link leads to it.
    let is_below = |file: &str| file.is_empty() || file.starts_with('/');
    is_hash && file.is_some_and(|file| is_below(file) && !file.contains('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_told_from_other_texts() {
        let hash = "0a".repeat(32);
        for path in ["/iso/a.iso", "/a\\b\nc", ""] {
            let line = checksum_line(&hash, &format!("a-iso{path}"));
            assert!(is_checksum_of(line.as_bytes(), "a-iso"), "{line}");
            assert!(!is_checksum_of(line.as_bytes(), "a"), "of another link");
            let more = [&line, "mine\n"].concat();
            assert!(!is_checksum_of(more.as_bytes(), "a-iso"), "{more}");
            let twice = line.repeat(2);
            assert!(is_checksum_of(twice.as_bytes(), "a-iso"), "of two files");
            assert!(!is_checksum_of(line.trim_end().as_bytes(), "a-iso"));
        }
        for text in ["", "\n", "mine", &format!("{hash}  a-isos\n"), &hash] {
            assert!(!is_checksum_of(text.as_bytes(), "a-iso"), "{text}");
        }
        assert!(!is_checksum_of(b"\xff", "a-iso"));
    }

    /// What cbox wrote before, beside links that are there still.
    #[test]
    fn a_manifest_of_the_first_schema_is_read() {
        let source = |path: &str| {
            format!(
                r#"{{"{path}": "/nix/store/x", "narHash": "h", "revision": null, "branch": null,
                    "dirty": true, "local": [], "overriddenInputs": []}}"#
            )
        };
        let text = |schema: u32, [drv, out, path]: [&str; 3], linked_at: &str| {
            let digits = "0".repeat(32);
            format!(
                r#"{{"schema": {schema}, "target": "hosts/a", "host": "a", "hostName": null,
                    "system": "x86_64-linux", "{drv}": "/nix/store/{digits}-a.drv",
                    "{out}": "/nix/store/{digits}-a", "output": "out", "artifact": null,
                    "overrides": [], "source": {}, "tools": {{"cbox": "0", "nix": "2"}},
                    "linkedAt": {linked_at}}}"#,
                source(path)
            )
        };
        let first = text(1, ["drv", "out", "path"], "1767225599");
        let names = ["drvPath", "outPath", "storePath"];
        let second = text(2, names, "\"2025-12-31T23:59:59Z\"");
        let first = Manifest::parse(first.as_bytes()).unwrap();
        assert_eq!(first, Manifest::parse(second.as_bytes()).unwrap());
        assert_eq!(first.linked_at, 1_767_225_599);
        let written = serde_json::to_value(&first).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(&second).unwrap()
        );
    }

    #[test]
    fn what_replaces_an_input_is_recorded_in_its_place() {
        let lock = br#"{"root": "root", "nodes": {
            "root": {"inputs": {"a": "a", "b": "b"}},
            "a": {"locked": {"type": "path", "path": "/a", "narHash": "sha256-a="}},
            "b": {"locked": {"type": "path", "path": "/b", "narHash": "sha256-b="}}}}"#;
        let replaced = (
            "a".to_owned(),
            "path:/new?narHash=sha256-n%3D&rev=12".to_owned(),
        );
        let all = Input::all(Some(lock), std::slice::from_ref(&replaced)).unwrap();
        let shown = serde_json::to_value(&all).unwrap();
        assert_eq!(
            shown,
            serde_json::json!([
                {"name": "a", "reference": replaced.1, "narHash": "sha256-n=", "revision": "12"},
                {"name": "b", "reference": "path:/b?narHash=sha256-b%3D", "narHash": "sha256-b="},
            ])
        );
        assert_eq!(Input::all(None, &[]), Ok(vec![]));
        assert!(Input::all(Some(b"x"), &[]).is_err());
    }

    #[test]
    fn what_is_no_manifest_says_why() {
        let error = |text: &str| Manifest::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error(r#"{"schema": 3}"#), ManifestError::Newer(3));
        for (text, why) in [
            ("", "EOF"),
            ("{}", "no schema"),
            (r#"{"schema": 0}"#, "no schema"),
            (r#"{"schema": 1}"#, "missing field `target`"),
            (r#"{"schema": 2}"#, "missing field `target`"),
            ("[]", "no schema"),
        ] {
            assert!(error(text).to_string().contains(why), "{text}");
        }
    }

    #[test]
    fn one_artifact_is_recorded_as_it_always_was() {
        let one = r#"{"path": "a", "size": 1, "sha256": "0"}"#;
        let read = |text: &str| serde_json::from_str::<Artifacts>(text).unwrap();
        let paths = |text: &str| {
            let paths = read(text)
                .iter()
                .map(|one| one.path.clone())
                .collect::<Vec<_>>();
            paths.join(" ")
        };
        assert_eq!(paths(&format!(r#"{{"artifact": {one}}}"#)), "a");
        assert_eq!(paths(r#"{"artifact": null}"#), "");
        let two = format!(
            r#"{{"artifact": {one}, "artifacts": [{one}, {}]}}"#,
            one.replace("\"a\"", "\"b\"")
        );
        assert_eq!(paths(&two), "a b");
        let written = serde_json::to_value(read(&two)).unwrap();
        assert_eq!(written["artifact"], written["artifacts"][0]);
        assert_eq!(written["artifacts"][1]["path"], "b");
        let alone = format!(r#"{{"artifact":{}}}"#, one.replace(' ', ""));
        assert_eq!(serde_json::to_string(&read(&alone)).unwrap(), alone);
    }

    #[test]
    fn checksum_lines_are_those_of_sha256sum() {
        assert_eq!(checksum_line("ab", "a b/c.iso"), "ab  a b/c.iso\n");
        assert_eq!(checksum_line("ab", "a\\b\nc"), "\\ab  a\\\\b\\nc\n");
    }
}
