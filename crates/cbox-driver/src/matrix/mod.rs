//! Targets as jobs of a CI system, so that many machines share the work. Nix is asked only where
//! the jobs are narrowed down to those that are [`needed`]. The hosts that machines judge together
//! are [`shards`].

pub mod needed;
pub mod shards;

use std::{collections::BTreeSet, str::FromStr};

use nix_formats::system::System;

use crate::{
    ci::MatrixJob,
    error::{Error, Kind},
    flake::{config::TargetConfig, session::Session},
    subject::{target, words},
    target_name::{HOSTS, TargetName},
};

/// Which machine builds something.
#[derive(Debug, Clone)]
pub struct Runner {
    /// A system or a target.
    pub what: String,
    /// What the machine is called; empty where there is none.
    pub label: String,
}

impl FromStr for Runner {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((what, label)) if !what.is_empty() => Ok(Self {
                what: what.to_owned(),
                label: label.to_owned(),
            }),
            _ => Err("expected a system or a target, `=` and a label: aarch64=arm-runner"),
        }
    }
}

/// The jobs for what is `named`, or for every image for every system.
///
/// # Errors
/// When a name names nothing, or when there is nothing to name, or no runner for any of it.
pub fn jobs(
    session: &Session<'_>,
    named: &[String],
    runners: &[Runner],
) -> Result<Vec<MatrixJob>, Error> {
    for runner in runners {
        check_runner(session, runner)?;
    }
    let names = match named {
        [] => {
            let targets = &session.project.required_config()?.targets;
            targets.iter().flat_map(images).collect()
        }
        named => named_targets(session, named)?,
    };
    if names.is_empty() {
        return Err(Error::new(Kind::Config, "cbox.toml has no [[target]]")
            .hint("`cbox init` finds the images of a flake; a host is included when it is named"));
    }
    let mut jobs = Vec::new();
    for name in &names {
        let runner = runner(runners, name);
        if runner.is_none() && !runners.is_empty() {
            let why = match name {
                TargetName::Image {
                    system: Some(_), ..
                } => "",
                _ => ", whose system only evaluation tells",
            };
            session.reporter.warn(&format!(
                "no `--runner` is for {name}{why}: `--runner {name}=LABEL` names one"
            ));
        }
        if runner == Some("") {
            let note = format!("{name} is left out: `--runner` names none for it");
            session.reporter.note(&note);
        } else {
            jobs.push(job(session, name, runner)?);
        }
    }
    if jobs.is_empty() {
        let message = "`--runner` leaves no target in the matrix";
        return Err(Error::new(Kind::Usage, message).hint("name a runner for one of the systems"));
    }
    Ok(jobs)
}

/// What was named: an image without a system is meant for all of them.
fn named_targets(session: &Session<'_>, named: &[String]) -> Result<Vec<TargetName>, Error> {
    let mut names = Vec::new();
    for name in words::targets(&session.project, named)? {
        match &name {
            TargetName::Host { name: host } => {
                session.project.check_host(host)?;
                names.push(name);
            }
            TargetName::Image {
                kind,
                format,
                system,
            } => {
                let config = target::find(&session.project, kind, format)?.target();
                match (config, system) {
                    (Some(config), Some(system)) => {
                        target::check_system(config, system)?;
                        names.push(name);
                    }
                    (Some(config), None) => names.extend(images(config)),
                    // Its system is the host's own, unless one is asked for.
                    (None, _) => names.push(name),
                }
            }
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// A target for each of its systems.
fn images(config: &TargetConfig) -> impl Iterator<Item = TargetName> + '_ {
    let image = |system| TargetName::Image {
        kind: config.kind.clone(),
        format: config.format.clone(),
        system: Some(system),
    };
    config.systems().into_iter().map(image)
}

/// What it is for has to be a system or a target, or it would be for nothing.
fn check_runner(session: &Session<'_>, runner: &Runner) -> Result<(), Error> {
    if !runner.what.contains('/') {
        return match runner.what.parse::<System>() {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(Kind::Usage, format!("`--runner`: {error}"))
                .hint("a runner is for a system, such as aarch64-linux, or for a target")),
        };
    }
    named_targets(session, std::slice::from_ref(&runner.what)).map(drop)
}

fn job(session: &Session<'_>, name: &TargetName, runner: Option<&str>) -> Result<MatrixJob, Error> {
    let (kind, format, system, host) = match name {
        TargetName::Host { name } => (HOSTS, None, None, name.as_str()),
        TargetName::Image {
            kind,
            format,
            system,
        } => {
            let config = target::find(&session.project, kind, format)?.target();
            let host = config.map_or(kind.as_str(), TargetConfig::origin);
            (kind.as_str(), Some(format), system.as_ref(), host)
        }
    };
    Ok(MatrixJob {
        target: name.to_string(),
        slug: name.slug(),
        kind: kind.to_owned(),
        format: format.cloned(),
        system: system.cloned(),
        host: host.to_owned(),
        runner: runner.map(str::to_owned),
    })
}

/// The runner for `name`: what is said of a target counts before what is said of a system.
fn runner<'r>(runners: &'r [Runner], name: &TargetName) -> Option<&'r str> {
    let of_target = |target: &TargetName| {
        let is_it = |runner: &&Runner| runner.what.parse().as_ref() == Ok(target);
        runners.iter().rev().find(is_it)
    };
    let found = match name {
        TargetName::Image {
            kind,
            format,
            system: Some(system),
        } => {
            let of_system = |runner: &&Runner| runner.what.parse().as_ref() == Ok(system);
            let image = TargetName::image(kind, format, None).ok();
            of_target(name)
                .or_else(|| of_target(&image?))
                .or_else(|| runners.iter().rev().find(of_system))
        }
        _ => of_target(name),
    };
    found.map(|runner| runner.label.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_runner_counts() {
        let runners: Vec<Runner> = [
            "aarch64=arm",
            "vm/raw=big",
            "vm/raw/arm64=",
            "x86_64-linux=pc",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        for (name, expected) in [
            ("vm/iso/aarch64-linux", Some("arm")),
            ("vm/iso/x86_64-linux", Some("pc")),
            ("vm/raw/x86_64-linux", Some("big")),
            ("vm/raw/aarch64-linux", Some("")),
            ("vm/iso/riscv64-linux", None),
            ("hosts/box", None),
        ] {
            let name: TargetName = name.parse().unwrap();
            assert_eq!(runner(&runners, &name), expected, "{name}");
        }
    }
}
