//! The image that was built for a target: which files it is. `cbox boot` and `cbox flash` both
//! begin here; what is in them is for [`crate::image`] to tell.

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::store::Store;
use nix_formats::{store_path::DrvPath, system::System};

use crate::{
    error::{Error, Kind},
    flake::project::Project,
    links::{
        entries::{MANIFEST, Other, read_manifest},
        manifest::{Artifact, Manifest},
    },
    process::environment::Environment,
    subject::target,
    target_name::TargetName,
};

/// What was built for a target, as `out/` has it.
#[derive(Debug)]
pub struct Built {
    /// The link.
    pub link: Utf8PathBuf,
    /// The system that it was built for.
    pub system: System,
    /// Its files, in the order of `artifact`; there is one at least.
    pub files: Vec<BuiltFile>,
    /// Its record.
    pub manifest: Manifest,
}

/// One file of what was built.
#[derive(Debug)]
pub struct BuiltFile {
    /// What its record says of it.
    pub artifact: Artifact,
    /// Where it is.
    pub path: Utf8PathBuf,
}

impl BuiltFile {
    /// Its file name.
    pub fn name(&self) -> &str {
        self.path.file_name().unwrap_or(self.path.as_str())
    }
}

/// Finds what was built for `name`. Nothing is built, and Nix is not asked.
pub fn find(
    environment: &Environment,
    project: &Project,
    name: &TargetName,
    store: Option<&str>,
) -> Result<Built, Error> {
    let TargetName::Image {
        kind,
        format,
        system,
    } = name
    else {
        return Err(Error::new(
            Kind::Usage,
            format!("{name} is the system of a host, not an image"),
        )
        .hint("`cbox list` shows the images"));
    };
    target::find(project, kind, format)?;
    let store_dir = environment.nix_store_dir.as_deref();
    let store = Store::from_uri(store.unwrap_or("auto"), store_dir);
    if !store.is_here() {
        let message = format!("the images in {} are on another machine", store.uri);
        return Err(Error::new(Kind::Unsupported, message).hint(format!(
            "fetch the image with the command that the build printed (`nix copy --from {} …`), build it here, which \
             then only links it, and leave `--store` out",
            store.uri
        )));
    }
    let native = format!("{}-linux", std::env::consts::ARCH).parse().ok();
    let wanted = system.as_ref().or(native.as_ref());
    let links = names(name, native.as_ref())
        .into_iter()
        .map(|name| project.out_dir.join(name.slug()))
        .filter(|link| link.symlink_metadata().is_ok());
    let mut unreadable = None;
    let mut readable = links.filter_map(|link| match record_of(&link) {
        // Two names can make one link: `a/b-c` and `a-b/c`.
        Ok(manifest) if !manifest.is_of_image(kind, format) => None,
        Ok(manifest) => Some((link, manifest)),
        Err(why) => {
            let link = environment.display_path(&link);
            unreadable.get_or_insert(format!("it is not known which image {link} is: {why}"));
            None
        }
    });
    let found = readable.find(|(_, manifest)| system.is_none() || Some(&manifest.system) == wanted);
    let (link, manifest) = match (found, unreadable) {
        (Some(found), _) => found,
        (None, Some(why)) => return Err(rebuild(project, name, why)),
        (None, None) => return Err(not_built(environment, project, name)),
    };
    if manifest.artifacts.is_empty() {
        return Err(rebuild(
            project,
            name,
            format!("the record of {link} names no image"),
        ));
    }
    let physical = store.physical(&manifest.out);
    let place = physical
        .and_then(|out| Utf8PathBuf::from_path_buf(out).ok())
        .ok_or_else(|| {
            let out = &manifest.out;
            rebuild(
                project,
                name,
                format!("{link} leads to {out}, which is not in {}", store.uri),
            )
        })?;
    let files = manifest.artifacts.iter().map(|artifact| BuiltFile {
        artifact: artifact.clone(),
        path: artifact.below(place.as_str()).into(),
    });
    let files: Vec<BuiltFile> = files.collect();
    let is_current = link
        .read_link_utf8()
        .is_ok_and(|target| target == manifest.out.as_str());
    if !is_current || !files.iter().all(|file| file.path.is_file()) {
        let display_path = environment.display_path(&link);
        return Err(rebuild(
            project,
            name,
            format!("the image that {display_path} points to is gone, or differs from its record"),
        ));
    }
    Ok(Built {
        link,
        system: manifest.system.clone(),
        files,
        manifest,
    })
}

/// The files of what was built for `name` from the derivation `drv`, as the records in `folder` have
/// it; none where something else was built, or nothing.
pub fn recorded(folder: &Utf8Path, name: &TargetName, drv: &DrvPath) -> Vec<Artifact> {
    let record = record_of(&folder.join(name.slug())).ok();
    let record = record.filter(|record| record.drv == *drv);
    record.map(|record| record.artifacts.0).unwrap_or_default()
}

/// The names under which the image can be linked: its own, and the one with or without
/// this machine's system.
fn names(name: &TargetName, native: Option<&System>) -> Vec<TargetName> {
    let mut names = vec![name.clone()];
    if let (
        TargetName::Image {
            kind,
            format,
            system,
        },
        Some(native),
    ) = (name, native)
    {
        let other = match system {
            Some(system) if system == native => Some(None),
            Some(_) => None,
            None => Some(Some(native.clone())),
        };
        names.extend(other.map(|system| TargetName::Image {
            kind: kind.clone(),
            format: format.clone(),
            system,
        }));
    }
    names
}

/// The record of a link, or why there is none.
fn record_of(link: &Utf8Path) -> Result<Manifest, Other> {
    match read_manifest(&Utf8PathBuf::from(format!("{link}{MANIFEST}"))) {
        Some(record) => record.map_err(Other::Manifest),
        None => Err(Other::NoManifest),
    }
}

fn not_built(environment: &Environment, project: &Project, name: &TargetName) -> Error {
    let link = environment.display_path(&project.out_dir.join(name.slug()));
    rebuild(
        project,
        name,
        format!("{name} is not built yet: there is no {link}"),
    )
}

fn rebuild(project: &Project, name: &TargetName, message: String) -> Error {
    let command = target::command(project, name);
    Error::new(Kind::Artifact, message).hint(format!("build it: `cbox {command}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_can_have_two_names() {
        let native = "x86_64-linux".parse().unwrap();
        let slugs = |name: &str| {
            let name = name.parse().unwrap();
            let names = names(&name, Some(&native));
            names.iter().map(TargetName::slug).collect::<Vec<_>>()
        };
        assert_eq!(slugs("a/iso"), ["a-iso", "a-iso-x86_64-linux"]);
        assert_eq!(slugs("a/iso/amd64"), ["a-iso-x86_64-linux", "a-iso"]);
        assert_eq!(slugs("a/iso/arm64"), ["a-iso-aarch64-linux"]);
    }
}
