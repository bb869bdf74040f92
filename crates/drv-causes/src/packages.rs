//! Which packages came, went and changed their version, as far as the derivations that differ
//! tell: those that were read to find the causes.
//!
//! A package is what has a version. What has none (units, files below `/etc`, wrappers) is glue:
//! it is not listed, but it leads to packages. So what the one side alone has of it is read,
//! with its inputs, until what has a version; nothing else is, and the cost grows with the change.
//!
//! What a derivation leaves in its output only a build can tell. But what it names in nothing
//! but the variables for what is needed to build is left out with all that this needs, and so
//! is what is fetched. What only the script of a build names may do either: it counts as needed, but where
//! the other side names it elsewhere, it has come, unless other glue there needs it too; that is
//! read for such a package alone. Everything else that is not read is in both or in none of the
//! two, with one exception: a package that came to a derivation that differs can have been needed
//! elsewhere before, where nothing differs.

use std::collections::{HashMap, HashSet};

use nix_formats::{
    derivation::{Derivation, EXTENSION, STRUCTURED},
    package_name::PackageName,
    packages::{PackageChanges, Packages, package_and_version},
};
use serde_json::Value;

use super::{
    Read,
    graph::{Graph, Id, name},
    nixos_name,
    references::{Owner, References},
    walk::Walked,
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

/// The changes that show in what was walked, for which what came and went of glue is read.
pub(super) fn changes<E>(walked: Walked, read: &Read<'_, E>) -> Result<PackageChanges, E> {
    let Some(root) = walked.pairs.first().filter(|_| !walked.same_output) else {
        return Ok(PackageChanges::default());
    };
    let roots = (root.old, root.new);
    let mut known = Known::new(walked.graph, walked.references);
    let derivations = walked.pairs.iter().flat_map(|pair| [pair.old, pair.new]);
    let mut through: HashSet<Id> = derivations.map(|id| known.same(id)).collect();
    let (mut old, mut new) = (Side::of(known.same(roots.0)), Side::of(known.same(roots.1)));
    loop {
        old.follow(&mut known, &through);
        new.follow(&mut known, &through);
        let alone = old.met.symmetric_difference(&new.met).copied();
        let alone: Vec<Id> = alone.filter(|id| !through.contains(id)).collect();
        let unread = alone.iter().copied().filter(|&id| known.is_unread(id));
        known.read(unread.collect(), read)?;
        let mut glue = alone;
        glue.retain(|&id| known.is_glue(id));
        if glue.is_empty() {
            break;
        }
        let inputs = glue.iter().flat_map(|&id| known.inputs(id));
        let inputs = inputs.collect();
        known.read(inputs, read)?;
        through.extend(glue);
    }
    let (came, went) = (old.doubtful(&new), new.doubtful(&old));
    let came = old.unneeded(came, &mut known, read)?;
    let went = new.unneeded(went, &mut known, read)?;
    let (old, new) = (old.packages(&known, &came), new.packages(&known, &went));
    Ok(old.changes(&new))
}

/// What is read, and what goes for the same.
struct Known {
    graph: Graph,
    references: References,
    /// The first derivation that makes this path.
    by_output: HashMap<String, Id>,
    /// That which makes the same as this one.
    same: HashMap<Id, Id>,
}

impl Known {
    fn new(graph: Graph, references: References) -> Self {
        let mut known = Self {
            graph,
            references,
            by_output: HashMap::new(),
            same: HashMap::new(),
        };
        for id in 0..known.graph.len() as Id {
            known.note(id);
        }
        known
    }

    fn note(&mut self, id: Id) {
        let Some(derivation) = self.graph.derivation(id) else {
            return;
        };
        self.references.know(&self.graph, id);
        let outputs = derivation.outputs();
        for output in outputs.filter(|output| !output.path.is_empty()) {
            let first = self.by_output.entry(output.path.to_owned()).or_insert(id);
            if *first != id {
                self.same.insert(id, *first);
            }
        }
    }

    /// The one that stands for all that make the same as `id`.
    fn same(&self, id: Id) -> Id {
        self.same.get(&id).copied().unwrap_or(id)
    }

    fn is_unread(&self, id: Id) -> bool {
        self.graph.derivation(id).is_none() && self.graph.thing(id).path.ends_with(EXTENSION)
    }

    fn read<E>(&mut self, ids: Vec<Id>, read: &Read<'_, E>) -> Result<(), E> {
        let new: Vec<Id> = ids.into_iter().filter(|&id| self.is_unread(id)).collect();
        self.graph.read(new.iter().copied(), read)?;
        new.into_iter().for_each(|id| self.note(id));
        Ok(())
    }

    /// The derivations that this one needs.
    fn inputs(&mut self, id: Id) -> Vec<Id> {
        let derivation = self.graph.derivation(id).into_iter();
        let inputs = derivation.flat_map(Derivation::inputs);
        let paths: Vec<String> = inputs.map(|input| input.path.to_owned()).collect();
        paths.iter().map(|path| self.graph.id(path)).collect()
    }

    /// Those of them that it may need to run, each with whether the script of the build is all
    /// that names it.
    fn may_run(&mut self, id: Id) -> Vec<(Id, bool)> {
        let inputs = self.inputs(id);
        let uses = Uses::of(&self.graph, &self.references, id, &inputs);
        // Of what makes the same only the last read is known by its path.
        let same = |ids: &HashSet<Id>| -> HashSet<Id> {
            let ids = ids.iter().copied();
            ids.map(|id| self.same(id)).collect()
        };
        let (to_build, script) = (same(&uses.to_build), same(&uses.script));
        let inputs = inputs.into_iter().map(|id| self.same(id));
        let runs = inputs.filter(|id| !to_build.contains(id) && !self.is_left_out(*id));
        runs.map(|id| (id, script.contains(&id))).collect()
    }

    /// Whether it is fetched, or what the first compiler is built with.
    fn is_left_out(&self, id: Id) -> bool {
        let is_fetched = self.graph.derivation(id).is_some() && !is_package(&self.graph, id);
        is_fetched || self.graph.name(id).starts_with("bootstrap-")
    }

    fn is_glue(&self, id: Id) -> bool {
        is_package(&self.graph, id) && !has_version(self.graph.name(id))
    }
}

/// What one of the two may need to run, as far as is known.
struct Side {
    met: HashSet<Id>,
    /// Those of them that not only scripts of builds name.
    certain: HashSet<Id>,
    followed: HashSet<Id>,
}

impl Side {
    fn of(root: Id) -> Self {
        Self {
            met: HashSet::from([root]),
            certain: HashSet::from([root]),
            followed: HashSet::new(),
        }
    }

    /// Meets all that it needs by way of those that are in `through`.
    fn follow(&mut self, known: &mut Known, through: &HashSet<Id>) {
        let is_open = |id: &Id| through.contains(id);
        let mut open: Vec<Id> = self.met.iter().copied().filter(is_open).collect();
        open.retain(|id| !self.followed.contains(id));
        while let Some(id) = open.pop() {
            if !self.followed.insert(id) {
                continue;
            }
            for (input, script_alone) in known.may_run(id) {
                if !script_alone {
                    self.certain.insert(input);
                }
                if self.met.insert(input) && is_open(&input) {
                    open.push(input);
                }
            }
        }
    }

    /// What scripts alone name here, and more than scripts in `other`.
    fn doubtful(&self, other: &Self) -> HashSet<Id> {
        let both = other.certain.intersection(&self.met).copied();
        both.filter(|id| !self.certain.contains(id)).collect()
    }

    /// Those of the `doubtful` that no other glue needs either. It is read, level by level, until
    /// no doubt is left.
    fn unneeded<E>(
        &self,
        mut doubtful: HashSet<Id>,
        known: &mut Known,
        read: &Read<'_, E>,
    ) -> Result<HashSet<Id>, E> {
        doubtful.retain(|&id| has_version(known.graph.name(id)));
        let mut level: Vec<Id> = self.met.difference(&self.followed).copied().collect();
        let mut seen: HashSet<Id> = self.met.clone();
        while !doubtful.is_empty() && !level.is_empty() {
            level.retain(|&id| !has_version(known.graph.name(id)));
            known.read(level.clone(), read)?;
            level.retain(|&id| known.is_glue(id));
            let mut next = Vec::new();
            for id in level {
                for (input, script_alone) in known.may_run(id) {
                    if !script_alone {
                        doubtful.remove(&input);
                    }
                    if seen.insert(input) {
                        next.push(input);
                    }
                }
            }
            level = next;
        }
        Ok(doubtful)
    }

    /// The packages among them, without those `but` for which it is. What is not read is in both
    /// sides, and no archive.
    fn packages<'k>(&self, known: &'k Known, but: &HashSet<Id>) -> Packages<'k> {
        let names = self.met.difference(but).filter_map(|&id| {
            let name = known.graph.name(id);
            let is_archive = PackageName::parse(name).part.starts_with('.');
            let is_one = is_package(&known.graph, id) || known.is_unread(id) && !is_archive;
            (is_one && has_version(name)).then_some(name)
        });
        let names: Vec<&str> = names.collect();
        let plain: HashSet<(&str, &str)> =
            names.iter().map(|name| package_and_version(name)).collect();
        let mut names = names;
        // `python3.13-3.13.7-doc` is a part of `python3-3.13.7`.
        names.retain(|name| {
            let parsed = PackageName::parse(name);
            let whole = parsed
                .package
                .rsplit_once('.')
                .filter(|_| !parsed.part.is_empty());
            whole.is_none_or(|(package, _)| !plain.contains(&(package, parsed.version)))
        });
        names.into_iter().collect()
    }
}

/// Whether a package has this name. A whole system has a version, but is none.
fn has_version(name: &str) -> bool {
    !PackageName::parse(name).version.is_empty() && !nixos_name::is_system(name)
}

/// Whether it is a derivation that makes something: not a source, and nothing that is fetched.
fn is_package(graph: &Graph, id: Id) -> bool {
    let derivation = graph.derivation(id);
    derivation.is_some_and(|derivation| derivation.outputs().any(|output| output.hash.is_empty()))
}

/// What a derivation uses its inputs for, as far as it does not need them to run.
#[derive(Default)]
struct Uses {
    /// Those that it names in nothing but what is there to build it.
    to_build: HashSet<Id>,
    /// Those that it names in the script of its build, and in nothing else but that.
    script: HashSet<Id>,
}

impl Uses {
    /// Those of the derivation `id`. The `inputs` that are not read are known by their names.
    fn of(graph: &Graph, references: &References, id: Id, inputs: &[Id]) -> Self {
        let Some(derivation) = graph.derivation(id) else {
            return Self::default();
        };
        let unread = unread_by_name(graph, derivation, inputs);
        let (mut to_build, mut script, mut others) =
            (HashSet::new(), HashSet::new(), HashSet::new());
        let mut names = |name: &[u8], text: &[u8]| {
            let ids = match name {
                name if TO_BUILD.contains(&name) => &mut to_build,
                name if is_script(name) => &mut script,
                _ => &mut others,
            };
            for owner in references.named(text) {
                match owner {
                    Owner::Known(id) => ids.extend([id]),
                    Owner::Unknown(name) => ids.extend(unread.get(name).into_iter().flatten()),
                }
            }
        };
        names(b"builder", derivation.builder());
        let arguments = derivation.arguments();
        arguments.for_each(|text| names(b"buildCommand", text));
        for (name, value) in derivation.environment() {
            match attributes(name, value) {
                Some(attributes) => attributes
                    .iter()
                    .for_each(|(name, value)| names(name.as_bytes(), value.to_string().as_bytes())),
                None => names(name, value),
            }
        }
        script.retain(|id| !others.contains(id));
        to_build.retain(|id| !others.contains(id) && !script.contains(id));
        Self { to_build, script }
    }
}

/// Whether the variable `name` is a part of the script that builds: what is named in it may be
/// called there, or written to the output.
///
/// Source: the Nixpkgs manual, "Phases", and `system.systemBuilderCommands` of NixOS.
fn is_script(name: &[u8]) -> bool {
    let is_hook = |before: &[u8]| {
        let rest = name.strip_prefix(before);
        rest.and_then(<[u8]>::first)
            .is_some_and(u8::is_ascii_uppercase)
    };
    let ends: [&[u8]; 4] = [b"Phase", b"Command", b"Commands", b"Cmds"];
    ends.iter().any(|end| name.ends_with(end)) || is_hook(b"pre") || is_hook(b"post")
}

/// The inputs that are not read, by the names of the outputs that are used.
fn unread_by_name(
    graph: &Graph,
    derivation: &Derivation,
    inputs: &[Id],
) -> HashMap<Vec<u8>, Vec<Id>> {
    let mut unread: HashMap<Vec<u8>, Vec<Id>> = HashMap::new();
    for (&id, input) in inputs.iter().zip(derivation.inputs()) {
        if graph.derivation(id).is_some() {
            continue;
        }
        for output in input.outputs() {
            let name = graph.name(id);
            let name = match output {
                "out" => name.to_owned(),
                output => format!("{name}-{output}"),
            };
            unread.entry(name.into_bytes()).or_default().push(id);
        }
    }
    unread
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
        // All are read, so that none has to be known by its name.
        let to_build = Uses::of(&graph, &references, id, &[]).to_build;
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
