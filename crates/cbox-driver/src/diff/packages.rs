//! Which packages differ, and by how much all of it grew: by what two outputs need at run time
//! where both are built, otherwise as far as the derivations tell.

use std::collections::HashSet;

use cbox_nix::{NixError, nix::Nix};
use drv_causes::{Explanation, Needed};
use nix_formats::{
    closure::{Closure, Member},
    packages::{PackageChanges, Packages},
};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The packages that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageDifference {
    /// What was compared.
    pub compared: Compared,
    /// The packages.
    #[serde(flatten)]
    pub changes: PackageChanges,
    /// The sizes of all that both need, where that was compared.
    pub closure_size: Option<Sizes>,
}

/// What packages are read off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compared {
    /// All that two outputs need at run time.
    Closures,
    /// The derivations that differ.
    Derivations,
    /// All that one output needs at run time, with all derivations that the other one needs.
    Mixed,
}

/// Two sizes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Before.
    pub from: u64,
    /// Now.
    pub to: u64,
}

impl PackageDifference {
    /// What two closures say.
    pub fn of_closures(old: &Closure, new: &Closure) -> Self {
        fn packages(closure: &Closure) -> Packages<'_> {
            closure.members().iter().map(Member::name).collect()
        }
        Self {
            compared: Compared::Closures,
            changes: packages(old).changes(&packages(new)),
            closure_size: Some(Sizes {
                from: old.size(),
                to: new.size(),
            }),
        }
    }

    /// What the derivations say that were read for an explanation.
    pub fn of_derivations(explanation: &Explanation) -> Self {
        Self {
            compared: Compared::Derivations,
            changes: explanation.packages.clone(),
            closure_size: None,
        }
    }

    /// What the closure of the one output that is built says, beside all that the derivation of
    /// the other needs. `is_new` is whether that is the new one.
    ///
    /// What is built says what runs: it is gone if the other has nothing of that name, and what
    /// only has another path is looked for by its name.
    pub fn of_both(closure: &Closure, needed: &[Needed], is_new: bool) -> Self {
        let paths = needed.iter().flat_map(|one| &one.paths);
        let paths: HashSet<&str> = paths.map(|path| base_name(path)).collect();
        let (same, other): (Vec<&Member>, Vec<&Member>) = closure
            .members()
            .iter()
            .partition(|member| paths.contains(member.base_name.as_str()));
        let names = |holds: &dyn Fn(&Needed) -> bool| -> Vec<&str> {
            let needed = needed.iter().filter(|one| holds(one));
            needed.map(|one| one.name.as_str()).collect()
        };
        let mut unbuilt: Packages<'_> = same.into_iter().map(Member::name).collect();
        names(&|one| one.may_run)
            .into_iter()
            .for_each(|name| unbuilt.add(name));
        let open: Packages<'_> = other.into_iter().map(Member::name).collect();
        // What nothing says of that it may run, and yet does; what is fetched comes last.
        for fetched in [false, true] {
            let found = names(&|one| one.is_fetched == fetched && open.have(&one.name));
            let found: Vec<&str> = found
                .into_iter()
                .filter(|name| !unbuilt.have(name))
                .collect();
            found.iter().for_each(|name| unbuilt.add(name));
        }
        let built: Packages<'_> = closure.members().iter().map(Member::name).collect();
        Self {
            compared: Compared::Mixed,
            changes: match is_new {
                true => built.changes(&unbuilt),
                false => unbuilt.changes(&built),
            },
            closure_size: None,
        }
    }

    /// The packages that differ between `old` and `new`, outputs in the store that is built in:
    /// by what they need if both are there, otherwise as their `explanation` has them. What
    /// needs nothing, as the files of images do, says nothing either. A store on another
    /// machine is not asked.
    ///
    /// # Errors
    /// When a signal comes.
    pub async fn find(
        nix: &Nix,
        explanation: &Explanation,
        (old, new): (Option<&str>, Option<&str>),
    ) -> Result<Self, Error> {
        let is_there = |out: &&str| nix.outputs.holds(out) == Some(true);
        if let (Some(old), Some(new)) = (old.filter(is_there), new.filter(is_there))
            && let Some((old, new)) = closures(nix, old, new).await?
            && [&old, &new]
                .iter()
                .all(|closure| closure.members().len() > 1)
        {
            return Ok(Self::of_closures(&old, &new));
        }
        Ok(Self::of_derivations(explanation))
    }
}

/// What both need; `None` where Nix does not say it: a file that is there may be what a build left
/// that failed.
async fn closures(nix: &Nix, old: &str, new: &str) -> Result<Option<(Closure, Closure)>, Error> {
    let infos = match nix.closure(&[old, new]).await {
        Ok(infos) => infos,
        Err(error @ NixError::Interrupted(_)) => return Err(error.into()),
        Err(error) => {
            tracing::debug!("the derivations have to do: {error}");
            return Ok(None);
        }
    };
    Ok(infos.closure(old).ok().zip(infos.closure(new).ok()))
}

/// `<hash>-<name>` of a store path.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use nix_formats::{closure::PathInfos, packages::OnePackage};
    use serde_json::json;

    use super::*;

    #[test]
    fn one_that_is_built_is_compared_with_derivations() {
        let path = |name: &str| format!("/nix/store/{name}");
        let members = [
            "0-system-1",
            "a-coder-2.24.1",
            "b-zlib-1.3",
            "c-gcc-14.2-lib",
            "d-gone-1",
            "e-motd",
            "f-python3-3.12",
            "g-font-1",
        ];
        let infos = members.iter().enumerate().map(|(number, name)| {
            let references = match number {
                0 => members[1..].iter().map(|name| path(name)).collect(),
                _ => vec![],
            };
            (
                path(name),
                json!({ "narSize": 1, "references": references }),
            )
        });
        let infos = serde_json::Value::Object(infos.collect()).to_string();
        let infos = PathInfos::parse(infos.as_bytes()).unwrap();
        let closure = infos.closure(&path("0-system-1")).unwrap();
        let need = |name: &str, may_run: bool, is_fetched: bool| Needed {
            name: name[2..].to_owned(),
            paths: vec![path(name)],
            is_fetched,
            may_run,
        };
        let needed = [
            need("1-system-1", true, false),
            need("2-coder-2.25.0", true, false),
            need("b-zlib-1.3", true, false),
            need("3-gcc-14.3", false, false),
            need("4-cmake-4", false, false),
            need("5-motd", true, false),
            need("f-python3-3.12", false, false),
            need("6-python3-3.13", true, false),
            need("7-new-1", true, false),
            need("8-coder-2.25.0.tar.gz", false, true),
            need("9-font-2", false, true),
        ];
        let found = PackageDifference::of_both(&closure, &needed, true);
        let changed = found.changes.changed.iter();
        let changed: Vec<String> = changed
            .map(|one| {
                format!(
                    "{} {} → {}",
                    one.name,
                    one.from.join(", "),
                    one.to.join(", ")
                )
            })
            .collect();
        let expected = [
            "coder 2.24.1 → 2.25.0",
            "font 1 → 2",
            "gcc 14.2 → 14.3",
            "python3 3.12 → 3.12, 3.13",
        ];
        assert_eq!(changed, expected);
        let names = |list: &[OnePackage]| -> Vec<String> {
            list.iter().map(|one| one.name.clone()).collect()
        };
        assert_eq!(names(&found.changes.added), ["new"]);
        assert_eq!(names(&found.changes.removed), ["gone"]);
        let back = PackageDifference::of_both(&closure, &needed, false);
        assert_eq!(names(&back.changes.added), ["gone"]);
        assert_eq!(back.changes.changed[0].to, ["2.24.1"]);
    }
}
