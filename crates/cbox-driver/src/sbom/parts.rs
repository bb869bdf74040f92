//! What a bill of materials lists, from derivations: what each part is called, what it was made
//! from, what it was patched with, and what it needs.

use std::collections::{BTreeMap, HashMap};

use cbox_nix::metadata::Metadata;
use nix_formats::{
    closure::{Closure, PathInfos},
    derivation::{Derivation, Output, STRUCTURED},
    package_name::PackageName,
};
use serde_json::Value;

/// A store path that was packed, or a derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// What it is called by the others: a path in the store.
    pub(super) reference: String,
    /// The package.
    pub(super) name: String,
    /// Its version; empty where there is none.
    pub(super) version: String,
    /// Whether it is a package rather than a file: what is fetched and what has no version is none.
    pub(super) is_package: bool,
    /// The path of its derivation; `None` for what none makes.
    pub(super) drv: Option<String>,
    /// Which output of the derivation it is, where it is one of them.
    pub(super) output: Option<String>,
    /// The hash of its content, where that is fixed.
    pub(super) hash: Option<FixedHash>,
    /// What its sources were fetched from.
    pub(super) sources: Vec<Fetched>,
    /// Its patches, in the order in which they are applied.
    pub(super) patches: Vec<PatchFile>,
    /// What it refers to, or is made from: references of other parts, sorted.
    pub(super) needs: Vec<String>,
    /// What nixpkgs says of it.
    pub(super) metadata: Option<Metadata>,
}

impl Part {
    /// Whether somebody says which licence it has.
    pub(super) fn is_licensed(&self) -> bool {
        let metadata = self.metadata.as_ref();
        metadata.is_some_and(|metadata| {
            let mut licenses = metadata.licenses.iter();
            licenses.any(|license| license.spdx.is_some() || license.name.is_some())
        })
    }

    /// Makes it an image: called `name`, of the version of its system, and no package.
    pub(super) fn become_image(&mut self, name: &str, version: Option<String>) {
        name.clone_into(&mut self.name);
        self.version = version.unwrap_or_default();
        self.is_package = false;
    }
}

/// A hash that a derivation fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FixedHash {
    /// The algorithm as Nix calls it: `sha256`.
    pub(super) algorithm: String,
    /// In base 16.
    pub(super) hash: String,
    /// Whether it is that of the NAR archive rather than that of the file.
    pub(super) is_of_nar: bool,
}

/// Where something was fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    /// The address.
    pub(super) url: String,
    /// The commit, where it is a repository.
    pub(super) revision: Option<String>,
    /// The hash of what comes from there.
    pub(super) hash: Option<FixedHash>,
}

/// A patch of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatchFile {
    /// Its name in the store.
    pub(super) name: String,
    /// Where it was fetched from, or its store path.
    pub(super) url: String,
}

/// Derivations by their paths, and which of them makes a store path.
#[derive(Debug)]
pub(super) struct Derivations {
    by_path: BTreeMap<String, Derivation>,
    /// The derivation's path and the output's name, by the output's path.
    makers: HashMap<String, (String, String)>,
}

impl Derivations {
    /// Those that were read from these paths.
    pub(super) fn new(all: impl IntoIterator<Item = (String, Derivation)>) -> Self {
        let by_path: BTreeMap<String, Derivation> = all.into_iter().collect();
        let makers = by_path.iter().flat_map(|(path, derivation)| {
            let known = derivation
                .outputs()
                .filter(|output| !output.path.is_empty());
            known.map(|output| {
                let maker = (path.clone(), output.name.to_owned());
                (output.path.to_owned(), maker)
            })
        });
        Self {
            makers: makers.collect(),
            by_path,
        }
    }

    /// Every derivation, `root` first and the others by their paths; each needs those that it is
    /// made from.
    pub(super) fn parts(&self, root: &str) -> Vec<Part> {
        let mut parts: Vec<Part> = self
            .by_path
            .iter()
            .map(|(path, derivation)| Part {
                needs: derivation
                    .inputs()
                    .map(|input| input.path.to_owned())
                    .collect(),
                ..self.part(path.clone(), path, None)
            })
            .collect();
        // Stable: all others stay where they are.
        parts.sort_by_key(|part| part.reference != root);
        parts
    }

    /// The derivation at `path`.
    pub(super) fn get(&self, path: &str) -> Option<&Derivation> {
        self.by_path.get(path)
    }

    /// What is made of `needs`, references of other parts: the image that `drv` makes, called
    /// `reference`.
    pub(super) fn image(&self, reference: &str, drv: &str, needs: Vec<String>) -> Part {
        Part {
            needs,
            ..self.part(reference.to_owned(), drv, None)
        }
    }

    /// Every path of `closure` in the store below `store_dir`, the root first and the others by
    /// their paths; each needs those that it refers to. What is not known of a path from the
    /// derivations, whose output only a build can tell, `infos` may know.
    pub(super) fn closure(
        &self,
        closure: &Closure,
        infos: &PathInfos,
        store_dir: &str,
    ) -> Vec<Part> {
        let members = closure.members();
        let path = |number: usize| format!("{store_dir}/{}", members[number].base_name);
        let mut parts: Vec<Part> = (0..members.len())
            .map(|number| {
                let reference = path(number);
                let deriver = infos.deriver(&reference);
                let maker = self
                    .makers
                    .get(&reference)
                    .map(|(drv, output)| (drv.as_str(), Some(output.as_str())))
                    .or_else(|| {
                        Some((deriver.filter(|drv| self.by_path.contains_key(*drv))?, None))
                    });
                let mut needs: Vec<String> = closure
                    .references(number)
                    .iter()
                    .copied()
                    .map(path)
                    .collect();
                needs.sort_unstable();
                let part = match maker {
                    Some((drv, output)) => self.part(reference, drv, output),
                    None => unmade(reference, members[number].name()),
                };
                Part { needs, ..part }
            })
            .collect();
        parts[1..].sort_by(|one, other| one.reference.cmp(&other.reference));
        parts
    }

    /// The part `reference` that the derivation at `drv` makes, without what it needs.
    fn part(&self, reference: String, drv: &str, output: Option<&str>) -> Part {
        let store_name = name_of(drv).trim_end_matches(".drv");
        let plain = unmade(reference, store_name);
        let Some(derivation) = self.by_path.get(drv) else {
            return plain;
        };
        let attributes = Attributes::of(derivation);
        let hash = fixed_hash(derivation, output);
        let named = attributes.text("pname").zip(attributes.text("version"));
        let (name, version) = named.unwrap_or((plain.name, plain.version));
        let fetched = |path: &String| self.fetched(path);
        let sources = ["src", "srcs"].map(|name| attributes.words(name)).concat();
        let patches = attributes
            .words("patches")
            .into_iter()
            .map(|path| PatchFile {
                name: name_of(&path).to_owned(),
                url: fetched(&path).map_or(path, |fetched| fetched.url),
            });
        Part {
            is_package: hash.is_none() && !version.is_empty(),
            name,
            version,
            drv: Some(drv.to_owned()),
            output: output.map(str::to_owned),
            sources: match hash {
                Some(_) => self.fetched_by(derivation).into_iter().collect(),
                None => sources.iter().filter_map(fetched).collect(),
            },
            patches: patches.collect(),
            hash,
            ..plain
        }
    }

    /// Where the store path `path` was fetched from.
    fn fetched(&self, path: &str) -> Option<Fetched> {
        let (drv, _) = self.makers.get(path)?;
        self.fetched_by(self.by_path.get(drv)?)
    }

    /// Where `derivation` fetches from, by the variables that the fetchers of nixpkgs have.
    fn fetched_by(&self, derivation: &Derivation) -> Option<Fetched> {
        let hash = fixed_hash(derivation, None)?;
        let attributes = Attributes::of(derivation);
        let urls = ["url", "urls"].map(|name| attributes.words(name)).concat();
        Some(Fetched {
            url: urls.into_iter().find(|url| is_url(url))?,
            revision: attributes.text("rev"),
            hash: Some(hash),
        })
    }
}

/// What no derivation makes, such as a file of the flake; or what is known of one by its name.
fn unmade(reference: String, store_name: &str) -> Part {
    let PackageName {
        package,
        version,
        part,
    } = PackageName::parse(store_name);
    // A file that is fetched is called by its whole name, and so is what has no package.
    let is_whole = package.is_empty() || part.starts_with('.');
    let (name, version) = if is_whole {
        (store_name, "")
    } else {
        (package, version)
    };
    Part {
        reference,
        name: name.to_owned(),
        version: version.to_owned(),
        is_package: false,
        drv: None,
        output: None,
        hash: None,
        sources: vec![],
        patches: vec![],
        needs: vec![],
        metadata: None,
    }
}

/// The name of a store path, without its hash.
pub(super) fn name_of(path: &str) -> &str {
    let base = path.rsplit('/').next().unwrap_or(path);
    base.split_once('-').map_or(base, |(_, name)| name)
}

/// The hash that `derivation` fixes for `output`, or for its only one.
fn fixed_hash(derivation: &Derivation, output: Option<&str>) -> Option<FixedHash> {
    let is_it = |one: &Output<'_>| output.is_none_or(|name| one.name == name);
    let Output {
        hash_algorithm,
        hash,
        ..
    } = derivation.outputs().find(is_it)?;
    let algorithm = hash_algorithm.strip_prefix("r:");
    (!hash.is_empty()).then(|| FixedHash {
        algorithm: algorithm.unwrap_or(hash_algorithm).to_owned(),
        hash: hash.to_owned(),
        is_of_nar: algorithm.is_some(),
    })
}

/// Whether it is an address that can stand in a document.
pub(super) fn is_url(text: &str) -> bool {
    let is_plain = |one: u8| one.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&one);
    text.contains("://") && text.bytes().all(is_plain)
}

/// The attributes of a derivation, structured or not.
pub(super) enum Attributes<'d> {
    Plain(&'d Derivation),
    Structured(Value),
}

impl<'d> Attributes<'d> {
    /// Those of `derivation`.
    pub(super) fn of(derivation: &'d Derivation) -> Self {
        let json = derivation.variable(STRUCTURED);
        match json.and_then(|json| serde_json::from_slice(json).ok()) {
            Some(attributes) => Self::Structured(attributes),
            None => Self::Plain(derivation),
        }
    }

    /// The text that `name` is, unless it is empty.
    fn text(&self, name: &str) -> Option<String> {
        let text = match self {
            Self::Plain(derivation) => {
                String::from_utf8_lossy(derivation.variable(name.as_bytes())?).into_owned()
            }
            Self::Structured(attributes) => attributes.get(name)?.as_str()?.to_owned(),
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// The words that `name` is: a list, or a text with blanks between them.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        if let Self::Structured(attributes) = self
            && let Some(list) = attributes.get(name).and_then(Value::as_array)
        {
            let words = list.iter().filter_map(Value::as_str);
            return words.map(str::to_owned).collect();
        }
        let text = self.text(name).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }
}
