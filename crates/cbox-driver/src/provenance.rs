//! Where an image comes from, as an in-toto statement with SLSA's provenance: what was built from
//! what, by the manifest of the build. Nothing in it is of the run, so the same build gives the
//! same bytes.
//!
//! Source of the format: in-toto's attestation framework, "Statement" and "ResourceDescriptor",
//! version 1; and SLSA's "Build: Provenance", version 1.

use std::collections::BTreeMap;

use cbox_nix::argv::staged_reference;
use nix_formats::nar::NarHash;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    error::{Error, Kind},
    links::manifest::{Forced, Input, Manifest, Source},
    text::{harmless_json, utc},
};

/// What in-toto calls a statement.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// What SLSA calls its provenance.
const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// What kind of build it is, which tells what its parameters mean: `docs/provenance.md` does.
const BUILD_TYPE: &str = "urn:cbox:build:1";

/// The builder, where nobody says which: whoever ran cbox, with Nix.
pub const BUILDER: &str = "urn:cbox:builder:1";

/// What a statement is of, and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The hashes of the files, in hexadecimal.
    pub sha256: Vec<String>,
    /// Who says to have built them.
    pub builder: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'m> {
    #[serde(rename = "_type")]
    statement_type: &'static str,
    subject: Vec<Resource>,
    predicate_type: &'static str,
    predicate: Predicate<'m>,
}

/// A file or a tree, by its hashes.
#[derive(Serialize)]
struct Resource {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    digest: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'m> {
    build_definition: BuildDefinition<'m>,
    run_details: RunDetails<'m>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition<'m> {
    build_type: &'static str,
    external_parameters: Parameters<'m>,
    internal_parameters: Value,
    resolved_dependencies: Vec<Resource>,
}

/// What whoever built it could choose.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'m> {
    target: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flake: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'m str>,
    /// Whether the tree differed from that commit.
    dirty: bool,
    overrides: &'m [Forced],
    overridden_inputs: BTreeMap<&'m str, &'m str>,
    local_settings: &'m [String],
}

#[derive(Serialize)]
struct RunDetails<'m> {
    builder: Builder<'m>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

#[derive(Serialize)]
struct Builder<'m> {
    id: &'m str,
    version: BTreeMap<&'static str, &'m str>,
}

/// The statement on the files that `manifest` names, as `builder` makes it, a URI. `time` is when
/// they were built, in seconds since 1970, where somebody says that.
///
/// # Errors
/// When it names no files, or was written by a cbox that recorded no inputs.
pub fn statement(manifest: &Manifest, time: Option<u64>, builder: &str) -> Result<String, Error> {
    let target = manifest.target.as_str();
    let no_record = |what: &str| {
        Error::new(
            Kind::Artifact,
            format!("the record of {target} names {what}"),
        )
    };
    if manifest.artifacts.is_empty() {
        let hint = "`cbox list` shows the images; the system of a host is no file";
        return Err(no_record("no file that could be the subject of a provenance").hint(hint));
    }
    let source = &manifest.source;
    let Some(inputs) = &source.inputs else {
        let what = "no inputs of the flake, as those of an older cbox do";
        return Err(no_record(what).hint("build it again, which writes its records anew"));
    };
    let replaced = source.overridden_inputs.iter();
    let statement = Statement {
        statement_type: STATEMENT,
        subject: subjects(manifest),
        predicate_type: PREDICATE,
        predicate: Predicate {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE,
                external_parameters: Parameters {
                    target,
                    flake: source.flake.as_deref(),
                    revision: source.revision.as_deref(),
                    dirty: source.dirty,
                    overrides: &manifest.overrides,
                    overridden_inputs: replaced
                        .map(|(name, reference)| (name.as_str(), reference.as_str()))
                        .collect(),
                    local_settings: &source.local,
                },
                internal_parameters: json!({
                    "derivation": manifest.drv,
                    "output": manifest.output,
                    "outPath": manifest.out,
                    "system": manifest.system,
                }),
                resolved_dependencies: [tree(source)]
                    .into_iter()
                    .chain(inputs.iter().map(resource))
                    .collect(),
            },
            run_details: RunDetails {
                builder: Builder {
                    id: builder,
                    version: BTreeMap::from([
                        ("cbox", manifest.tools.cbox.as_str()),
                        ("nix", manifest.tools.nix.as_str()),
                    ]),
                },
                metadata: time.map(|time| json!({ "finishedOn": utc::rfc3339(time) })),
            },
        },
    };
    let text = serde_json::to_string_pretty(&statement).map_err(|error| {
        let message = format!("the provenance of {target} cannot be written: {error}");
        Error::new(Kind::Output, message)
    })?;
    Ok(harmless_json(&format!("{text}\n")).into_owned())
}

/// The files, by their names alone as far as these differ.
fn subjects(manifest: &Manifest) -> Vec<Resource> {
    let out = manifest.out.rsplit('/').next().unwrap_or_default();
    let out = out.split_once('-').map_or(out, |(_, name)| name);
    let short = |path: &'_ str| match path {
        "" => out.to_owned(),
        path => path.rsplit('/').next().unwrap_or(path).to_owned(),
    };
    let files = manifest.artifacts.iter();
    let names: Vec<String> = files.clone().map(|file| short(&file.path)).collect();
    files
        .zip(&names)
        .map(|(file, name)| {
            let is_only = names.iter().filter(|other| *other == name).count() == 1;
            Resource {
                name: if is_only { name } else { &file.path }.clone(),
                uri: None,
                digest: BTreeMap::from([("sha256", file.sha256.clone())]),
            }
        })
        .collect()
}

/// The hashes of a tree, as far as they are known.
fn digest(nar_hash: Option<&str>, commit: Option<&str>) -> BTreeMap<&'static str, String> {
    let nar_hash = nar_hash.and_then(NarHash::from_sri);
    let nar_hash = nar_hash.map(|hash| ("narHash", hash.to_base16()));
    let commit = commit.map(|commit| ("gitCommit", commit.to_owned()));
    nar_hash.into_iter().chain(commit).collect()
}

/// The tree of the flake.
fn tree(source: &Source) -> Resource {
    // Of a tree that differs from it the commit is no name.
    let commit = source.revision.as_deref().filter(|_| !source.dirty);
    Resource {
        name: "source".to_owned(),
        uri: Some(staged_reference(&source.path, "", &source.nar_hash)),
        digest: digest(Some(&source.nar_hash), commit),
    }
}

fn resource(input: &Input) -> Resource {
    Resource {
        name: format!("inputs/{}", input.name),
        uri: input.reference.clone(),
        digest: digest(input.nar_hash.as_deref(), input.revision.as_deref()),
    }
}

/// What the statement in `text` claims, whoever made it.
///
/// # Errors
/// When it is none, with the end of a sentence that begins with its name.
pub fn claim(text: &[u8]) -> Result<Claim, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read {
        #[serde(rename = "_type")]
        statement_type: String,
        subject: Vec<Subject>,
        predicate_type: String,
        predicate: Value,
    }
    #[derive(Deserialize)]
    struct Subject {
        digest: BTreeMap<String, String>,
    }
    let read: Read = serde_json::from_slice(text)
        .map_err(|error| format!("is not an in-toto statement: {error}"))?;
    if read.statement_type != STATEMENT || read.predicate_type != PREDICATE {
        return Err(format!(
            "is not SLSA's provenance, version 1, but {} as {}",
            read.predicate_type, read.statement_type
        ));
    }
    let builder = read.predicate["runDetails"]["builder"]["id"].as_str();
    let builder = builder.ok_or("names no builder")?.to_owned();
    let mut subjects = read.subject.into_iter();
    let hash = |subject: Subject| Some(subject.digest.get("sha256")?.to_ascii_lowercase());
    Ok(Claim {
        sha256: subjects.by_ref().filter_map(hash).collect(),
        builder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::Companion;

    fn manifest(change: &dyn Fn(&mut Value)) -> Manifest {
        let path = |name: &str| format!("/nix/store/{}-{name}", "0".repeat(32));
        let mut value = json!({
            "schema": 2, "target": "a/iso", "host": "a", "system": "x86_64-linux",
            "drvPath": path("x.drv"), "outPath": path("x"), "output": "out", "overrides": [],
            "artifact": { "path": "iso/a.iso", "size": 1, "sha256": "ab".repeat(32) },
            "source": {
                "storePath": path("source"), "narHash": format!("sha256-{}=", "A".repeat(43)),
                "revision": "cd".repeat(20), "branch": "main", "dirty": false, "local": [],
                "overriddenInputs": [["n", "path:/n"]],
                "inputs": [{ "name": "n", "reference": "path:/n" }],
            },
            "tools": { "cbox": "0", "nix": "2" }, "linkedAt": "2025-12-31T23:59:59Z",
        });
        change(&mut value);
        Manifest::parse(value.to_string().as_bytes()).unwrap()
    }

    fn stated(manifest: &Manifest) -> Value {
        serde_json::from_str(&statement(manifest, Some(0), BUILDER).unwrap()).unwrap()
    }

    #[test]
    fn a_statement_is_of_the_files_and_the_trees() {
        let value = stated(&manifest(&|_| ()));
        assert_eq!(
            value["subject"],
            json!([{ "name": "a.iso", "digest": { "sha256": "ab".repeat(32) } }])
        );
        let definition = &value["predicate"]["buildDefinition"];
        let trees = definition["resolvedDependencies"].as_array().unwrap();
        assert_eq!(
            trees[0]["digest"],
            json!({ "gitCommit": "cd".repeat(20), "narHash": "0".repeat(64) })
        );
        assert_eq!(trees[1], json!({ "name": "inputs/n", "uri": "path:/n" }));
        assert_eq!(
            definition["externalParameters"]["overriddenInputs"],
            json!({ "n": "path:/n" })
        );
        assert_eq!(definition["buildType"], BUILD_TYPE);
        let mark = Companion::Provenance.mark();
        assert!(format!("\"{BUILD_TYPE}").starts_with(mark));
        let run = &value["predicate"]["runDetails"];
        assert_eq!(run["metadata"]["finishedOn"], "1970-01-01T00:00:00Z");
        // A tree that differs from its commit is not that commit; when it was linked says nothing.
        let dirty = manifest(&|value| value["source"]["dirty"] = json!(true));
        let tree = &stated(&dirty)["predicate"]["buildDefinition"]["resolvedDependencies"][0];
        assert_eq!(tree["digest"], json!({ "narHash": "0".repeat(64) }));
        let later = manifest(&|value| value["linkedAt"] = json!("2026-01-01T00:00:00Z"));
        let now = |manifest: &Manifest| statement(manifest, None, BUILDER).unwrap();
        assert_eq!(now(&later), now(&manifest(&|_| ())));
        assert!(!now(&later).contains("metadata"));
    }

    #[test]
    fn files_are_called_so_that_they_differ() {
        let names = |paths: &[&str]| {
            let files: Vec<Value> = paths
                .iter()
                .map(|path| json!({ "path": path, "size": 1, "sha256": "00" }))
                .collect();
            let value = stated(&manifest(&|value| value["artifacts"] = json!(files)));
            let subjects = value["subject"].as_array().unwrap().clone();
            let names = subjects.iter().map(|one| one["name"].as_str().unwrap());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&["a/one", "b/one", "b/two"]), "a/one b/one two");
        assert_eq!(names(&[""]), "x", "the output is the file");
    }

    #[test]
    fn what_no_statement_can_be_made_of_says_why() {
        let error = |manifest: &Manifest| statement(manifest, None, BUILDER).unwrap_err();
        let older = manifest(&|value| {
            value["source"].as_object_mut().unwrap().remove("inputs");
        });
        assert!(error(&older).message.contains("names no inputs"));
        let none = manifest(&|value| value["artifact"] = Value::Null);
        assert!(error(&none).message.contains("names no file"));
    }

    #[test]
    fn a_claim_is_read_from_a_statement_alone() {
        let value = stated(&manifest(&|_| ()));
        let read = |value: &Value| claim(value.to_string().as_bytes());
        let found = read(&value).unwrap();
        assert_eq!(found.sha256, ["ab".repeat(32)]);
        assert_eq!(found.builder, BUILDER);
        let changed = |field: &str, new: Value| {
            let mut value = value.clone();
            value[field] = new;
            read(&value).unwrap_err()
        };
        assert!(changed("_type", json!("x")).starts_with("is not SLSA's provenance"));
        assert!(changed("predicateType", json!("x")).starts_with("is not SLSA's provenance"));
        assert!(changed("subject", json!({})).starts_with("is not an in-toto statement"));
        assert_eq!(changed("predicate", json!({})), "names no builder");
        assert!(claim(b"").is_err());
    }
}
