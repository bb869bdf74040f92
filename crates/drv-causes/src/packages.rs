//! Which packages came, went and changed their version, as far as the derivations that differ
//! tell: those that were read to find the causes. No others are read for it.
//!
//! What a derivation leaves in its output only a build can tell. But what it names in nothing
//! but the variables for what is needed to build is left out with all that this needs, and so
//! is what is fetched. What is not read is in both or in none of the two, with one exception: a
//! package that came to a derivation that differs can have been needed elsewhere before, where
//! nothing differs.

use std::collections::HashSet;

use nix_formats::{
    derivation::Derivation,
    packages::{PackageChanges, Packages},
};
use serde_json::Value;

use super::{
    Read,
    difference::STRUCTURED,
    graph::{Graph, Id, name},
    references::References,
    walk::{Pair, Walked},
};

/// The variables for what is needed to build, and not to run what was built.
///
/// Source: the Nixpkgs manual, "Specifying dependencies"; the compiler and the usual tools come
/// with `stdenv`.
const TO_BUILD: &[&[u8]] = &[
    b"stdenv",
    b"builder",
    b"src",
    b"srcs",
    b"patches",
    b"nativeBuildInputs",
    b"propagatedNativeBuildInputs",
    b"depsBuildBuild",
    b"depsBuildBuildPropagated",
    b"depsBuildTarget",
    b"depsBuildTargetPropagated",
    b"disallowedReferences",
    b"disallowedRequisites",
];

/// The changes that show in what was walked.
pub(super) fn changes(walked: &Walked) -> PackageChanges {
    let (old, new) = match walked.same_output {
        true => return PackageChanges::default(),
        false => packages_of(walked),
    };
    if old.is_empty() && new.is_empty() {
        return PackageChanges::default();
    }
    let inputs = |derivation: fn(&Pair) -> Id| -> HashSet<&str> {
        let pairs = walked.pairs.iter();
        let derivations = pairs.filter_map(|pair| walked.graph.derivation(derivation(pair)));
        let inputs = derivations.flat_map(Derivation::inputs);
        inputs.map(|input| input.path).collect()
    };
    let (before, now) = (inputs(|pair| pair.old), inputs(|pair| pair.new));
    let path = |id: &Id| walked.graph.thing(*id).path.as_str();
    let differ = |ids: &HashSet<Id>, others: &HashSet<&str>| -> Packages<'_> {
        let paths = ids.iter().map(path);
        paths
            .filter(|path| !others.contains(path))
            .map(name)
            .collect()
    };
    let (mut old, mut new) = (differ(&old, &now), differ(&new, &before));
    // What of these packages is in both belongs to their versions.
    let listed = |path: &&str| old.have(name(path)) || new.have(name(path));
    let both: Vec<&str> = before.intersection(&now).copied().filter(listed).collect();
    for path in both {
        old.add(name(path));
        new.add(name(path));
    }
    old.changes(&new)
}

/// The packages of both that differ: what is needed at run time as far as is known.
fn packages_of(walked: &Walked) -> (HashSet<Id>, HashSet<Id>) {
    let (mut old, mut new) = (HashSet::new(), HashSet::new());
    let mut seen = vec![false; walked.pairs.len()];
    let mut open = Vec::new();
    if !walked.pairs.is_empty() {
        seen[0] = true;
        open.push(0);
    }
    while let Some(number) = open.pop() {
        let pair = &walked.pairs[number];
        old.extend(Some(pair.old).filter(|&id| is_package(&walked.graph, id)));
        new.extend(Some(pair.new).filter(|&id| is_package(&walked.graph, id)));
        let (to_build, to_build_new) = (
            only_to_build(&walked.graph, &walked.references, pair.old),
            only_to_build(&walked.graph, &walked.references, pair.new),
        );
        let runs = |ids: &[Id], to_build: &HashSet<Id>| -> Vec<Id> {
            let ids = ids.iter().copied().filter(|id| !to_build.contains(id));
            ids.filter(|&id| is_package(&walked.graph, id)).collect()
        };
        old.extend(runs(&pair.pairing.removed, &to_build));
        new.extend(runs(&pair.pairing.added, &to_build_new));
        for &input in &pair.inputs {
            let Pair { old, new, .. } = &walked.pairs[input];
            let runs = !to_build.contains(old) || !to_build_new.contains(new);
            if runs && !std::mem::replace(&mut seen[input], true) {
                open.push(input);
            }
        }
    }
    (old, new)
}

/// Whether it is a derivation that makes something: not a source, and nothing that is fetched.
fn is_package(graph: &Graph, id: Id) -> bool {
    let derivation = graph.derivation(id);
    derivation.is_some_and(|derivation| derivation.outputs().any(|output| output.hash.is_empty()))
}

/// The inputs that a derivation names in nothing but what is there to build it.
fn only_to_build(graph: &Graph, references: &References, id: Id) -> HashSet<Id> {
    let Some(derivation) = graph.derivation(id) else {
        return HashSet::new();
    };
    let (mut to_build, mut others) = (HashSet::new(), HashSet::new());
    let mut names = |name: &[u8], text: &[u8]| {
        let owners = references.owners(text);
        match TO_BUILD.contains(&name) {
            true => to_build.extend(owners),
            false => others.extend(owners),
        }
    };
    names(b"builder", derivation.builder());
    derivation.arguments().for_each(|text| names(b"", text));
    for (name, value) in derivation.environment() {
        match attributes(name, value) {
            Some(attributes) => attributes
                .iter()
                .for_each(|(name, value)| names(name.as_bytes(), value.to_string().as_bytes())),
            None => names(name, value),
        }
    }
    to_build.difference(&others).copied().collect()
}

/// The attributes in a variable that holds all of them.
fn attributes(name: &[u8], value: &[u8]) -> Option<serde_json::Map<String, Value>> {
    if name != STRUCTURED {
        return None;
    }
    serde_json::from_slice(value).ok()
}

/// A derivation or source that a derivation needs, as far as derivations tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Its name, without a hash.
    pub name: String,
    /// The paths that it makes or is.
    pub paths: Vec<String>,
    /// Whether it is fetched, so that its content is known beforehand.
    pub is_fetched: bool,
    /// Whether it may be needed at run time, and not to build alone.
    pub may_run: bool,
}

/// All that the derivation at `root` needs, itself included. All of it is read.
///
/// # Errors
/// When a derivation cannot be read.
pub fn needed<E>(root: &str, read: &Read<'_, E>) -> Result<Vec<Needed>, E> {
    let mut graph = Graph::default();
    let root = graph.id(root);
    let mut all = vec![root];
    let mut level = 0..1;
    while !level.is_empty() {
        graph.read(all[level.clone()].iter().copied(), read)?;
        let known = graph.len();
        for position in level {
            for path in inputs_of(&graph, all[position]) {
                graph.id(&path);
            }
        }
        level = known..graph.len();
        all.extend(level.clone().map(|id| id as Id));
    }
    let mut references = References::default();
    all.iter().for_each(|&id| references.know(&graph, id));
    let mut may_run = HashSet::from([root]);
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        let to_build = only_to_build(&graph, &references, id);
        for path in inputs_of(&graph, id) {
            let input = graph.id(&path);
            let runs = is_package(&graph, input) && !to_build.contains(&input);
            if runs && may_run.insert(input) {
                open.push(input);
            }
        }
    }
    let needed = |&id: &Id| {
        let path = graph.thing(id).path.as_str();
        let derivation = graph.derivation(id);
        let outputs = derivation.map(|it| it.outputs().map(|one| one.path.to_owned()).collect());
        Needed {
            name: name(path).to_owned(),
            is_fetched: derivation.is_some() && !is_package(&graph, id),
            paths: outputs.unwrap_or_else(|| vec![path.to_owned()]),
            may_run: may_run.contains(&id),
        }
    };
    Ok(all.iter().map(needed).collect())
}

fn inputs_of(graph: &Graph, id: Id) -> Vec<String> {
    let derivation = graph.derivation(id).into_iter();
    let paths = derivation.flat_map(|derivation| {
        let inputs = derivation.inputs().map(|input| input.path);
        inputs.chain(derivation.sources())
    });
    paths.map(str::to_owned).collect()
}
