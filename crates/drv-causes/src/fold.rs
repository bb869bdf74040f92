//! From pairs that differ to causes that a reader can take in: what belongs together is
//! one cause, and what makes most rebuild comes first.

use std::collections::HashMap;

use super::{
    Bump, Cause, Change, Difference, Explanation, Sign,
    difference::Fields,
    walk::{Pair, Walked},
    way,
};
use crate::nixos_name::word;
use nix_formats::package_name::PackageName;

/// How many groups are followed through the graph at once: a bit each.
const BITS: usize = u64::BITS as usize;

/// A pair that differs of its own.
struct Member {
    /// The number of the pair.
    number: usize,
    /// How many steps it is from the root.
    depth: usize,
    bump: Option<Bump>,
    differences: Vec<Difference>,
}

/// The explanation of what was found.
pub(super) fn fold(walked: &Walked) -> Explanation {
    let above = way::above(walked);
    let members: Vec<Member> = walked
        .pairs
        .iter()
        .enumerate()
        .filter(|(_, pair)| pair.differs)
        .map(|(number, pair)| describe(walked, &above, number, pair))
        .collect();
    let groups = groups(walked, &members);
    let rebuilds = rebuilds(walked, &members, &groups);
    let mut causes: Vec<(usize, Cause)> = groups
        .iter()
        .zip(rebuilds)
        .map(|(group, rebuilds)| {
            let depth = members[group[0]].depth;
            (depth, cause(walked, &above, &members, group, rebuilds))
        })
        .collect();
    causes.sort_by(|(depth, one), (other_depth, other)| {
        let by_rebuilds = other.rebuilds.cmp(&one.rebuilds);
        by_rebuilds
            .then(depth.cmp(other_depth))
            .then_with(|| one.after.cmp(&other.after))
    });
    let rebuilt = distinct(walked, |_| true);
    Explanation {
        causes: causes.into_iter().map(|(_, cause)| cause).collect(),
        rebuilt,
        cascade: rebuilt - distinct(walked, |pair| pair.differs),
        same_output: walked.same_output,
        ..Explanation::default()
    }
}

/// How many new derivations there are in the pairs that count.
fn distinct(walked: &Walked, counts: impl Fn(&Pair) -> bool) -> usize {
    let mut new: Vec<u32> = walked
        .pairs
        .iter()
        .filter(|pair| counts(pair) && walked.graph.derivation(pair.new).is_some())
        .map(|pair| pair.new)
        .collect();
    new.sort_unstable();
    new.dedup();
    new.len()
}

fn describe(walked: &Walked, above: &[Option<usize>], number: usize, pair: &Pair) -> Member {
    let fields = Fields {
        graph: &walked.graph,
        references: &walked.references,
    };
    let mut differences = fields.differences((pair.old, pair.new), &pair.pairing);
    let bump = bump(walked.graph.name(pair.old), walked.graph.name(pair.new));
    if let Some(bump) = &bump {
        differences.retain(|difference| !follows(difference, bump));
    }
    Member {
        number,
        depth: std::iter::successors(above[number], |&next| above[next]).count(),
        bump,
        differences,
    }
}

/// The versions, if nothing else differs in the names.
fn bump(old: &str, new: &str) -> Option<Bump> {
    let (old, new) = (PackageName::parse(old), PackageName::parse(new));
    let versions = !old.version.is_empty() && !new.version.is_empty() && old.version != new.version;
    (versions && old.is_same_package(&new)).then(|| Bump {
        package: new.package.to_owned(),
        before: old.version.to_owned(),
        after: new.version.to_owned(),
    })
}

/// Whether a difference is just what another version brings: the version itself, and the
/// hash of what is fetched.
fn follows(difference: &Difference, bump: &Bump) -> bool {
    if matches!(difference.field.as_str(), "outputHash" | "hash" | "sha256")
        || difference.field.starts_with("hash of ")
    {
        return true;
    }
    let moved = |text: &str| text.replace(&bump.before, &bump.after);
    match &difference.change {
        Change::Changed { before, after } => moved(before) == *after,
        Change::Text { lines } => {
            let of = |sign| lines.iter().filter(move |line| line.sign == sign);
            of(Sign::Removed)
                .map(|line| moved(&line.text))
                .eq(of(Sign::Added).map(|line| line.text.clone()))
        }
        Change::Added { .. } | Change::Removed { .. } => false,
    }
}

/// The members that are one cause, as groups of their numbers, each with the member
/// nearest to the root first.
fn groups(walked: &Walked, members: &[Member]) -> Vec<Vec<usize>> {
    let mut groups = Groups {
        all: vec![],
        keys: HashMap::new(),
        of: vec![None; members.len()],
    };
    let is_fixed = |member: &Member| {
        let derivation = walked.graph.derivation(walked.pairs[member.number].new);
        derivation
            .is_none_or(|derivation| derivation.outputs().all(|output| !output.hash.is_empty()))
    };
    for (position, member) in members.iter().enumerate() {
        if let Some(bump) = &member.bump
            && !is_fixed(member)
        {
            groups.put(position, format!("{bump:?}"));
        }
    }
    join_what_is_fetched(walked, members, &mut groups, is_fixed);
    for (position, member) in members.iter().enumerate() {
        let key = match (&member.bump, member.differences.as_slice()) {
            (Some(bump), _) => format!("{bump:?}"),
            // Sources have no differences that could be compared here.
            (None, []) => format!("{position}"),
            (None, differences) => format!("{differences:?}"),
        };
        groups.put(position, key);
    }
    for group in &mut groups.all {
        group.sort_by_key(|&position| {
            let member = &members[position];
            let path = walked
                .graph
                .thing(walked.pairs[member.number].new)
                .path
                .as_str();
            (is_fixed(member), member.depth, path)
        });
    }
    groups.all
}

/// Members that belong together.
struct Groups {
    all: Vec<Vec<usize>>,
    keys: HashMap<String, usize>,
    /// The group of each member that is in one.
    of: Vec<Option<usize>>,
}

impl Groups {
    /// Puts a member that is in no group into the one with this key.
    fn put(&mut self, position: usize, key: String) {
        if self.of[position].is_some() {
            return;
        }
        let group = *self.keys.entry(key).or_insert_with(|| {
            self.all.push(vec![]);
            self.all.len() - 1
        });
        self.join(position, group);
    }

    fn join(&mut self, position: usize, group: usize) {
        self.all[group].push(position);
        self.of[position] = Some(group);
    }
}

/// Adds to each version bump what is fetched for its members alone.
fn join_what_is_fetched(
    walked: &Walked,
    members: &[Member],
    groups: &mut Groups,
    is_fixed: impl Fn(&Member) -> bool,
) {
    if groups.all.is_empty() {
        return;
    }
    let mut users: Vec<Vec<usize>> = vec![vec![]; walked.pairs.len()];
    for (number, pair) in walked.pairs.iter().enumerate() {
        for &input in &pair.inputs {
            users[input].push(number);
        }
    }
    let mut position_of = vec![None; walked.pairs.len()];
    for (position, member) in members.iter().enumerate() {
        position_of[member.number] = Some(position);
    }
    // From the root down, so that what a joined one is made of joins as well.
    for &number in walked.inputs_first.iter().rev() {
        let Some(position) = position_of[number] else {
            continue;
        };
        if groups.of[position].is_some() || !is_fixed(&members[position]) {
            continue;
        }
        let mut of_users = users[number]
            .iter()
            .map(|&user| position_of[user].and_then(|position| groups.of[position]));
        let first = of_users.next().flatten();
        if let Some(group) = first
            && of_users.all(|other| other == first)
        {
            groups.join(position, group);
        }
    }
}

/// For each group, how many derivations are rebuilt because of it.
fn rebuilds(walked: &Walked, members: &[Member], groups: &[Vec<usize>]) -> Vec<usize> {
    let mut counts = vec![0; groups.len()];
    for (chunk_number, chunk) in groups.chunks(BITS).enumerate() {
        let mut masks = vec![0u64; walked.pairs.len()];
        for (bit, group) in chunk.iter().enumerate() {
            for &position in group {
                masks[members[position].number] |= 1 << bit;
            }
        }
        // Two pairs can share their new derivation, which is rebuilt once.
        let mut by_new: HashMap<u32, u64> = HashMap::new();
        for &number in &walked.inputs_first {
            let pair = &walked.pairs[number];
            let mask = pair
                .inputs
                .iter()
                .fold(masks[number], |mask, &input| mask | masks[input]);
            masks[number] = mask;
            if mask != 0 && walked.graph.derivation(pair.new).is_some() {
                *by_new.entry(pair.new).or_default() |= mask;
            }
        }
        for mask in by_new.into_values() {
            let mut rest = mask;
            while rest != 0 {
                counts[chunk_number * BITS + rest.trailing_zeros() as usize] += 1;
                rest &= rest - 1;
            }
        }
    }
    counts
}

fn cause(
    walked: &Walked,
    above: &[Option<usize>],
    members: &[Member],
    group: &[usize],
    rebuilds: usize,
) -> Cause {
    let first = &members[group[0]];
    let pair = &walked.pairs[first.number];
    let name = |member: &Member| word(walked.graph.name(walked.pairs[member.number].new));
    // What the other members of a bump have beyond the version is said once; what was
    // fetched for them is another file by the nature of a bump.
    let mut differences = first.differences.clone();
    if first.bump.is_some() {
        let others = group[1..].iter().map(|&position| &members[position]);
        for difference in others
            .filter(|member| member.bump.is_some())
            .flat_map(|member| &member.differences)
        {
            if !differences.contains(difference) {
                differences.push(difference.clone());
            }
        }
    }
    Cause {
        name: name(first),
        bump: first.bump.clone(),
        before: walked.graph.thing(pair.old).path.clone(),
        after: walked.graph.thing(pair.new).path.clone(),
        is_source: walked.graph.derivation(pair.new).is_none(),
        alike: group[1..]
            .iter()
            .map(|&position| name(&members[position]))
            .collect(),
        rebuilds,
        way: way::way(walked, above, first.number),
        differences,
    }
}
