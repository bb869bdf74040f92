//! From a target's name to what is to be evaluated: the validated request.

use cbox_nix::{
    NixError,
    expression::{Evaluated, Request, Want},
    overrides::{OptionPath, OverrideError},
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
    process::options::Forced,
    target_name::{HOSTS, TargetName, TargetNameError},
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
    /// The patterns of its files, one for each. A host's system has none, and a derivation that
    /// is asked for the paths brings them.
    pub artifacts: Vec<String>,
}

impl Target {
    /// The patterns of its files, where the evaluation gave `evaluated`.
    pub fn artifacts(&self, evaluated: &Evaluated) -> Result<Vec<String>, Error> {
        if !self.request.wants(&Want::ArtifactPath) {
            return Ok(self.artifacts.clone());
        }
        let name = &self.name;
        let wrong = |what: String| {
            Error::new(Kind::Config, format!("target {name}: {what}"))
                .hint("`artifact` of the target in cbox.toml says which file is the image")
        };
        if evaluated.artifact_path.is_empty() {
            return Err(wrong(
                "its derivation does not say which file is the image, in `passthru.filePath`"
                    .to_owned(),
            ));
        }
        let patterns = evaluated.artifact_path.iter().map(|path| {
            let pattern = globset::escape(path);
            let checked = check_artifact(&pattern).map(|()| pattern);
            checked.map_err(|reason| wrong(format!("`passthru.filePath`: {reason}")))
        });
        patterns.collect()
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
        } => {
            let config = find(project, kind, format)?;
            let own = config.system.as_ref();
            let wanted = system.as_ref().or(own).unwrap_or(native);
            (
                image_request(config, wanted, native)?,
                config.artifact.clone(),
            )
        }
    };
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

/// Checks the words of an image's name before anything else is asked.
pub fn find<'a>(project: &'a Project, kind: &str, format: &str) -> Result<&'a TargetConfig, Error> {
    let targets = &project.required_config()?.targets;
    let of_kind: Vec<&TargetConfig> = targets
        .iter()
        .filter(|target| target.kind == kind)
        .collect();
    if of_kind.is_empty() {
        let mut kinds: Vec<&str> = targets.iter().map(|target| target.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        return Err(
            Error::new(Kind::Usage, format!("there is no kind of target `{kind}`"))
                .hint(suggestion(kind, &kinds)),
        );
    }
    of_kind
        .iter()
        .find(|target| target.format == format)
        .copied()
        .ok_or_else(|| {
            let formats: Vec<&str> = of_kind
                .iter()
                .map(|target| target.format.as_str())
                .collect();
            Error::new(
                Kind::Usage,
                format!("the kind `{kind}` has no format `{format}`"),
            )
            .hint(suggestion(format, &formats))
        })
}

fn image_request(
    config: &TargetConfig,
    wanted: &System,
    native: &System,
) -> Result<Request, Error> {
    check_system(config, wanted)?;
    let mut overrides = config.overrides()?;
    if config.system.is_none() {
        overrides.force(option(HOST_PLATFORM)?, json!(wanted));
    }
    if config.cross && wanted != native {
        overrides.force(option("nixpkgs.buildPlatform")?, json!(native));
    }
    let mut wants = vec![Want::Derivation(config.attribute.clone())];
    wants.extend(config.name.clone().map(Want::Text));
    if config.artifact.is_empty() {
        wants.push(Want::ArtifactPath);
    }
    Ok(Request {
        host: config.host.clone(),
        wants,
        overrides,
        system: Some(wanted.clone()),
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
