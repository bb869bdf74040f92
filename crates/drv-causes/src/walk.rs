//! The two graphs, paired from their roots down, and which pairs differ of their own.

use std::collections::{HashMap, HashSet};

use super::{
    ExplainError, Read,
    difference::Fields,
    graph::{Graph, Id, name},
    pairing::{Pairing, pair},
    references::References,
};
use nix_formats::derivation::{Derivation, Input};

/// Two derivations or sources, one of which stands for the other.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) old: Id,
    pub(super) new: Id,
    /// The pairs of its inputs and sources that are others than before.
    pub(super) inputs: Vec<usize>,
    /// How its inputs go together.
    pub(super) pairing: Pairing,
    /// Whether something of its own differs.
    pub(super) differs: bool,
}

/// What the walk found.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) graph: Graph,
    pub(super) references: References,
    /// All pairs that differ in any way, the roots first. None if the roots are equal.
    pub(super) pairs: Vec<Pair>,
    /// The numbers of the pairs, each behind the pairs of its inputs.
    pub(super) inputs_first: Vec<usize>,
    /// Whether the roots build the same output.
    pub(super) same_output: bool,
}

/// Pairs the graphs below `old` and `new`.
pub(super) fn walk<E>(old: &str, new: &str, read: &Read<'_, E>) -> Result<Walked, ExplainError<E>> {
    let mut graph = Graph::default();
    let roots = (graph.id(old), graph.id(new));
    let mut pairs = Pairs::default();
    let mut same_output = true;
    if roots.0 != roots.1 {
        graph
            .read([roots.0, roots.1], read)
            .map_err(ExplainError::Read)?;
        same_output = graph.same_outputs(roots.0, roots.1);
        pairs.number(roots);
        pairs
            .enter_all(&mut graph, same_output, read)
            .map_err(ExplainError::Read)?;
    }
    let mut pairs = pairs.all;
    let inputs_first = inputs_first(&pairs)
        .map_err(|number| ExplainError::Cycle(graph.thing(pairs[number].new).path.clone()))?;
    let mut references = References::default();
    for pair in &pairs {
        references.pair(&graph, pair.old, pair.new);
        for &id in pair.pairing.removed.iter().chain(&pair.pairing.added) {
            references.know(&graph, id);
        }
    }
    let fields = Fields {
        graph: &graph,
        references: &references,
    };
    for pair in &mut pairs {
        pair.differs = fields.differ((pair.old, pair.new), &pair.pairing);
    }
    Ok(Walked {
        graph,
        references,
        pairs,
        inputs_first,
        same_output,
    })
}

/// The pairs met so far.
#[derive(Debug, Default)]
struct Pairs {
    all: Vec<Pair>,
    numbers: HashMap<(Id, Id), usize>,
}

impl Pairs {
    /// The number of a pair, which is noted if it is new.
    fn number(&mut self, (old, new): (Id, Id)) -> usize {
        *self.numbers.entry((old, new)).or_insert_with(|| {
            self.all.push(Pair {
                old,
                new,
                inputs: vec![],
                pairing: Pairing::default(),
                differs: false,
            });
            self.all.len() - 1
        })
    }

    /// Pairs the inputs of all pairs, level by level, so that each level's derivations are
    /// read in one go. Inputs with the same output are entered only with `same_output`:
    /// then it is they that differ.
    fn enter_all<E>(
        &mut self,
        graph: &mut Graph,
        same_output: bool,
        read: &Read<'_, E>,
    ) -> Result<(), E> {
        let mut level = 0..self.all.len();
        while !level.is_empty() {
            let candidates: Vec<(Vec<Id>, Vec<Id>)> = level
                .clone()
                .map(|number| {
                    let pair = &self.all[number];
                    inputs_of_one_alone(graph, pair.old, pair.new)
                })
                .collect();
            let all = candidates
                .iter()
                .flat_map(|(left, right)| left.iter().chain(right));
            graph.read(all.copied(), read)?;
            for (number, (left, right)) in level.clone().zip(candidates) {
                let (old, new) = (self.all[number].old, self.all[number].new);
                let (Some(one), Some(other)) = (graph.derivation(old), graph.derivation(new))
                else {
                    continue;
                };
                let (left, right) = if same_output {
                    (left, right)
                } else {
                    without_same_outputs(graph, left, right)
                };
                let mut pairing = pair(graph, (one, other), left, right);
                pairing.used_otherwise = used_otherwise(graph, one, other, &pairing);
                let mut inputs: Vec<usize> = pairing
                    .pairs
                    .iter()
                    .map(|&pair| self.number(pair))
                    .collect();
                inputs.sort_unstable();
                self.all[number].inputs = inputs;
                self.all[number].pairing = pairing;
            }
            level = level.end..self.all.len();
        }
        Ok(())
    }
}

/// The inputs and sources that only the one of two derivations has.
fn inputs_of_one_alone(graph: &mut Graph, old: Id, new: Id) -> (Vec<Id>, Vec<Id>) {
    let paths = |id: Id| -> Vec<String> {
        let derivation = graph.derivation(id);
        derivation
            .iter()
            .flat_map(|derivation| {
                let inputs = derivation.inputs().map(|input| input.path);
                inputs.chain(derivation.sources())
            })
            .map(str::to_owned)
            .collect()
    };
    let (old, new) = (paths(old), paths(new));
    let alone = |these: &[String], those: &[String]| -> Vec<String> {
        let those: HashSet<&String> = those.iter().collect();
        these
            .iter()
            .filter(|path| !those.contains(path))
            .cloned()
            .collect()
    };
    let (left, right) = (alone(&old, &new), alone(&new, &old));
    let mut ids = |paths: Vec<String>| paths.iter().map(|path| graph.id(path)).collect();
    (ids(left), ids(right))
}

/// Leaves out what builds the same output as one on the other side: another way to the
/// same thing rebuilds nothing.
fn without_same_outputs(graph: &Graph, left: Vec<Id>, right: Vec<Id>) -> (Vec<Id>, Vec<Id>) {
    let first_output = |id: Id| -> Option<&str> {
        let output = graph.derivation(id)?.outputs().next()?;
        (!output.path.is_empty()).then_some(output.path)
    };
    let by_output: HashMap<&str, Id> = right
        .iter()
        .filter_map(|&id| Some((first_output(id)?, id)))
        .collect();
    let same: Vec<(Id, Id)> = left
        .iter()
        .filter_map(|&old| Some((old, *by_output.get(first_output(old)?)?)))
        .filter(|&(old, new)| graph.same_outputs(old, new))
        .collect();
    let keep = |ids: Vec<Id>, gone: &dyn Fn(&(Id, Id)) -> Id| {
        let gone: HashSet<Id> = same.iter().map(gone).collect();
        ids.into_iter().filter(|id| !gone.contains(id)).collect()
    };
    (keep(left, &|pair| pair.0), keep(right, &|pair| pair.1))
}

/// The inputs of both derivations of which other outputs are used.
fn used_otherwise(
    graph: &Graph,
    old: &Derivation,
    new: &Derivation,
    pairing: &Pairing,
) -> Vec<(String, String, String)> {
    let before: HashMap<&str, Input<'_>> = old.inputs().map(|input| (input.path, input)).collect();
    let path = |id: Id| graph.thing(id).path.as_str();
    let stands_for: HashMap<&str, &str> = pairing
        .pairs
        .iter()
        .map(|&(old, new)| (path(new), path(old)))
        .collect();
    let list = |input: &Input<'_>| input.outputs().collect::<Vec<_>>().join(" ");
    new.inputs()
        .filter_map(|input| {
            let path = stands_for.get(input.path).copied().unwrap_or(input.path);
            let known = before.get(path)?;
            let same = known.outputs().eq(input.outputs());
            (!same).then(|| (name(input.path).to_owned(), list(known), list(&input)))
        })
        .collect()
}

/// The numbers of all pairs, each behind its inputs; or the number of one that needs
/// itself.
fn inputs_first(pairs: &[Pair]) -> Result<Vec<usize>, usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; pairs.len()];
    let mut order = Vec::with_capacity(pairs.len());
    // Without recursion: a graph can be deeper than a stack.
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for start in 0..pairs.len() {
        if states[start] == State::New {
            states[start] = State::Open;
            stack.push((start, 0));
        }
        while let Some((number, next)) = stack.pop() {
            let Some(&input) = pairs[number].inputs.get(next) else {
                states[number] = State::Done;
                order.push(number);
                continue;
            };
            stack.push((number, next + 1));
            match states[input] {
                State::New => {
                    states[input] = State::Open;
                    stack.push((input, 0));
                }
                State::Open => return Err(input),
                State::Done => {}
            }
        }
    }
    Ok(order)
}
