//! The first `cbox.toml` of a flake: which hosts and targets it gets from what evaluation
//! found, and the text that says so.

mod text;

use std::collections::{BTreeMap, BTreeSet};

use cbox_nix::{
    expression::{Images, Variant},
    overrides::OptionPath,
};
use nix_formats::system::System;

use crate::target_name::{HOSTS, TargetName, word};

/// A host as the names in `nixosConfigurations` tell of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The systems for which an entry stands beside it.
    pub systems: Vec<System>,
}

/// The hosts among the `names` in `nixosConfigurations`.
///
/// A flake may offer a host that exists only to be built into an image once more for each
/// system, so that plain Nix can build it: `_disk-aarch64-linux` beside `_disk` is the same
/// host for that system, and no host of its own.
#[must_use]
pub fn entries(names: Vec<String>) -> Vec<Entry> {
    let known: BTreeSet<String> = names.iter().cloned().collect();
    let mut systems: BTreeMap<String, Vec<System>> = BTreeMap::new();
    let mut hosts = Vec::new();
    for name in names {
        match system_of(&name).filter(|(host, _)| known.contains(*host)) {
            Some((host, system)) => systems.entry(host.to_owned()).or_default().push(system),
            None => hosts.push(name),
        }
    }
    let entry = |name: String| Entry {
        systems: systems.remove(&name).unwrap_or_default(),
        name,
    };
    hosts.into_iter().map(entry).collect()
}

/// The host and the system in `<host>-<system>`, where such a host is only for images.
fn system_of(name: &str) -> Option<(&str, System)> {
    let rest = name.strip_suffix("-linux")?;
    let (host, architecture) = rest.rsplit_once('-')?;
    let system = format!("{architecture}-linux").parse().ok()?;
    name.starts_with('_').then_some((host, system))
}

/// What evaluation found of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluatedEntry {
    /// Its entry of `nixosConfigurations`.
    pub entry: Entry,
    /// The system it is for and what it can be built as, or in one line why that is not
    /// known.
    pub answer: Result<(System, Images), String>,
}

/// What becomes of the hosts in `cbox.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// The hosts, in the order in which they were found.
    pub hosts: Vec<Host>,
    /// Whether the folders of `hosts/` tell the machines, so that they need not be listed.
    pub by_folder: bool,
    /// The images that are no part of a host.
    pub packages: Vec<Package>,
}

/// A package of the flake that is an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name, which is the second part of the target's.
    pub name: String,
    /// The system that it is for.
    pub system: System,
}

/// The first part of the names of targets that are packages.
const PACKAGE: &str = "package";

impl Package {
    /// The name of its target.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{PACKAGE}/{}", self.name)
    }

    /// The way to it from the outputs of the flake.
    fn path(&self) -> String {
        let (system, name) = (&self.system, &self.name);
        let is_bare = |character: char| character.is_alphanumeric() || "_-+".contains(character);
        match name.chars().all(is_bare) {
            true => format!("packages.{system}.{name}"),
            false => format!("packages.{system}.\"{name}\""),
        }
    }
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its entry of `nixosConfigurations`.
    pub name: String,
    /// What it is good for, or in one line why it is left out.
    pub uses: Result<Uses, String>,
}

/// What a host is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uses {
    /// The system that it is for.
    pub system: System,
    /// The systems that its images can be built for; none where that is its own alone.
    pub systems: Vec<System>,
    /// Whether it runs on a machine, and does not exist only to be built into images.
    pub is_machine: bool,
    /// The first part of the names of its targets.
    pub kind: String,
    /// Its images.
    pub images: Vec<Image>,
    /// The image variants that it has only because nixpkgs gives them to every host.
    pub stock: Vec<String>,
}

/// An image, which becomes a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The second part of the target's name.
    pub format: String,
    /// The option that holds the derivation.
    pub attribute: OptionPath,
    /// The patterns of the image's files, one for each disk; none where the derivation knows them.
    pub artifacts: Vec<String>,
}

impl Host {
    /// The names of its targets.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        let Ok(uses) = &self.uses else {
            return vec![];
        };
        let machine = uses.is_machine.then(|| format!("{HOSTS}/{}", self.name));
        let images = uses.images.iter();
        let images = images.map(|image| format!("{}/{}", uses.kind, image.format));
        machine.into_iter().chain(images).collect()
    }
}

impl Starter {
    /// Decides on the hosts that were `found`.
    ///
    /// `folders` are the names of the folders in `hosts/` that have a `default.nix`.
    /// `commands` are words that the command line takes for something else than a kind.
    #[must_use]
    pub fn new(found: Vec<EvaluatedEntry>, folders: &[String], commands: &[&str]) -> Self {
        let mut hosts: Vec<Host> = found.into_iter().map(host).collect();
        let mut taken: BTreeSet<String> = hosts
            .iter()
            .filter(|host| host.uses.as_ref().is_ok_and(|uses| uses.is_machine))
            .map(|host| format!("{HOSTS}-{}", host.name))
            .collect();
        for host in &mut hosts {
            if let Ok(uses) = &mut host.uses {
                name_kind(&host.name, uses, commands, &mut taken);
            }
        }
        Self {
            by_folder: are_folders(&hosts, folders),
            hosts,
            packages: vec![],
        }
    }

    /// The same, with those of the packages for `system` that are images, by their `names`. One
    /// whose target would have the link of another is left out.
    #[must_use]
    pub fn with_packages(mut self, names: Vec<String>, system: &System) -> Self {
        let slug = |target: &str| target.replace('/', "-");
        let targets = self.hosts.iter().flat_map(Host::targets);
        let taken: BTreeSet<String> = targets.map(|target| slug(&target)).collect();
        let names = names.into_iter().filter(|name| word(name).is_ok());
        let packages = names.map(|name| Package {
            name,
            system: system.clone(),
        });
        self.packages = packages
            .filter(|package| !taken.contains(&slug(&package.target())))
            .collect();
        self
    }

    /// The hosts that are not left out.
    pub fn used(&self) -> impl Iterator<Item = (&str, &Uses)> {
        let hosts = self.hosts.iter();
        hosts.filter_map(|host| Some((host.name.as_str(), host.uses.as_ref().ok()?)))
    }

    /// The hosts that are left out, each with the reason.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        let hosts = self.hosts.iter();
        hosts.filter_map(|host| Some((host.name.as_str(), host.uses.as_ref().err()?.as_str())))
    }
}

/// What becomes of one host, its images not yet named.
fn host(found: EvaluatedEntry) -> Host {
    let EvaluatedEntry { entry, answer } = found;
    let uses = answer.and_then(|(system, images)| {
        uses(&entry, system, &images).ok_or_else(|| {
            "it has neither system.build.toplevel nor an image that cbox knows".to_owned()
        })
    });
    Host {
        name: entry.name,
        uses,
    }
}

/// What a host with these `images` is good for; `None` if for nothing.
fn uses(entry: &Entry, system: System, images: &Images) -> Option<Uses> {
    let is_iso = images.variants.iter().any(is_iso);
    let (mut found, mut stock) = (Vec::new(), Vec::new());
    for variant in &images.variants {
        match (word(&variant.name), variant.extends_host() && is_iso) {
            // nixpkgs extends by a variant what is no image itself, so they are left alone.
            (Err(_), _) | (_, true) => {}
            _ if variant.own => found.extend(image(variant)),
            _ => stock.push(variant.name.clone()),
        }
    }
    // As in flakes that were made for cbox: what begins so is no machine.
    let only_image = is_iso || (entry.name.starts_with('_') && !found.is_empty());
    let is_machine = images.toplevel && !only_image;
    (is_machine || !found.is_empty() || !stock.is_empty()).then_some(Uses {
        system,
        systems: entry.systems.clone(),
        is_machine,
        kind: String::new(),
        images: found,
        stock,
    })
}

/// Whether a host that offers `variant` is a CD.
fn is_iso(variant: &Variant) -> bool {
    variant
        .attribute
        .last()
        .is_some_and(|last| last == "isoImage")
}

/// The target that a variant becomes.
fn image(variant: &Variant) -> Option<Image> {
    let artifacts = match variant.files.as_slice() {
        [] if is_iso(variant) => vec!["iso/*.iso".to_owned()],
        [only] => {
            let extension = only.rsplit_once('.').map_or(only.as_str(), |(_, it)| it);
            vec![format!("*.{extension}")]
        }
        files => files.to_vec(),
    };
    Some(Image {
        format: variant.name.clone(),
        attribute: OptionPath::from_parts(variant.attribute.clone())?,
        artifacts,
    })
}

/// Gives the images of a host their kind: its name, with as many `-image` behind it as keep
/// it from being a command and its links from being those of another.
fn name_kind(host: &str, uses: &mut Uses, commands: &[&str], taken: &mut BTreeSet<String>) {
    let mut kind = match host.trim_start_matches('_') {
        "" => host.to_owned(),
        name => name.to_owned(),
    };
    let slugs = |kind: &str| -> Vec<String> {
        let links = uses.images.iter().flat_map(|image| {
            let systems = uses.systems.iter().chain([&uses.system]).cloned();
            let systems = systems.map(Some).chain([None]);
            systems.map(|system| TargetName::Image {
                kind: kind.to_owned(),
                format: image.format.clone(),
                system,
            })
        });
        links.map(|name| name.slug()).collect()
    };
    while word(&kind).is_err()
        || kind == HOSTS
        || commands.contains(&kind.as_str())
        || slugs(&kind).iter().any(|slug| taken.contains(slug))
    {
        kind = match word(&kind) {
            Ok(kind) => format!("{kind}-image"),
            Err(_) => host.to_owned(),
        };
    }
    taken.extend(slugs(&kind));
    uses.kind = kind;
}

/// Whether the machines are those that the folders of `hosts/` tell of, without a list.
fn are_folders(hosts: &[Host], folders: &[String]) -> bool {
    let machines = hosts.iter().filter_map(|host| match &host.uses {
        Ok(uses) if !uses.is_machine => None,
        // What is left out has to be listed to be left out.
        uses => Some((host.name.as_str(), uses.is_ok())),
    });
    let machines: BTreeSet<(&str, bool)> = machines.collect();
    let folders = folders.iter().filter(|folder| !folder.starts_with('_'));
    let folders: BTreeSet<(&str, bool)> = folders.map(|folder| (folder.as_str(), true)).collect();
    !machines.is_empty() && machines == folders
}

#[cfg(test)]
mod tests;
