//! The shortest way from the root to a cause, in the words of NixOS.

use std::collections::VecDeque;

use super::walk::Walked;
use crate::nixos_name::word;

/// For each pair the one above it on the shortest way from the root; `None` for the root.
pub(super) fn above(walked: &Walked) -> Vec<Option<usize>> {
    let mut above = vec![None; walked.pairs.len()];
    let mut seen = vec![false; walked.pairs.len()];
    let mut queue = VecDeque::new();
    if !walked.pairs.is_empty() {
        seen[0] = true;
        queue.push_back(0);
    }
    while let Some(number) = queue.pop_front() {
        for &input in &walked.pairs[number].inputs {
            if !seen[input] {
                seen[input] = true;
                above[input] = Some(number);
                queue.push_back(input);
            }
        }
    }
    above
}

/// The names on the way from below the root to the pair, itself the last. Empty for the
/// root.
pub(super) fn way(walked: &Walked, above: &[Option<usize>], number: usize) -> Vec<String> {
    let mut way = Vec::new();
    let mut here = number;
    while let Some(next) = above[here] {
        way.push(word(walked.graph.name(walked.pairs[here].new)));
        here = next;
    }
    way.reverse();
    way
}
