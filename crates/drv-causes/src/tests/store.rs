//! Derivations made up for tests, in a store that gives them paths as a real one would.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use sha2::{Digest as _, Sha256};

use super::super::{Explanation, explain};
use nix_formats::{derivation::Derivation, nixbase32};

/// A derivation to be, whose paths follow from its content as in a real store.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    name: String,
    environment: BTreeMap<String, String>,
    inputs: BTreeMap<String, BTreeSet<String>>,
    sources: BTreeSet<String>,
    outputs: Vec<String>,
    /// The hash of a fixed output.
    hash: Option<String>,
    /// Whether only the build tells the paths of the outputs.
    addressed_by_content: bool,
    system: String,
}

/// What others need of a derivation.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) drv: String,
    pub(super) outputs: BTreeMap<String, String>,
}

impl Path {
    pub(super) fn out(&self) -> &str {
        &self.outputs["out"]
    }
}

pub(super) fn made(name: &str) -> Made {
    Made {
        name: name.into(),
        outputs: vec!["out".into()],
        system: "x86_64-linux".into(),
        ..Made::default()
    }
}

pub(super) fn digest(text: &str) -> String {
    nixbase32::encode(&Sha256::digest(text)[..20])
}

pub(super) fn source(name: &str, content: &str) -> String {
    format!("/nix/store/{}-{name}", digest(content))
}

impl Made {
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// An input, of which the path of `out` stands in the variable `name`.
    pub(super) fn using(mut self, name: &str, input: &Path) -> Self {
        self.inputs
            .entry(input.drv.clone())
            .or_default()
            .insert("out".into());
        self.with(name, input.out())
    }

    pub(super) fn output_of(mut self, output: &str, input: &Path) -> Self {
        self.inputs
            .entry(input.drv.clone())
            .or_default()
            .insert(output.into());
        self
    }

    pub(super) fn source(mut self, path: &str) -> Self {
        self.sources.insert(path.into());
        self.with("src", path)
    }

    pub(super) fn outputs(mut self, names: &[&str]) -> Self {
        self.outputs = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    pub(super) fn fixed(mut self, hash: &str) -> Self {
        self.hash = Some(hash.into());
        self.with("outputHash", hash)
    }

    pub(super) fn addressed_by_content(mut self) -> Self {
        self.addressed_by_content = true;
        self
    }

    pub(super) fn system(mut self, system: &str) -> Self {
        self.system = system.into();
        self
    }

    pub(super) fn text(&self, outputs: &BTreeMap<String, String>) -> String {
        let quoted = |text: &str| {
            let escaped = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            format!("\"{escaped}\"")
        };
        let list = |items: Vec<String>| format!("[{}]", items.join(","));
        let algorithm = match (&self.hash, self.addressed_by_content) {
            (Some(_), _) | (None, true) => "r:sha256",
            (None, false) => "",
        };
        let hash = self.hash.clone().unwrap_or_default();
        let outputs_list = outputs.iter().map(|(name, path)| {
            format!(
                "({},{},\"{algorithm}\",{})",
                quoted(name),
                quoted(path),
                quoted(&hash)
            )
        });
        let inputs = self.inputs.iter().map(|(drv, names)| {
            format!(
                "({},{})",
                quoted(drv),
                list(names.iter().map(|name| quoted(name)).collect())
            )
        });
        let mut environment = self.environment.clone();
        environment.insert("name".into(), self.name.clone());
        environment.extend(outputs.clone());
        let environment = environment
            .iter()
            .map(|(name, value)| format!("({},{})", quoted(name), quoted(value)));
        format!(
            "Derive({},{},{},{},\"/bin/sh\",[\"-e\"],{})",
            list(outputs_list.collect()),
            list(inputs.collect()),
            list(self.sources.iter().map(|source| quoted(source)).collect()),
            quoted(&self.system),
            list(environment.collect()),
        )
    }
}

/// Where made-up derivations are kept.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) files: RefCell<BTreeMap<String, String>>,
    pub(super) reads: Cell<usize>,
}

impl Store {
    pub(super) fn put(&self, made: &Made) -> Path {
        let no_paths = made
            .outputs
            .iter()
            .map(|name| (name.clone(), String::new()))
            .collect();
        // The paths of outputs follow from what is built: not from how it was fetched, and
        // not from how inputs of the same content came to be.
        let identity = match &made.hash {
            Some(hash) => format!("fixed {hash} {}", made.name),
            None => {
                let mut text = made.text(&no_paths);
                for drv in made.inputs.keys() {
                    let read =
                        Derivation::from_aterm_bytes(self.files.borrow()[drv].as_bytes()).unwrap();
                    let outputs: Vec<&str> = read.outputs().map(|output| output.path).collect();
                    if outputs.iter().all(|path| !path.is_empty()) {
                        text = text.replace(drv.as_str(), &outputs.join(" "));
                    }
                }
                text
            }
        };
        let outputs: BTreeMap<String, String> = made
            .outputs
            .iter()
            .map(|output| {
                let suffix = if output == "out" {
                    String::new()
                } else {
                    format!("-{output}")
                };
                let path = format!(
                    "/nix/store/{}-{}{suffix}",
                    digest(&format!("{output} {identity}")),
                    made.name
                );
                (
                    output.clone(),
                    if made.addressed_by_content {
                        String::new()
                    } else {
                        path
                    },
                )
            })
            .collect();
        let text = made.text(&outputs);
        let drv = format!("/nix/store/{}-{}.drv", digest(&text), made.name);
        self.files.borrow_mut().insert(drv.clone(), text);
        Path { drv, outputs }
    }

    pub(super) fn read(&self, paths: &[&str]) -> Result<Vec<Derivation>, String> {
        self.reads.set(self.reads.get() + paths.len());
        let one = |path: &&str| {
            let files = self.files.borrow();
            let text = files.get(*path).ok_or(format!("no {path}"))?;
            Derivation::from_aterm_bytes(text.as_bytes())
                .map_err(|error| format!("{path}: {error}"))
        };
        paths.iter().map(one).collect()
    }

    pub(super) fn explain(&self, old: &Path, new: &Path) -> Explanation {
        explain(&old.drv, &new.drv, &|paths: &[&str]| self.read(paths)).unwrap()
    }
}
