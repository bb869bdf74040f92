//! What the store says of a subject.

use nix_formats::closure::Closure;
use serde_json::{Value, json};

use super::{
    change::{Change, compare},
    packages::{Package, Way, called, fold, only_way, ways},
    subject::{Counted, Measurable},
};
use crate::{
    diff::packages::PackageDifference,
    error::{Error, Kind},
    eval::evaluator::Evaluator,
    progress::Event,
    report,
};

/// A subject with its closure.
#[derive(Debug)]
pub struct Measured {
    /// What was measured.
    pub subject: Measurable,
    /// What its root needs.
    pub closure: Closure,
    /// The packages in it, the largest first.
    pub packages: Vec<Package>,
}

/// A subject, and what it is compared with.
#[derive(Debug)]
pub struct Comparison {
    /// What it is compared with.
    pub old: Measured,
    /// What came, went, grew and shrank.
    pub changes: Vec<Change>,
    /// The packages that differ.
    pub packages: PackageDifference,
}

/// Why a package is there.
#[derive(Debug)]
pub struct Why<'a> {
    /// The package.
    pub package: &'a Package,
    /// What every way to it leads through.
    pub only_way: Vec<String>,
    /// Every way to it.
    pub ways: Vec<Way>,
}

/// Asks the store about all subjects in one call.
pub async fn measure(
    evaluator: &Evaluator<'_>,
    (main, other): (Measurable, Option<Measurable>),
) -> Result<(Measured, Option<Comparison>), Error> {
    let mut roots = vec![main.root.as_str()];
    roots.extend(other.as_ref().map(|other| other.root.as_str()));
    roots.dedup();
    let reporter = evaluator.session.reporter;
    reporter.report(Event::Briefly("asking for sizes"));
    let infos = evaluator.nix.closure(&roots).await?;
    let measured = |subject: Measurable| {
        let closure = infos.closure(&subject.root).map_err(|error| {
            Error::new(
                Kind::Environment,
                format!("cannot get the sizes of {}: {error}", subject.name),
            )
        })?;
        Ok::<_, Error>(Measured {
            packages: fold(&closure),
            subject,
            closure,
        })
    };
    let main = measured(main)?;
    let comparison = match other {
        Some(other) => {
            let old = measured(other)?;
            Some(Comparison {
                changes: compare(&old.packages, &main.packages),
                packages: PackageDifference::of_closures(&old.closure, &main.closure),
                old,
            })
        }
        None => None,
    };
    Ok((main, comparison))
}

impl Measured {
    /// Why the package called `word` is there. A version behind the name is left out, and
    /// a name of NixOS, `coder.service` say, does too.
    pub fn why(&self, word: &str) -> Option<Why<'_>> {
        let named = |name: &str| self.packages.iter().find(|package| package.name == name);
        let parsed = nix_formats::package_name::PackageName::parse(word).package;
        let package = named(word).or_else(|| named(parsed)).or_else(|| {
            let mut packages = self.packages.iter();
            packages.find(|package| called(&self.closure, package) == word)
        })?;
        Some(Why {
            package,
            only_way: only_way(&self.closure, package),
            ways: ways(&self.closure, package),
        })
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let Measurable {
            name,
            system,
            root,
            counted,
            image,
            budget,
        } = &self.subject;
        let limit =
            |limit: &Option<crate::text::byte_size::ByteSize>| limit.as_ref().map(|it| it.bytes());
        let files = image.iter().map(|file| (file.path.as_str(), file.size));
        json!({
            "name": name,
            "system": system,
            "storePath": root,
            "isToplevel": *counted == Counted::System,
            "image": report::image(files),
            "closure": { "size": self.closure.size(), "pathCount": self.closure.members().len() },
            "budget": {
                "imageSize": limit(&budget.image),
                "closureSize": limit(&budget.closure),
            },
            "packages": self.packages.iter().map(|package| self.package(package)).collect::<Value>(),
        })
    }

    fn package(&self, package: &Package) -> Value {
        let mut value = json!(package);
        let paths = package.members.iter().map(|number| {
            let member = &self.closure.members()[*number];
            json!({ "baseName": member.base_name, "size": member.nar_size })
        });
        value["paths"] = paths.collect();
        value
    }
}
