//! Store paths in texts, and texts that are the same but for them.
//!
//! A dependency that changed has another path, so every text that names it changes too.
//! Here such a path counts as what it is paired with: two texts are the same if they
//! differ in nothing else.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use super::graph::{Graph, Id, base};
use nix_formats::{
    derivation::{DIGEST_LENGTH, EXTENSION},
    nixbase32,
};

/// The digits in the placeholder of an output whose path only the build tells: a SHA-256
/// in base 32.
const PLACEHOLDER_LENGTH: usize = 52;

/// A path that texts can hold.
#[derive(Debug, Clone)]
struct Named {
    owner: Id,
    /// The output's name; empty for the path of the thing itself.
    output: Box<str>,
    /// What follows the hash in the path: `-name`.
    rest: Box<str>,
}

/// The paths that are known, and which of the old stand for which of the new.
#[derive(Debug, Default)]
pub(super) struct References {
    known: HashMap<[u8; DIGEST_LENGTH], Named>,
    placeholders: HashMap<[u8; PLACEHOLDER_LENGTH], Named>,
    paired: HashSet<(Id, Id)>,
    /// For showing: one new thing for each old one that is paired.
    partner: HashMap<Id, Id>,
    arrived: HashSet<Id>,
}

/// Whose a path in a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner<'t> {
    /// It is known.
    Known(Id),
    /// It is not; this is the name in the path.
    Unknown(&'t [u8]),
}

/// Which of two texts is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Old,
    New,
}

impl References {
    /// Notes that `new` stands for `old`.
    pub(super) fn pair(&mut self, graph: &Graph, old: Id, new: Id) {
        if self.paired.insert((old, new)) {
            self.partner.entry(old).or_insert(new);
            self.arrived.insert(new);
            self.note(graph, old);
            self.note(graph, new);
        }
    }

    /// Notes all paths of a thing.
    fn note(&mut self, graph: &Graph, id: Id) {
        let thing = graph.thing(id);
        self.note_path(id, "", &thing.path);
        for output in thing
            .derivation
            .iter()
            .flat_map(|derivation| derivation.outputs())
        {
            if output.path.is_empty() {
                let placeholder = placeholder(&thing.path, output.name);
                self.placeholders.insert(
                    placeholder,
                    Named {
                        owner: id,
                        output: output.name.into(),
                        rest: "".into(),
                    },
                );
            } else {
                self.note_path(id, output.name, output.path);
            }
        }
    }

    fn note_path(&mut self, owner: Id, output: &str, path: &str) {
        if let Some((digest, rest)) = base(path).as_bytes().split_first_chunk() {
            let rest = String::from_utf8_lossy(rest).into();
            let output = output.into();
            self.known.insert(
                *digest,
                Named {
                    owner,
                    output,
                    rest,
                },
            );
        }
    }

    /// Whether the texts differ in nothing but paths that are paired.
    pub(super) fn same(&self, old: &[u8], new: &[u8]) -> bool {
        let (mut old, mut new) = (old, new);
        loop {
            let common = common_prefix(old, new);
            if common == old.len() && common == new.len() {
                return true;
            }
            let Some((behind_old, behind_new)) = self.skip(old, new, common) else {
                return false;
            };
            (old, new) = (&old[behind_old..], &new[behind_new..]);
        }
    }

    /// Where the texts go on behind two paired paths, one of which the first difference,
    /// at `difference`, stands in.
    fn skip(&self, old: &[u8], new: &[u8], difference: usize) -> Option<(usize, usize)> {
        let longest = if self.placeholders.is_empty() {
            DIGEST_LENGTH
        } else {
            PLACEHOLDER_LENGTH
        };
        let digits = old[..difference]
            .iter()
            .rev()
            .take(longest - 1)
            .take_while(|&&digit| nixbase32::is_digit(digit))
            .count();
        // Nearly always the digits begin with the path, behind a slash.
        (difference - digits..=difference).find_map(|start| {
            let (old_length, one) = self.at(&old[start..])?;
            let (new_length, other) = self.at(&new[start..])?;
            self.stand_for_each_other(one, other)
                .then_some((start + old_length, start + new_length))
        })
    }

    /// The path at the start of `text`, and its length there.
    fn at(&self, text: &[u8]) -> Option<(usize, &Named)> {
        if let Some(placeholder) = text.first_chunk::<PLACEHOLDER_LENGTH>()
            && let Some(named) = self.placeholders.get(placeholder)
        {
            return Some((PLACEHOLDER_LENGTH, named));
        }
        let digest = text.first_chunk::<DIGEST_LENGTH>()?;
        let named = self.known.get(digest)?;
        let rest = named.rest.as_bytes();
        let length = if text[DIGEST_LENGTH..].starts_with(rest) {
            rest.len()
        } else {
            0
        };
        Some((DIGEST_LENGTH + length, named))
    }

    fn stand_for_each_other(&self, old: &Named, new: &Named) -> bool {
        old.output == new.output
            && (old.owner == new.owner || self.paired.contains(&(old.owner, new.owner)))
    }

    /// The things of which paths stand in `text`, in its order.
    pub(super) fn owners(&self, text: &[u8]) -> Vec<Id> {
        let owners = self.named(text).filter_map(|owner| match owner {
            Owner::Known(id) => Some(id),
            Owner::Unknown(_) => None,
        });
        owners.collect()
    }

    /// Whose paths stand in `text`, in its order.
    pub(super) fn named<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = Owner<'t>> {
        memchr::memchr_iter(b'/', text).filter_map(|slash| {
            let path = &text[slash + 1..];
            if let Some((_, named)) = self.at(path) {
                return Some(Owner::Known(named.owner));
            }
            let (digest, rest) = path.split_first_chunk::<DIGEST_LENGTH>()?;
            let name = rest.strip_prefix(b"-")?;
            if !digest.iter().all(|&digit| nixbase32::is_digit(digit)) {
                return None;
            }
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte);
            let length = name.iter().take_while(|byte| is_name(byte)).count();
            Some(Owner::Unknown(&name[..length]))
        })
    }

    /// Notes the paths of a thing that is not paired (yet).
    pub(super) fn know(&mut self, graph: &Graph, id: Id) {
        self.note(graph, id);
    }

    /// `text` for people, with store paths made short, and so that what is paired reads
    /// the same on both sides: `…-name`. Other paths keep the first digits of their hash,
    /// since two of them can have one name.
    pub(super) fn readable(&self, graph: &Graph, text: &[u8], side: Side) -> String {
        let mut readable = String::new();
        let mut rest = text;
        while let Some((before, path)) = next_path(rest) {
            let (directory, digest) = (&rest[before..path], &rest[path..path + DIGEST_LENGTH]);
            readable.push_str(&String::from_utf8_lossy(&rest[..before]));
            debug_assert!(directory.ends_with(b"/"));
            match self.at(&rest[path..]) {
                Some((length, named))
                    if length > DIGEST_LENGTH && self.is_paired(named.owner, side) =>
                {
                    readable.push('…');
                    readable.push_str(&self.new_rest(graph, named, side));
                    rest = &rest[path + length..];
                }
                _ => {
                    readable.push_str(&String::from_utf8_lossy(&digest[..7]));
                    readable.push('…');
                    rest = &rest[path + DIGEST_LENGTH..];
                }
            }
        }
        readable.push_str(&String::from_utf8_lossy(rest));
        readable
    }

    fn is_paired(&self, id: Id, side: Side) -> bool {
        match side {
            Side::Old => self.partner.contains_key(&id),
            Side::New => self.arrived.contains(&id),
        }
    }

    /// What follows the hash in the path that stands for this one on the new side.
    fn new_rest(&self, graph: &Graph, named: &Named, side: Side) -> String {
        let owner = match side {
            Side::Old => self
                .partner
                .get(&named.owner)
                .copied()
                .unwrap_or(named.owner),
            Side::New => named.owner,
        };
        let thing = graph.thing(owner);
        let mut outputs = thing
            .derivation
            .iter()
            .flat_map(|derivation| derivation.outputs());
        let path = outputs
            .find(|output| output.name == &*named.output)
            .map_or(thing.path.as_str(), |output| output.path);
        base(path)
            .get(DIGEST_LENGTH..)
            .unwrap_or(&named.rest)
            .to_owned()
    }
}

/// The next store path in `text`, whatever the store: where its directory begins, and
/// where its hash does.
fn next_path(text: &[u8]) -> Option<(usize, usize)> {
    memchr::memchr_iter(b'/', text).find_map(|slash| {
        let digest = text.get(slash + 1..slash + 1 + DIGEST_LENGTH)?;
        let is_path = digest.iter().all(|&digit| nixbase32::is_digit(digit))
            && text.get(slash + 1 + DIGEST_LENGTH) == Some(&b'-');
        if !is_path {
            return None;
        }
        let directory = text[..slash]
            .iter()
            .rev()
            .take_while(|&&byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte))
            .count();
        // Several paths can follow each other with a `-` or the like between them.
        let store = text[slash - directory..slash]
            .iter()
            .position(|&byte| byte == b'/');
        Some((slash - directory + store.unwrap_or(directory), slash + 1))
    })
}

/// The length of what both begin with.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 32;
    let blocks = one
        .chunks_exact(BLOCK)
        .zip(other.chunks_exact(BLOCK))
        .take_while(|(one, other)| one == other)
        .count();
    let start = blocks * BLOCK;
    let rest = one[start..].iter().zip(&other[start..]);
    start + rest.take_while(|(one, other)| one == other).count()
}

/// What stands for the path of an output in the texts of those who use it, where only
/// the build tells the path.
///
/// Source: `DownstreamPlaceholder::unknownCaOutput` in Nix.
fn placeholder(drv: &str, output: &str) -> [u8; PLACEHOLDER_LENGTH] {
    let (digest, name) = base(drv).split_once('-').unwrap_or_default();
    let name = name.strip_suffix(EXTENSION).unwrap_or(name);
    let output = match output {
        "out" => String::new(),
        output => format!("-{output}"),
    };
    let hash = Sha256::digest(format!("nix-upstream-output:{digest}:{name}{output}"));
    let mut digits = [b'0'; PLACEHOLDER_LENGTH];
    digits.copy_from_slice(nixbase32::encode(&hash).as_bytes());
    digits
}
