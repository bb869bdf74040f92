//! From a target's name to what is to be evaluated: the validated request.

use cbox_nix::{
    NixError,
    expression::{Evaluated, Request, Want},
    overrides::{OptionPath, OverrideError, Overrides},
};
use nix_formats::system::System;
use serde_json::json;

use crate::{
    error::{Error, Kind},
    eval::platform::{HOST_PLATFORM, platform},
    flake::{
        config::{TargetConfig, check_artifact},
        project::Project,
        version::Version,
    },
    links::artifact::Which,
    process::options::Forced,
    target_name::{HOSTS, TargetName, TargetNameError, word},
    text::nearest::{nearest, suggestion},
};

/// What every NixOS host is built as.
const TOPLEVEL: &str = "system.build.toplevel";

/// A target that exists, and can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// What is evaluated for it.
    pub request: Request,
    /// The patterns of its files, one for each, where cbox.toml has them.
    pub artifacts: Vec<String>,
}

/// What the name of an image stands for.
#[derive(Debug, Clone, Copy)]
pub enum Image<'p> {
    /// A target of cbox.toml.
    Target(&'p TargetConfig),
    /// What the host of that name offers by itself, if it does: only evaluation can tell.
    Variant,
}

impl<'p> Image<'p> {
    /// The target of cbox.toml.
    pub fn target(self) -> Option<&'p TargetConfig> {
        match self {
            Self::Target(target) => Some(target),
            Self::Variant => None,
        }
    }
}

impl Target {
    /// Whether it is an image, and not the system of a host.
    pub fn is_image(&self) -> bool {
        matches!(self.name, TargetName::Image { .. })
    }

    /// Which files of the output are the image, where the evaluation gave `evaluated`; `None` for
    /// the system of a host.
    pub fn artifacts(&self, evaluated: &Evaluated) -> Result<Option<Which>, Error> {
        if !self.is_image() {
            return Ok(None);
        }
        if !self.artifacts.is_empty() {
            return Ok(Some(Which::Matching(self.artifacts.clone())));
        }
        let of_variant = evaluated.variant.as_ref().map(|variant| &variant.files);
        let paths = match (&evaluated.artifact_path, of_variant) {
            (paths, _) if !paths.is_empty() => paths,
            (_, Some(files)) if !files.is_empty() => files,
            _ => return Ok(Some(Which::Only)),
        };
        let patterns = paths.iter().map(|path| {
            let pattern = globset::escape(path);
            let checked = check_artifact(&pattern).map(|()| pattern);
            checked.map_err(|reason| {
                let message = format!("target {}: `passthru.filePath`: {reason}", self.name);
                Error::new(Kind::Config, message)
                    .hint("`artifact` of the target in cbox.toml says which file is the image")
            })
        });
        Ok(Some(Which::Matching(patterns.collect::<Result<_, _>>()?)))
    }
}

/// Reads the name of a target, or of a host alone.
pub fn parse_name(name: &str) -> Result<TargetName, Error> {
    let full = match name.contains('/') {
        true => name.to_owned(),
        false => format!("{HOSTS}/{name}"),
    };
    full.parse().map_err(|error| {
        no_target(
            &error,
            "`cbox list` shows the targets, `cbox hosts` the hosts",
        )
    })
}

/// The error for a text that names no target.
pub fn no_target(error: &TargetNameError, otherwise: &str) -> Error {
    if let TargetNameError::Word { part } = error
        && let Some((flake, _)) = part.split_once('#')
        && word(flake).is_ok()
    {
        let message = format!("`{part}` is not a target: there is no flake in a folder `{flake}`");
        return Error::new(Kind::Usage, message).hint(format!(
            "what Nix's registry calls `{flake}` is `flake:{flake}`: write `flake:{part}`"
        ));
    }
    let near = match error {
        TargetNameError::System(system) => {
            let near: Vec<&str> = nearest(system.text(), System::usual_names());
            match near.as_slice() {
                [] => String::new(),
                near => suggestion(system.text(), near),
            }
        }
        _ => String::new(),
    };
    let hint = if near.is_empty() { otherwise } else { &near };
    Error::new(Kind::Usage, error.to_string()).hint(hint)
}

/// Finds the target called `name`, and checks it against what there is.
///
/// `native` is the builder's own system.
pub fn resolve(
    project: &Project,
    name: &TargetName,
    forced: &Forced,
    native: &System,
    sources: &Version<'_>,
) -> Result<Target, Error> {
    let (mut request, artifacts) = match name {
        TargetName::Host { name } => (host_request(project, name)?, vec![]),
        TargetName::Image {
            kind,
            format,
            system,
        } => match find(project, kind, format)? {
            Image::Target(config) => {
                let own = config.own_system();
                let wanted = system.as_ref().or(own.as_ref()).unwrap_or(native);
                let artifact = config.artifact.clone();
                (image_request(config, wanted, native)?, artifact)
            }
            Image::Variant => (variant_request(kind, format, system.as_ref())?, vec![]),
        },
    };
    if request.package.is_some() && (forced.stamp || !forced.set.is_empty()) {
        let message =
            format!("nothing can be set on {name}: it is a package, and no part of a host");
        return Err(Error::new(Kind::Usage, message)
            .hint("an image of a host in nixosConfigurations takes `--set` and `--stamp`"));
    }
    if forced.stamp {
        stamp(project, &mut request, sources)?;
    }
    for setting in &forced.set {
        request
            .overrides
            .force(setting.path.clone(), setting.value.clone());
        // A host is for the system that it says itself, unless it is told another one.
        if request.system.is_none() && setting.path.to_string() == HOST_PLATFORM {
            request.system = platform(&setting.value);
        }
    }
    request.overrides.check().map_err(NixError::from)?;
    Ok(Target {
        name: name.clone(),
        request,
        artifacts,
    })
}

/// What the name of an image stands for, as far as that is known without asking anybody. What
/// cbox.toml calls so comes first.
///
/// # Errors
/// When it can be neither a target nor a variant of a host.
pub fn find<'a>(project: &'a Project, kind: &str, format: &str) -> Result<Image<'a>, Error> {
    let targets = project.targets();
    let mut of_kind = targets.iter().filter(|target| target.kind == kind);
    if let Some(target) = of_kind.clone().find(|target| target.format == format) {
        return Ok(Image::Target(target));
    }
    let hosts = project.image_hosts();
    let may_be_host = hosts
        .as_ref()
        .is_none_or(|hosts| hosts.iter().any(|host| host == kind));
    if kind != HOSTS && may_be_host {
        check_link(targets, kind, format)?;
        return Ok(Image::Variant);
    }
    if of_kind.next().is_some() {
        let formats = targets.iter().filter(|target| target.kind == kind);
        let formats: Vec<&str> = formats.map(|target| target.format.as_str()).collect();
        return Err(Error::new(
            Kind::Usage,
            format!("the kind `{kind}` has no format `{format}`"),
        )
        .hint(suggestion(format, &formats)));
    }
    let hosts = hosts.unwrap_or_default();
    let kinds = targets.iter().map(|target| target.kind.as_str());
    let mut known: Vec<&str> = hosts.iter().map(String::as_str).chain(kinds).collect();
    known.sort_unstable();
    known.dedup();
    let message = match project.is_configured() {
        true => format!("there is no kind of target `{kind}`, and no host"),
        false => format!(
            "the flake has no host `{kind}`, and there is no cbox.toml in {} with such a kind",
            project.folder
        ),
    };
    Err(Error::new(Kind::Usage, message).hint(suggestion(kind, &known)))
}

/// The words behind `cbox` that build `name`.
pub fn command(project: &Project, name: &TargetName) -> String {
    let words = name.to_string().replace('/', " ");
    match name {
        TargetName::Host { name } => format!("build {HOSTS}/{name}"),
        TargetName::Image { kind, format, .. } => match find(project, kind, format) {
            Ok(Image::Variant) => format!("image {words}"),
            _ => words,
        },
    }
}

/// Checks that a variant shares its link with none of the `targets` of cbox.toml.
fn check_link(targets: &[TargetConfig], host: &str, variant: &str) -> Result<(), Error> {
    let name = TargetName::image(host, variant, None)
        .map_err(|error| Error::new(Kind::Usage, error.to_string()))?;
    let has_link = |target: &&TargetConfig| {
        let own = TargetName::image(&target.kind, &target.format, None);
        own.is_ok_and(|own| own.slug() == name.slug())
    };
    match targets.iter().find(has_link) {
        Some(other) => Err(Error::new(
            Kind::Config,
            format!(
                "{name} and the target {} would share the link out/{}",
                other.target(),
                name.slug()
            ),
        )
        .hint("a [[target]] in cbox.toml for one of them can have another name")),
        None => Ok(()),
    }
}

/// What is evaluated for a variant of a host, which is left as it is unless a system is asked
/// for.
fn variant_request(host: &str, variant: &str, system: Option<&System>) -> Result<Request, Error> {
    let mut overrides = Overrides::default();
    if let Some(system) = system {
        overrides.force(option(HOST_PLATFORM)?, json!(system));
    }
    Ok(Request {
        host: host.to_owned(),
        wants: vec![Want::Variant(variant.to_owned()), Want::ArtifactPath],
        overrides,
        system: system.cloned(),
        ..Request::default()
    })
}

fn image_request(
    config: &TargetConfig,
    wanted: &System,
    native: &System,
) -> Result<Request, Error> {
    check_system(config, wanted)?;
    if let Some(package) = config.package(wanted) {
        return Ok(Request {
            package: Some(package.map_err(NixError::from)?),
            wants: match config.artifact.is_empty() {
                true => vec![Want::ArtifactPath],
                false => vec![],
            },
            ..Request::default()
        });
    }
    let mut overrides = config.overrides()?;
    if config.system.is_none() {
        overrides.force(option(HOST_PLATFORM)?, json!(wanted));
    }
    if config.cross && wanted != native {
        overrides.force(option("nixpkgs.buildPlatform")?, json!(native));
    }
    let mut wants: Vec<Want> = config
        .attribute
        .iter()
        .cloned()
        .map(Want::Derivation)
        .collect();
    wants.extend(config.name.clone().map(Want::Text));
    if config.artifact.is_empty() {
        wants.push(Want::ArtifactPath);
    }
    Ok(Request {
        host: config.host.clone(),
        wants,
        overrides,
        system: Some(wanted.clone()),
        ..Request::default()
    })
}

/// Checks that cbox.toml offers the target for a system.
pub fn check_system(config: &TargetConfig, wanted: &System) -> Result<(), Error> {
    let systems = config.systems();
    if systems.contains(wanted) {
        return Ok(());
    }
    let systems: Vec<&str> = systems.iter().map(System::as_str).collect();
    Err(Error::new(
        Kind::Unsupported,
        format!("{} cannot be built for {wanted}", config.target()),
    )
    .hint(offered(wanted, &systems)))
}

fn offered(wanted: &System, systems: &[&str]) -> String {
    let offers = format!("cbox.toml offers {}", systems.join(" and "));
    match nearest(wanted.as_str(), systems.iter().copied()).as_slice() {
        [near, ..] => format!("{offers}: did you mean `{near}`?"),
        [] => offers,
    }
}

fn host_request(project: &Project, host: &str) -> Result<Request, Error> {
    if project.is_image_host(host) {
        let images = project.config().targets;
        let name = images
            .iter()
            .find(|target| target.host == host)
            .map(TargetConfig::target);
        let hint = name.map_or_else(String::new, |name| format!("build {name}"));
        return Err(Error::new(
            Kind::Usage,
            format!("{host} is not a machine: it exists only to be built into an image"),
        )
        .hint(hint));
    }
    project.check_host_among(host, &project.install_hosts())?;
    toplevel(host)
}

/// What an install host is built as.
pub fn toplevel(host: &str) -> Result<Request, Error> {
    Ok(Request {
        host: host.to_owned(),
        wants: vec![Want::Derivation(option(TOPLEVEL)?)],
        ..Request::default()
    })
}

/// Forces the commit and the branch on the options that are there for them.
fn stamp(project: &Project, request: &mut Request, sources: &Version<'_>) -> Result<(), Error> {
    let Some(stamp) = &project.required_config()?.stamp else {
        return Err(Error::new(
            Kind::Config,
            "cbox.toml has no [stamp] section, so `--stamp` sets nothing",
        )
        .hint("it names the options: revision = \"system.configurationRevision\""));
    };
    let Some(revision) = &sources.head.revision else {
        return Err(
            Error::new(Kind::Source, "`--stamp` has no commit to name").hint("commit first")
        );
    };
    let dirty = if sources.is_dirty() { "-dirty" } else { "" };
    request
        .overrides
        .force(stamp.revision.clone(), json!(format!("{revision}{dirty}")));
    if let (Some(option), Some(branch)) = (&stamp.branch, &sources.head.branch) {
        request.overrides.force(option.clone(), json!(branch));
    }
    Ok(())
}

fn option(path: &str) -> Result<OptionPath, Error> {
    path.parse()
        .map_err(|error: OverrideError| NixError::from(error).into())
}
