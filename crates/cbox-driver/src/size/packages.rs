//! The paths of a closure, folded by the package that they are of.

use std::collections::{BTreeSet, HashMap};

use drv_causes::nixos_name::word;
use nix_formats::{
    closure::Closure,
    packages::{package_and_version, sort_versions},
};
use serde::Serialize;

/// All outputs and versions of one package in a closure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Its name without a version.
    pub name: String,
    /// The versions, in Nix's order; none where the name has none.
    pub versions: Vec<String>,
    /// The size of its own paths, in bytes.
    pub size: u64,
    /// How many bytes would go if it went: its own and what is there because of it alone.
    #[serde(rename = "freedSize")]
    pub freed: u64,
    /// What NixOS calls the members on the shortest way from below the root to the nearest
    /// of its paths, that one the last. Empty for the root.
    pub way: Vec<String>,
    /// The numbers of its paths in the closure, the nearest to the root first.
    #[serde(skip)]
    pub members: Vec<usize>,
}

impl Package {
    /// Its name, and its version where there is one, or how many there are.
    #[must_use]
    pub fn label(&self) -> String {
        match self.versions.as_slice() {
            [] => self.name.clone(),
            [only] => format!("{} {only}", self.name),
            several => format!("{} ({} versions)", self.name, several.len()),
        }
    }
}

/// A way to a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// The path of the package, as `<hash>-<name>`.
    #[serde(rename = "baseName")]
    pub path: String,
    /// What is on the way to it, from below the root; what refers to it is the last.
    pub by: Vec<String>,
}

/// Folds a closure, the largest package first.
#[must_use]
pub fn fold(closure: &Closure) -> Vec<Package> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut folded: Vec<(&str, BTreeSet<&str>, Vec<usize>)> = Vec::new();
    for (number, member) in closure.members().iter().enumerate() {
        let (package, version) = package_and_version(member.name());
        let place = *places.entry(package).or_insert_with(|| {
            folded.push((package, BTreeSet::new(), Vec::new()));
            folded.len() - 1
        });
        let (_, versions, members) = &mut folded[place];
        versions.extend(Some(version).filter(|version| !version.is_empty()));
        members.push(number);
    }
    let freed = closure.freed();
    let mut packages: Vec<Package> = folded
        .into_iter()
        .map(|(name, versions, members)| Package {
            name: name.to_owned(),
            versions: sorted(versions),
            size: members
                .iter()
                .map(|number| closure.members()[*number].nar_size)
                .sum(),
            freed: match members.as_slice() {
                [only] => freed[*only],
                several => closure.freed_by(several),
            },
            way: way(closure, members[0]),
            members,
        })
        .collect();
    packages.sort_by(|one, other| (other.size, &one.name).cmp(&(one.size, &other.name)));
    packages
}

fn sorted(versions: BTreeSet<&str>) -> Vec<String> {
    let mut versions = versions.into_iter().map(str::to_owned).collect();
    sort_versions(&mut versions);
    versions
}

/// The ways to `package`: one for each path outside it that refers to one of its own, the
/// shortest first. None for the package of the root alone.
#[must_use]
pub fn ways(closure: &Closure, package: &Package) -> Vec<Way> {
    let mut ways = Vec::new();
    let own: BTreeSet<usize> = package.members.iter().copied().collect();
    for &number in &package.members {
        for &above in closure.referrers(number) {
            if !own.contains(&above) {
                ways.push(Way {
                    path: closure.members()[number].base_name.clone(),
                    by: way(closure, above),
                });
            }
        }
    }
    ways.sort_by(|one, other| {
        let key = |way: &Way| (way.by.len(), way.by.clone(), way.path.clone());
        key(one).cmp(&key(other))
    });
    ways
}

/// What every way to `package` leads through, from below the root, the package left out.
#[must_use]
pub fn only_way(closure: &Closure, package: &Package) -> Vec<String> {
    let common = closure.common_dominator(&package.members);
    let mut chain = words(closure, closure.only_way(common));
    if package.members.contains(&common) {
        chain.pop();
    }
    chain
}

/// What NixOS calls the members on the shortest way from below the root to the one with this
/// number, itself the last.
#[must_use]
pub fn way(closure: &Closure, number: usize) -> Vec<String> {
    words(closure, closure.way(number))
}

/// What NixOS calls the members with these numbers.
fn words(closure: &Closure, numbers: Vec<usize>) -> Vec<String> {
    let members = numbers.into_iter().map(|number| &closure.members()[number]);
    members.map(|member| word(member.name())).collect()
}

/// What NixOS calls the nearest of its paths: the name in a way that leads through it.
#[must_use]
pub fn called(closure: &Closure, package: &Package) -> String {
    let nearest = package.members.first();
    nearest.map_or_else(String::new, |number| {
        word(closure.members()[*number].name())
    })
}

#[cfg(test)]
pub(super) mod tests {
    use nix_formats::closure::PathInfos;
    use serde_json::json;

    use super::*;

    /// A closure from `(name, size, names of references)`, the first being the root. The
    /// hash part of each is its place.
    pub(in crate::size) fn closure(paths: &[(&str, u64, &[&str])]) -> Closure {
        let base = |wanted: &str| {
            let place = paths.iter().position(|(name, _, _)| *name == wanted);
            format!("/nix/store/{}-{wanted}", place.unwrap())
        };
        let infos = paths.iter().map(|(name, size, references)| {
            let references: Vec<String> = references.iter().map(|name| base(name)).collect();
            (
                base(name),
                json!({ "narSize": size, "references": references }),
            )
        });
        let infos = serde_json::Value::Object(infos.collect()).to_string();
        let infos = PathInfos::parse(infos.as_bytes()).unwrap();
        infos.closure(&base(paths[0].0)).unwrap()
    }

    fn system() -> Closure {
        closure(&[
            ("nixos-system-box-1", 1, &["etc", "kernel-modules"]),
            ("etc", 2, &["unit-a.service", "unit-b.service"]),
            ("unit-a.service", 4, &["python3-3.12.1"]),
            ("unit-b.service", 8, &["python3-3.13.0-doc", "tzdata-2025b"]),
            ("python3-3.12.1", 16, &["openssl-3.0.1", "sqlite-3.1"]),
            ("python3-3.13.0-doc", 32, &["openssl-3.0.1", "tzdata-2025b"]),
            ("openssl-3.0.1", 64, &[]),
            ("sqlite-3.1", 128, &[]),
            ("tzdata-2025b", 256, &[]),
            ("kernel-modules", 512, &[]),
        ])
    }

    #[test]
    fn outputs_and_versions_are_one() {
        let packages = fold(&system());
        let names: Vec<&str> = packages.iter().map(|package| &*package.name).collect();
        assert_eq!(
            names[..4],
            ["kernel-modules", "tzdata", "sqlite", "openssl"]
        );
        let python = &packages[4];
        assert_eq!(python.versions, ["3.12.1", "3.13.0"]);
        assert_eq!(python.label(), "python3 (2 versions)");
        assert_eq!((python.size, python.members.len()), (48, 2));
        // Neither of the two alone keeps openssl, and something else keeps tzdata.
        assert_eq!(python.freed, 48 + 64 + 128);
        assert_eq!(python.way, ["etc", "a.service", "python3-3.12.1"]);
        assert_eq!(packages[0].label(), "kernel-modules");
        assert_eq!(packages[1].label(), "tzdata 2025b");
        let sizes: u64 = packages.iter().map(|package| package.size).sum();
        assert_eq!(sizes, system().size());
    }

    #[test]
    fn every_referrer_is_a_way() {
        let system = system();
        let packages = fold(&system);
        let find = |name: &str| packages.iter().find(|one| one.name == name).unwrap();
        let by = |name: &str| -> Vec<String> {
            let ways = ways(&system, find(name)).into_iter();
            ways.map(|way| way.by.join(" → ")).collect()
        };
        assert_eq!(by("python3"), ["etc → a.service", "etc → b.service"]);
        assert_eq!(
            by("tzdata"),
            ["etc → b.service", "etc → b.service → python3-3.13.0-doc"]
        );
        assert_eq!(by("etc"), [""]);
        assert_eq!(by("nixos-system-box"), [""; 0]);
        assert_eq!(only_way(&system, find("python3")), ["etc"]);
        assert_eq!(only_way(&system, find("tzdata")), ["etc", "b.service"]);
        assert_eq!(only_way(&system, find("openssl")), ["etc"]);
        assert_eq!(only_way(&system, find("etc")), [""; 0]);
        assert_eq!(called(&system, find("unit-a.service")), "a.service");
    }
}
