//! What a store path needs at run time: how much of it there is, and what pulled it in.
//!
//! [`PathInfos`] reads what Nix says of paths; a [`Closure`] is what one of them needs.
//! `several` sums up what more than one needs.

mod dominators;
mod several;

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;
use thiserror::Error;

/// What is said of one path.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    nar_size: u64,
    references: Vec<String>,
    #[serde(default)]
    deriver: Option<String>,
}

/// What Nix says of paths, by `<hash>-<name>`.
#[derive(Debug, Default)]
pub struct PathInfos(HashMap<String, Info>);

/// Why a closure is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("nothing is known of {0}")]
pub struct Missing(String);

impl PathInfos {
    /// Reads the answer of `nix path-info --json --recursive`.
    ///
    /// Three forms of it are in use: a list with a `path` in each (before Nix 2.19, and
    /// Lix), an object by path (format 1), and an object by `<hash>-<name>` under `info`
    /// (format 2; the Nix manual, "Store object info JSON format").
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(answer: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Listed {
            path: String,
            #[serde(flatten)]
            info: Info,
        }
        #[derive(Deserialize)]
        struct Versioned {
            info: HashMap<String, Option<Info>>,
        }
        let failed = |error: serde_json::Error| error.to_string();
        if answer.trim_ascii_start().starts_with(b"[") {
            let list: Vec<Listed> = serde_json::from_slice(answer).map_err(failed)?;
            let infos = list.into_iter().map(|one| (one.path, one.info));
            return Ok(Self::by_base_name(infos));
        }
        // No path is called `info`.
        let infos = match serde_json::from_slice::<Versioned>(answer) {
            Ok(versioned) => versioned.info,
            Err(_) => serde_json::from_slice(answer).map_err(failed)?,
        };
        let valid = infos
            .into_iter()
            .filter_map(|(path, info)| Some((path, info?)));
        Ok(Self::by_base_name(valid))
    }

    fn by_base_name(infos: impl Iterator<Item = (String, Info)>) -> Self {
        Self(
            infos
                .map(|(path, info)| (base_name(&path).to_owned(), info))
                .collect(),
        )
    }

    /// The derivation that `path` was built by, as far as Nix knows it: its store path, or its
    /// `<hash>-<name>`.
    #[must_use]
    pub fn deriver(&self, path: &str) -> Option<&str> {
        self.0.get(base_name(path))?.deriver.as_deref()
    }

    /// What `root`, a store path, needs.
    ///
    /// # Errors
    /// When nothing is known of one of the paths.
    pub fn closure(&self, root: &str) -> Result<Closure, Missing> {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut queue = VecDeque::new();
        let (mut members, mut references) = (Vec::<Member>::new(), Vec::new());
        let root = base_name(root);
        numbers.insert(root, 0);
        queue.push_back((root, None));
        while let Some((base, above)) = queue.pop_front() {
            let info = self.0.get(base).ok_or_else(|| Missing(base.to_owned()))?;
            let own = members.len();
            members.push(Member {
                base_name: base.to_owned(),
                nar_size: info.nar_size,
                above,
            });
            let mut below: Vec<&str> = info.references.iter().map(|path| base_name(path)).collect();
            // The same way for each run, whatever the hashes are.
            below.sort_unstable_by_key(|base| (name(base), *base));
            let mut numbered = Vec::with_capacity(below.len());
            for base in below
                .into_iter()
                .filter(|other| *other != members[own].base_name)
            {
                let next = numbers.len();
                numbered.push(*numbers.entry(base).or_insert_with(|| {
                    queue.push_back((base, Some(own)));
                    next
                }));
            }
            references.push(numbered);
        }
        Ok(Closure {
            dominators: dominators::immediate_dominators(&references),
            referrers: dominators::predecessors(&references),
            members,
            references,
        })
    }
}

/// One path of a closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `<hash>-<name>`.
    pub base_name: String,
    /// The size of its archive, in bytes: what Nix counts it as.
    pub nar_size: u64,
    /// The one before it on the shortest way from the root; `None` for the root.
    above: Option<usize>,
}

impl Member {
    /// Its name, without the hash.
    #[must_use]
    pub fn name(&self) -> &str {
        name(&self.base_name)
    }
}

/// All that a store path needs, itself included.
///
/// The members are numbered by their distance from the root, which is number 0.
#[derive(Debug)]
pub struct Closure {
    members: Vec<Member>,
    references: Vec<Vec<usize>>,
    referrers: Vec<Vec<usize>>,
    dominators: Vec<usize>,
}

impl Closure {
    /// Its members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The size of all of it, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.members.iter().map(|member| member.nar_size).sum()
    }

    /// The nearest member without which this one would not be there; `None` for the root.
    #[must_use]
    pub fn dominator(&self, number: usize) -> Option<usize> {
        (number != 0).then(|| self.dominators[number])
    }

    /// For each member how many bytes would go if it went: its own and those of all that
    /// is there because of it alone.
    #[must_use]
    pub fn freed(&self) -> Vec<u64> {
        let mut freed: Vec<u64> = self.members.iter().map(|member| member.nar_size).collect();
        // A dominator is nearer to the root, so its number is smaller.
        for number in (1..freed.len()).rev() {
            freed[self.dominators[number]] += freed[number];
        }
        freed
    }

    /// The numbers of the members that this one refers to, itself left out.
    #[must_use]
    pub fn references(&self, number: usize) -> &[usize] {
        &self.references[number]
    }

    /// The numbers of the members that refer to this one.
    #[must_use]
    pub fn referrers(&self, number: usize) -> &[usize] {
        &self.referrers[number]
    }

    /// How many bytes would go if several members went at once.
    #[must_use]
    pub fn freed_by(&self, several: &[usize]) -> u64 {
        let mut below = vec![false; self.members.len()];
        let mut found = Vec::new();
        let mut open = several.to_vec();
        while let Some(number) = open.pop() {
            if !std::mem::replace(&mut below[number], true) {
                found.push(number);
                open.extend(&self.references[number]);
            }
        }
        // What is not below them stays, and so does what it needs.
        let goes = self.marked(several);
        let mut stays = vec![false; self.members.len()];
        open = found
            .iter()
            .copied()
            .filter(|number| self.referrers[*number].iter().any(|above| !below[*above]))
            .collect();
        while let Some(number) = open.pop() {
            if !goes[number] && !std::mem::replace(&mut stays[number], true) {
                open.extend(&self.references[number]);
            }
        }
        let gone = found.iter().filter(|number| !stays[**number]);
        gone.map(|number| self.members[*number].nar_size).sum()
    }

    /// For each member whether it is one of `several`.
    fn marked(&self, several: &[usize]) -> Vec<bool> {
        let mut marked = vec![false; self.members.len()];
        several.iter().for_each(|number| marked[*number] = true);
        marked
    }

    /// The numbers of the members on the shortest way from below the root to this one, itself
    /// the last. Empty for the root.
    #[must_use]
    pub fn way(&self, number: usize) -> Vec<usize> {
        self.chain(number, |here| self.members[here].above)
    }

    /// The same for those only that every way leads through.
    #[must_use]
    pub fn only_way(&self, number: usize) -> Vec<usize> {
        self.chain(number, |here| self.dominator(here))
    }

    fn chain(&self, number: usize, above: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
        let mut chain = Vec::new();
        let mut here = number;
        while let Some(next) = above(here) {
            chain.push(here);
            here = next;
        }
        chain.reverse();
        chain
    }

    /// The nearest member that is on every way to each of `several`: one of them, if it
    /// is on every way to the others.
    #[must_use]
    pub fn common_dominator(&self, several: &[usize]) -> usize {
        let common = several.iter().copied().reduce(|mut one, mut other| {
            while one != other {
                match one < other {
                    true => other = self.dominators[other],
                    false => one = self.dominators[one],
                }
            }
            one
        });
        common.unwrap_or_default()
    }
}

/// `<hash>-<name>` of a store path, or of what is that already.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name behind the hash.
fn name(base_name: &str) -> &str {
    base_name
        .split_once('-')
        .map_or(base_name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A closure from `(name, size, names of references)`, the first being the root. The
    /// hash part of each is its place.
    fn closure(paths: &[(&str, u64, &[&str])]) -> Closure {
        let base = |wanted: &str| {
            let place = paths.iter().position(|(name, _, _)| *name == wanted);
            format!("{}-{wanted}", place.unwrap())
        };
        let infos = paths.iter().map(|(name, nar_size, references)| {
            let references = references.iter().map(|name| base(name)).collect();
            let nar_size = *nar_size;
            (
                base(name),
                Info {
                    nar_size,
                    references,
                    deriver: None,
                },
            )
        });
        let infos = PathInfos(infos.collect());
        infos.closure(&base(paths[0].0)).unwrap()
    }

    #[test]
    fn every_form_of_the_answer_is_read() {
        let object = r#"{"/nix/store/a-x":{"narSize":1,"references":["/nix/store/b-y","/nix/store/a-x"],"ca":null},
            "/nix/store/b-y":{"narSize":2,"references":[]},"/nix/store/c-z":null}"#;
        let second = r#"{"info":{"a-x":{"narSize":1,"references":["a-x","b-y"],"version":2},
            "b-y":{"narSize":2,"references":[]}},"storeDir":"/nix/store","version":2}"#;
        let list = r#" [{"path":"/nix/store/a-x","narSize":1,"references":["/nix/store/b-y"],"valid":true},
            {"path":"/nix/store/b-y","narSize":2,"references":[]}]"#;
        for answer in [object, second, list] {
            let infos = PathInfos::parse(answer.as_bytes()).unwrap();
            let closure = infos.closure("/nix/store/a-x").unwrap();
            assert_eq!((closure.size(), closure.members().len()), (3, 2));
            assert_eq!(closure.way(1), [1]);
            assert_eq!(
                infos.closure("/nix/store/c-z").unwrap_err().to_string(),
                "nothing is known of c-z"
            );
        }
        for bad in ["", "3", "{\"a\":{}}", "[{}]"] {
            assert!(PathInfos::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn ways_are_shortest() {
        let closure = closure(&[
            ("nixos-system-box-1", 1, &["etc", "system-path"]),
            ("system-path", 2, &["coder-2"]),
            ("etc", 4, &["unit-coder.service"]),
            ("unit-coder.service", 8, &["coder-2", "glibc-1"]),
            ("coder-2", 16, &["glibc-1"]),
            ("glibc-1", 32, &[]),
        ]);
        let number = |name: &str| {
            let mut members = closure.members().iter();
            members.position(|member| member.name() == name).unwrap()
        };
        let names = |way: Vec<usize>| -> Vec<&str> {
            let members = way.into_iter().map(|number| &closure.members()[number]);
            members.map(Member::name).collect()
        };
        assert_eq!(closure.way(0), [0; 0]);
        assert_eq!(
            names(closure.way(number("coder-2"))),
            ["system-path", "coder-2"]
        );
        assert_eq!(
            names(closure.way(number("glibc-1"))),
            ["etc", "unit-coder.service", "glibc-1"]
        );
        assert_eq!(names(closure.only_way(number("glibc-1"))), ["glibc-1"]);
        assert_eq!(
            names(closure.only_way(number("unit-coder.service"))),
            ["etc", "unit-coder.service"]
        );
        let freed = closure.freed();
        assert_eq!(freed[0], 63);
        assert_eq!(freed[number("etc")], 12);
        assert_eq!(freed[number("coder-2")], 16);
        let several = ["coder-2", "unit-coder.service"].map(number);
        assert_eq!(closure.freed_by(&several), 8 + 16 + 32);
        assert_eq!(closure.freed_by(&[0]), 63);
        assert_eq!(closure.common_dominator(&several), 0);
        let inner = ["etc", "unit-coder.service"].map(number);
        assert_eq!(closure.common_dominator(&inner), number("etc"));
    }
}
