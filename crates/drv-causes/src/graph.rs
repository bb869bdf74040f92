//! What is compared: derivations and sources, each known by a number and read once.

use std::collections::HashMap;

use nix_formats::derivation::{DIGEST_LENGTH, Derivation, EXTENSION};

/// The number of a [`Thing`] in its [`Graph`].
pub(super) type Id = u32;

/// A derivation, or a source: a store path that no derivation makes.
#[derive(Debug)]
pub(super) struct Thing {
    pub(super) path: String,
    /// `None` for a source, and for a derivation that is not read yet.
    pub(super) derivation: Option<Derivation>,
}

/// The name behind the hash of a path, without `.drv`.
pub(super) fn name(path: &str) -> &str {
    let base = base(path);
    let name = base.get(DIGEST_LENGTH + 1..).unwrap_or(base);
    name.strip_suffix(EXTENSION).unwrap_or(name)
}

/// What stands behind the store directory: `<hash>-<name>`.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// All that was met.
#[derive(Debug, Default)]
pub(super) struct Graph {
    things: Vec<Thing>,
    ids: HashMap<String, Id>,
}

impl Graph {
    /// The number of `path`, which is noted if it is new.
    pub(super) fn id(&mut self, path: &str) -> Id {
        if let Some(&id) = self.ids.get(path) {
            return id;
        }
        let id = self.things.len() as Id;
        self.ids.insert(path.to_owned(), id);
        self.things.push(Thing {
            path: path.to_owned(),
            derivation: None,
        });
        id
    }

    /// How many there are: their numbers are those below.
    pub(super) fn len(&self) -> usize {
        self.things.len()
    }

    pub(super) fn thing(&self, id: Id) -> &Thing {
        &self.things[id as usize]
    }

    pub(super) fn name(&self, id: Id) -> &str {
        name(&self.thing(id).path)
    }

    pub(super) fn derivation(&self, id: Id) -> Option<&Derivation> {
        self.thing(id).derivation.as_ref()
    }

    /// Reads those of `ids` that are derivations and not read yet, in one go.
    pub(super) fn read<E>(
        &mut self,
        ids: impl IntoIterator<Item = Id>,
        read: &super::Read<'_, E>,
    ) -> Result<(), E> {
        let mut missing: Vec<Id> = ids
            .into_iter()
            .filter(|&id| {
                let thing = self.thing(id);
                thing.derivation.is_none() && thing.path.ends_with(EXTENSION)
            })
            .collect();
        missing.sort_unstable();
        missing.dedup();
        let paths: Vec<&str> = missing
            .iter()
            .map(|&id| self.thing(id).path.as_str())
            .collect();
        if paths.is_empty() {
            return Ok(());
        }
        for (id, derivation) in missing.iter().zip(read(&paths)?) {
            self.things[*id as usize].derivation = Some(derivation);
        }
        Ok(())
    }

    /// Whether both build the very same paths, so that nothing has to be built anew.
    pub(super) fn same_outputs(&self, old: Id, new: Id) -> bool {
        let (Some(old), Some(new)) = (self.derivation(old), self.derivation(new)) else {
            return false;
        };
        old.outputs().len() == new.outputs().len()
            && old.outputs().zip(new.outputs()).all(|(old, new)| {
                !old.path.is_empty() && (old.name, old.path) == (new.name, new.path)
            })
    }
}
