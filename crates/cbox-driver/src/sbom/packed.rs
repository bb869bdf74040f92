//! What is packed into an image beside its system. An image refers to nothing, but what makes it
//! has to know what to pack: nixpkgs' `closureInfo` exports the references of what goes into a
//! store in the image, for each of its formats and for disko's; and what is copied outside of a
//! store, such as a boot loader on an ISO, stands in `sources`, beside `targets`.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use super::parts::{Attributes, Derivations, name_of};

/// The variable of Nix with what a derivation wants to know the references of.
const GRAPH: &str = "exportReferencesGraph";

impl Derivations {
    /// The store paths, in the store below `store_dir`, that the derivation `image` packs. What
    /// `toplevel` is made with is its own affair: of what that packs the system itself knows.
    pub(super) fn packed_into(
        &self,
        image: &str,
        toplevel: Option<&str>,
        store_dir: &str,
    ) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        let mut seen: BTreeSet<&str> = toplevel.into_iter().chain([image]).collect();
        let mut queue = VecDeque::from([image]);
        while let Some(drv) = queue.pop_front() {
            let Some(derivation) = self.get(drv) else {
                continue;
            };
            let attributes = Attributes::of(derivation);
            let is_list = name_of(drv) == "closure-info.drv";
            let is_maker = || attributes.has("sources") && attributes.has("targets");
            let variable = match is_list {
                true => Some(GRAPH),
                false => is_maker().then_some("sources"),
            };
            for text in variable
                .map(|name| attributes.texts(name))
                .unwrap_or_default()
            {
                paths.extend(store_path(&text, store_dir));
            }
            for input in derivation.inputs() {
                if seen.insert(input.path) {
                    queue.push_back(input.path);
                }
            }
        }
        paths
    }
}

/// The store path that `text` is, or is below.
fn store_path(text: &str, store_dir: &str) -> Option<String> {
    let below = text.strip_prefix(store_dir)?.strip_prefix('/')?;
    let base = below.split('/').next().filter(|base| !base.is_empty())?;
    Some(format!("{store_dir}/{base}"))
}

impl Attributes<'_> {
    /// Whether `name` is there.
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Plain(derivation) => derivation.variable(name.as_bytes()).is_some(),
            Self::Structured(attributes) => attributes.get(name).is_some(),
        }
    }

    /// All texts in `name`, however deep, or the words of the one that it is.
    fn texts(&self, name: &str) -> Vec<String> {
        fn collect(value: &Value, all: &mut Vec<String>) {
            match value {
                Value::String(text) => all.push(text.clone()),
                Value::Array(list) => list.iter().for_each(|one| collect(one, all)),
                Value::Object(set) => set.values().for_each(|one| collect(one, all)),
                _ => {}
            }
        }
        match self {
            Self::Plain(_) => self.words(name),
            Self::Structured(attributes) => {
                let mut all = Vec::new();
                collect(attributes.get(name).unwrap_or(&Value::Null), &mut all);
                all
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_store_path_is_that_path() {
        let path = |text| store_path(text, "/nix/store");
        for text in ["/nix/store/a-x", "/nix/store/a-x/share/isolinux.bin"] {
            assert_eq!(path(text).as_deref(), Some("/nix/store/a-x"));
        }
        for text in [
            "closure",
            "/nix/store",
            "/nix/store/",
            "/nix/storeroom/a-x",
            "/1abc",
        ] {
            assert_eq!(path(text), None, "{text}");
        }
    }
}
