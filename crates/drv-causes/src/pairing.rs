//! Which input of the new derivation stands for which of the old.
//!
//! Same name first, then the same package at another version. Where several have one
//! name, it counts where they are used (the same place of the same variable), and then
//! how much they are alike. What is left over pairs only if it is used in the same place
//! and alike for the most part: it was renamed. The rest came or went.

use std::collections::{BTreeMap, HashMap};

use super::{
    graph::{Graph, Id},
    references::References,
};
use nix_formats::{derivation::Derivation, package_name::PackageName};

/// What one place in common counts against being alike, which is at most this.
const ALIKE: u64 = 1000;

/// From where on two things of different names are one that was renamed.
const RENAMED: u64 = ALIKE / 2;

/// Groups with more candidates are paired in their order: comparing all with all would
/// take longer than anybody learns from it.
const MOST_CANDIDATES: usize = 4096;

/// The inputs of two derivations, set against each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairing {
    pub(super) pairs: Vec<(Id, Id)>,
    pub(super) removed: Vec<Id>,
    pub(super) added: Vec<Id>,
    /// Inputs of both of which other outputs are used: the name, the outputs before and
    /// after.
    pub(super) used_otherwise: Vec<(String, String, String)>,
}

/// Pairs `left`, inputs of `old` alone, with `right`, inputs of `new` alone.
pub(super) fn pair(
    graph: &Graph,
    (old, new): (&Derivation, &Derivation),
    left: Vec<Id>,
    right: Vec<Id>,
) -> Pairing {
    let mut work = Work {
        graph,
        derivations: (old, new),
        all: (left.clone(), right.clone()),
        votes: None,
        result: Pairing {
            pairs: vec![],
            removed: left,
            added: right,
            used_otherwise: vec![],
        },
    };
    work.by_key(|name| name.to_owned());
    work.by_key(|name| {
        let name = PackageName::parse(name);
        format!("{}\n{}", name.package, name.part)
    });
    work.renamed();
    work.result
}

struct Work<'a> {
    graph: &'a Graph,
    derivations: (&'a Derivation, &'a Derivation),
    all: (Vec<Id>, Vec<Id>),
    /// How many places in common two inputs have; found out when it is first asked.
    votes: Option<HashMap<(Id, Id), u64>>,
    /// What is not paired yet stands as removed and added.
    result: Pairing,
}

impl Work<'_> {
    /// Pairs those whose names have the same key.
    fn by_key(&mut self, key: impl Fn(&str) -> String) {
        if self.result.removed.is_empty() || self.result.added.is_empty() {
            return;
        }
        let mut groups: BTreeMap<String, (Vec<Id>, Vec<Id>)> = BTreeMap::new();
        for &id in &self.result.removed {
            groups
                .entry(key(self.graph.name(id)))
                .or_default()
                .0
                .push(id);
        }
        for &id in &self.result.added {
            if let Some(group) = groups.get_mut(&key(self.graph.name(id))) {
                group.1.push(id);
            }
        }
        for (left, right) in groups.into_values() {
            match (left.as_slice(), right.as_slice()) {
                (_, []) => {}
                ([left], [right]) => self.result.pairs.push((*left, *right)),
                _ => {
                    let best = self.best(&left, &right, |_| true);
                    self.result.pairs.extend(best);
                }
            }
        }
        self.strike_paired();
    }

    /// Pairs what is left over where it is the same under another name.
    fn renamed(&mut self) {
        let (left, right) = (self.result.removed.clone(), self.result.added.clone());
        if left.is_empty() || right.is_empty() {
            return;
        }
        let best = self.best(&left, &right, |score| {
            score / ALIKE > 0 && score % ALIKE >= RENAMED
        });
        self.result.pairs.extend(best);
        self.strike_paired();
    }

    fn strike_paired(&mut self) {
        let Pairing {
            pairs,
            removed,
            added,
            ..
        } = &mut self.result;
        removed.retain(|id| pairs.iter().all(|(left, _)| left != id));
        added.retain(|id| pairs.iter().all(|(_, right)| right != id));
    }

    /// The pairs of highest score among those that will do, each thing in one at most.
    fn best(&mut self, left: &[Id], right: &[Id], will_do: impl Fn(u64) -> bool) -> Vec<(Id, Id)> {
        if left.len() * right.len() > MOST_CANDIDATES {
            let pairs = left.iter().copied().zip(right.iter().copied());
            return pairs.filter(|_| will_do(ALIKE - 1)).collect();
        }
        let votes = self.votes.take().unwrap_or_else(|| self.count_votes());
        let mut scored: Vec<(u64, Id, Id)> = Vec::new();
        for &old in left {
            for &new in right {
                let places = votes.get(&(old, new)).copied().unwrap_or(0);
                let score = places * ALIKE + self.alike(old, new);
                if will_do(score) {
                    scored.push((score, old, new));
                }
            }
        }
        self.votes = Some(votes);
        // Paths decide where nothing else does, so that the order of inputs never does.
        scored.sort_by(|one, other| {
            let paths = |&(_, old, new): &(u64, Id, Id)| {
                (&self.graph.thing(old).path, &self.graph.thing(new).path)
            };
            other
                .0
                .cmp(&one.0)
                .then_with(|| paths(one).cmp(&paths(other)))
        });
        let mut pairs: Vec<(Id, Id)> = Vec::new();
        for (_, old, new) in scored {
            if pairs
                .iter()
                .all(|(left, right)| *left != old && *right != new)
            {
                pairs.push((old, new));
            }
        }
        pairs
    }

    /// Counts for each two inputs the places that they have in common.
    fn count_votes(&self) -> HashMap<(Id, Id), u64> {
        let mut references = References::default();
        for &id in self.all.0.iter().chain(&self.all.1) {
            references.know(self.graph, id);
        }
        let mut votes = HashMap::new();
        let mut count = |old: &[u8], new: &[u8]| {
            let owners = |text: &[u8], of: &[Id]| -> Vec<Id> {
                let owners = references.owners(text).into_iter();
                owners.filter(|owner| of.contains(owner)).collect()
            };
            let (old, new) = (owners(old, &self.all.0), owners(new, &self.all.1));
            // Where something came or went, places have moved and say nothing.
            if old.len() == new.len() {
                for pair in old.into_iter().zip(new) {
                    *votes.entry(pair).or_default() += 1;
                }
            }
        };
        let (old, new) = self.derivations;
        count(old.builder(), new.builder());
        for (old, new) in old.arguments().zip(new.arguments()) {
            count(old, new);
        }
        for (name, value) in old.environment() {
            if let Some(other) = new.variable(name)
                && value != other
            {
                count(value, other);
            }
        }
        votes
    }

    /// How much of the one is in the other: from 0 to [`ALIKE`] - 1, by the bytes of
    /// variables that are equal. What carries the name counts for nothing.
    fn alike(&self, old: Id, new: Id) -> u64 {
        let (Some(old), Some(new)) = (self.graph.derivation(old), self.graph.derivation(new))
        else {
            return 0;
        };
        let carries_name = |name: &[u8]| matches!(name, b"name" | b"pname" | b"version" | b"out");
        let size = |derivation: &Derivation| -> u64 {
            derivation
                .environment()
                .filter(|(name, _)| !carries_name(name))
                .map(|(name, value)| (name.len() + value.len()) as u64)
                .sum()
        };
        let equal: u64 = old
            .environment()
            .filter(|(name, value)| !carries_name(name) && new.variable(name) == Some(value))
            .map(|(name, value)| (name.len() + value.len()) as u64)
            .sum();
        let most = size(old).max(size(new)).max(1);
        (equal * (ALIKE - 1)) / most
    }
}
