//! What holds for graphs of any shape.

use proptest::prelude::*;

use nix_formats::packages::{OnePackage, Packages, package_and_version};

use super::{
    needed, readable,
    store::{Path, Store, made},
};

/// A graph in layers: each node uses some of the layer below, given as bits.
#[derive(Debug, Clone)]
struct Layers(Vec<Vec<u8>>);

impl Layers {
    /// Builds it; `changed` (layer, position) has another value of its own, and `backwards`
    /// turns the order in which inputs are given.
    fn build(&self, store: &Store, changed: Option<(usize, usize)>, backwards: bool) -> Path {
        let mut below: Vec<Path> = vec![];
        for (layer, nodes) in self.0.iter().enumerate() {
            let mut here = Vec::new();
            for (position, bits) in nodes.iter().enumerate() {
                let value = if changed == Some((layer, position)) {
                    "changed"
                } else {
                    "value"
                };
                let mut node = made(&format!("n{layer}-{position}x")).with("own", value);
                let mut inputs: Vec<(usize, &Path)> = below
                    .iter()
                    .enumerate()
                    .filter(|(input, _)| bits & (1 << (input % 8)) != 0)
                    .collect();
                if backwards {
                    inputs.reverse();
                }
                for (input, path) in inputs {
                    node = node.using(&format!("in{input}"), path);
                }
                here.push(store.put(&node));
            }
            below = here;
        }
        let mut root = made("root");
        for (input, path) in below.iter().enumerate() {
            root = root.using(&format!("in{input}"), path);
        }
        store.put(&root)
    }
}

fn layers() -> impl Strategy<Value = Layers> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..5), 1..6).prop_map(Layers)
}

/// A graph in layers as before, each node a package at the version that is given for it.
fn packages(layers: &Layers, store: &Store, version: impl Fn(usize, usize) -> u8) -> Path {
    let mut below: Vec<Path> = vec![];
    for (layer, nodes) in layers.0.iter().enumerate() {
        let node = |(position, bits): (usize, &u8)| {
            let name = name_of(layer, position);
            let node = made(&format!("{name}-{}", version(layer, position)));
            let used = |(input, _): &(usize, &Path)| bits & (1 << (input % 8)) != 0;
            let inputs = below.iter().enumerate().filter(used);
            store.put(&inputs.fold(node, |node, (input, path)| {
                // What is used in an odd place is there to build.
                let variable = ["runs", "nativeBuildInputs"][input % 2];
                let variable = match input {
                    0 | 1 => variable.to_owned(),
                    input => format!("in{input}"),
                };
                node.using(&variable, path)
            }))
        };
        below = nodes.iter().enumerate().map(node).collect();
    }
    let inputs = below.iter().enumerate();
    store.put(&inputs.fold(made("root"), |root, (input, path)| {
        root.using(&format!("in{input}"), path)
    }))
}

fn name_of(layer: usize, position: usize) -> String {
    let letter = |number: usize| char::from(b'a' + u8::try_from(number).unwrap());
    format!("p{}{}", letter(layer), letter(position))
}

/// What stands in a variable that is there to build.
const TO_BUILD: [&str; 4] = ["stdenv", "nativeBuildInputs", "srcs", "depsBuildBuild"];

/// Four packages and, in layers, what has no version: each node needs some of the layer below
/// (the low bits), some packages to run and some to be built. `own` is in all of them.
fn glue(layers: &[Vec<u32>], store: &Store, own: &str, versions: u8) -> Path {
    let packages: Vec<Path> = (0..4)
        .map(|number| {
            let version = 1 + (versions >> number & 1);
            store.put(&made(&format!("{}-{version}", name_of(25, number))))
        })
        .collect();
    let mut below: Vec<Path> = vec![];
    for (layer, nodes) in layers.iter().enumerate() {
        let node = |(position, bits): (usize, &u32)| {
            let mut node = made(&name_of(layer, position)).with("own", own);
            let has = |bit: usize| bits >> bit & 1 == 1;
            for (number, path) in below.iter().enumerate().filter(|(number, _)| has(*number)) {
                node = node.using(&format!("below{number}"), path);
            }
            for (number, path) in packages.iter().enumerate() {
                if has(8 + number) {
                    node = node.using(&format!("runs{number}"), path);
                }
                if has(12 + number) {
                    node = node.using(TO_BUILD[number], path);
                }
            }
            store.put(&node)
        };
        below = nodes.iter().enumerate().map(node).collect();
    }
    let inputs = below.iter().enumerate();
    store.put(&inputs.fold(made("root"), |root, (input, path)| {
        root.using(&format!("in{input}"), path)
    }))
}

/// The packages that `root` may need to run, by all that it needs.
fn run_of(store: &Store, root: &Path) -> Vec<String> {
    let needed = needed(&root.drv, &|paths: &[&str]| store.read(paths)).unwrap();
    let runs = needed.into_iter().filter(|one| one.may_run);
    let names = runs.map(|one| one.name);
    names
        .filter(|name| !package_and_version(name).1.is_empty())
        .collect()
}

fn nodes() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(any::<u32>(), 0..4), 1..5)
}

proptest! {
    /// What shows in the pairs that differ is what shows in all that both need.
    #[test]
    fn packages_of_what_differs_are_those_of_all(
        layers in layers(),
        changed in any::<u64>(),
    ) {
        let store = Store::default();
        let old = packages(&layers, &store, |_, _| 1);
        let new = packages(&layers, &store, |layer, position| {
            1 + u8::from(changed >> ((layer * 8 + position) % 64) & 1 == 1)
        });
        let (before, now) = (run_of(&store, &old), run_of(&store, &new));
        let before: Packages<'_> = before.iter().map(String::as_str).collect();
        let now: Packages<'_> = now.iter().map(String::as_str).collect();
        let expected = before.changes(&now);
        prop_assert_eq!(store.explain(&old, &new).packages, expected);
    }

    /// What has no version leads to what has one, whether it came, went or is another one. Where
    /// it is the same on both sides it is not read, so that what it needs already can be news.
    #[test]
    fn packages_are_found_behind_what_has_no_version(
        (old, new) in (nodes(), nodes()),
        versions in any::<(u8, u8)>(),
        all_differ in any::<bool>(),
    ) {
        let store = Store::default();
        let old = glue(&old, &store, "old", versions.0);
        let own = if all_differ { "new" } else { "old" };
        let new = glue(&new, &store, own, versions.1);
        let (before, now) = (run_of(&store, &old), run_of(&store, &new));
        let before: Packages<'_> = before.iter().map(String::as_str).collect();
        let now: Packages<'_> = now.iter().map(String::as_str).collect();
        let (found, expected) = (store.explain(&old, &new).packages, before.changes(&now));
        if all_differ {
            prop_assert_eq!(found, expected);
        } else {
            let names = |list: &[OnePackage]| -> Vec<String> {
                list.iter().map(|one| one.name.clone()).collect()
            };
            let (added, removed) = (names(&found.added), names(&found.removed));
            prop_assert!(names(&expected.added).iter().all(|name| added.contains(name)));
            prop_assert!(names(&expected.removed).iter().all(|name| removed.contains(name)));
            prop_assert!(added.iter().all(|name| now.have(name)));
            prop_assert!(removed.iter().all(|name| before.have(name)));
        }
    }

    #[test]
    fn an_unchanged_graph_has_no_causes(layers in layers()) {
        let store = Store::default();
        let (one, other) = (layers.build(&store, None, false), layers.build(&store, None, true));
        prop_assert_eq!(store.explain(&one, &other).causes, vec![]);
    }

    #[test]
    fn the_node_whose_own_field_changed_is_the_one_cause(
        layers in layers(),
        at in any::<(prop::sample::Index, prop::sample::Index)>(),
        backwards in any::<bool>(),
    ) {
        let store = Store::default();
        let layer = at.0.index(layers.0.len());
        let position = at.1.index(layers.0[layer].len());
        let old = layers.build(&store, None, false);
        let new = layers.build(&store, Some((layer, position)), backwards);
        let explanation = store.explain(&old, &new);
        if old.drv == new.drv {
            prop_assert!(explanation.causes.is_empty(), "nothing uses it");
        } else {
            prop_assert_eq!(explanation.causes.len(), 1, "{:?}", readable(&explanation));
            let cause = &explanation.causes[0];
            prop_assert_eq!(&cause.name, &format!("n{layer}-{position}x"));
            prop_assert_eq!(cause.differences.len(), 1);
            prop_assert_eq!(explanation.cascade + 1, explanation.rebuilt);
            prop_assert_eq!(cause.rebuilds, explanation.rebuilt);
        }
    }
}
