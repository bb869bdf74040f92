//! Which members of a graph are on every way to another.
//!
//! A node *dominates* another if every way from the root to that one leads through it; the
//! nearest one that does is its *immediate dominator*. What a node dominates is what nothing
//! else would keep. The algorithm is the iterative one of Cooper, Harvey and Kennedy ("A
//! Simple, Fast Dominance Algorithm", 2001).

/// What is no number of a node.
const NONE: usize = usize::MAX;

/// The immediate dominator of each node, that of the root being itself.
///
/// `successors` lists for each node those that it leads to. The root is node 0, and every
/// node can be reached from it.
pub(super) fn immediate_dominators(successors: &[Vec<usize>]) -> Vec<usize> {
    let postorder = postorder(successors);
    let mut rank = vec![NONE; successors.len()];
    for (place, &node) in postorder.iter().enumerate() {
        rank[node] = place;
    }
    let predecessors = predecessors(successors);
    let mut dominators = vec![NONE; successors.len()];
    if let Some(root) = dominators.first_mut() {
        *root = 0;
    }
    let mut settled = false;
    while !settled {
        settled = true;
        for &node in postorder.iter().rev().filter(|node| **node != 0) {
            let known = predecessors[node]
                .iter()
                .copied()
                .filter(|above| dominators[*above] != NONE);
            let nearest = known.reduce(|one, other| common(&dominators, &rank, one, other));
            if let Some(nearest) = nearest
                && dominators[node] != nearest
            {
                dominators[node] = nearest;
                settled = false;
            }
        }
    }
    dominators
}

/// The nearest node that dominates both, of those found so far.
fn common(dominators: &[usize], rank: &[usize], mut one: usize, mut other: usize) -> usize {
    while one != other {
        while rank[one] < rank[other] {
            one = dominators[one];
        }
        while rank[other] < rank[one] {
            other = dominators[other];
        }
    }
    one
}

/// The nodes that lead to each.
pub(super) fn predecessors(successors: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut predecessors = vec![Vec::new(); successors.len()];
    for (node, below) in successors.iter().enumerate() {
        for &next in below {
            predecessors[next].push(node);
        }
    }
    predecessors
}

/// The nodes in the order in which a search from the root is done with them.
fn postorder(successors: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(successors.len());
    let mut seen = vec![false; successors.len()];
    // Nodes that are entered, each with the successors that are left: a closure can be
    // deeper than a stack of calls.
    let mut entered = Vec::new();
    if let Some(root) = seen.first_mut() {
        *root = true;
        entered.push((0, successors[0].iter()));
    }
    while let Some((node, rest)) = entered.last_mut() {
        match rest.next() {
            Some(&next) if seen[next] => {}
            Some(&next) => {
                seen[next] = true;
                entered.push((next, successors[next].iter()));
            }
            None => {
                order.push(*node);
                entered.pop();
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_graphs() {
        // 0 → 1 → {2, 3} → 4, 0 → 5 → 4.
        let diamond = [vec![1, 5], vec![2, 3], vec![4], vec![4], vec![], vec![4]];
        assert_eq!(immediate_dominators(&diamond), [0, 0, 1, 1, 0, 0]);
        // The irreducible graph of the paper's figure 4.
        let paper = [
            vec![1, 2],
            vec![3],
            vec![4, 5],
            vec![4],
            vec![3, 5],
            vec![4],
        ];
        assert_eq!(immediate_dominators(&paper), [0, 0, 0, 0, 0, 0]);
        let chain_with_itself = [vec![0, 1], vec![1, 2], vec![1]];
        assert_eq!(immediate_dominators(&chain_with_itself), [0, 0, 1]);
        assert_eq!(immediate_dominators(&[vec![]]), [0]);
        assert_eq!(immediate_dominators(&[]), [0; 0]);
    }

    #[test]
    fn depth_is_no_matter() {
        let last = 100_000;
        let chain: Vec<Vec<usize>> = (0..=last)
            .map(|node| if node < last { vec![node + 1] } else { vec![] })
            .collect();
        let dominators = immediate_dominators(&chain);
        assert!((1..=last).all(|node| dominators[node] == node - 1));
    }

    /// Which nodes can be reached when `without` is taken away.
    fn reached(successors: &[Vec<usize>], without: usize) -> Vec<bool> {
        let mut seen = vec![false; successors.len()];
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            if node != without && !std::mem::replace(&mut seen[node], true) {
                open.extend(&successors[node]);
            }
        }
        seen
    }

    proptest! {
        /// A node dominates exactly what cannot be reached without it.
        #[test]
        fn dominators_are_what_the_definition_says(
            edges in prop::collection::vec((0_usize..12, 0_usize..12), 0..30)
        ) {
            let mut successors = vec![Vec::new(); 12];
            for node in 1..12 {
                // Every node is reached, and no way is forced by a long chain.
                successors[node / 3].push(node);
            }
            for (from, to) in edges {
                successors[from].push(to);
            }
            let dominators = immediate_dominators(&successors);
            for cut in 1..12 {
                let reached = reached(&successors, cut);
                for (node, reached) in reached.iter().enumerate().skip(1) {
                    let mut above = node;
                    while above != 0 && above != cut {
                        above = dominators[above];
                    }
                    prop_assert_eq!(above == cut, !reached, "{} {}", cut, node);
                }
            }
        }
    }
}
