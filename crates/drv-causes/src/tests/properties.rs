//! What holds for graphs of any shape.

use proptest::prelude::*;

use super::{
    readable,
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

proptest! {
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
