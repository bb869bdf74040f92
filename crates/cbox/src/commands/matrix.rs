//! `cbox matrix`: the targets as a matrix of GitHub Actions, so that many machines share
//! the work. Nix is not asked.
//!
//! The form is that of `jobs.<job_id>.strategy.matrix.include` (GitHub's documentation,
//! "Workflow syntax").

use std::{collections::BTreeSet, str::FromStr};

use cbox_driver::{
    error::{Error, Kind},
    session::Session,
    subject::{
        name::{HOSTS, TargetName},
        target, words,
    },
    text::count,
};
use nix_formats::system::System;
use serde_json::{Map, Value, json};

use crate::{completion, context::Context};

const EXAMPLES: &str = "\
Examples:
  cbox matrix
  cbox matrix appliance/iso --runner x86_64=ubuntu-latest --runner aarch64=ubuntu-24.04-arm
  echo \"matrix=$(cbox matrix)\" >>\"$GITHUB_OUTPUT\"
";

/// Print the targets as a matrix of GitHub Actions
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MatrixArgs {
    /// What to build [default: every image for every system]
    #[arg(value_name = "TARGET", add = completion::targets())]
    targets: Vec<String>,
    /// The runner for a system or a target; an empty label leaves it out
    #[arg(long = "runner", value_name = "WHAT=LABEL")]
    runners: Vec<Runner>,
}

/// Which machine builds something.
#[derive(Debug, Clone)]
struct Runner {
    /// A system or a target.
    what: String,
    /// What the machine is called; empty where there is none.
    label: String,
}

impl FromStr for Runner {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((what, label)) if !what.is_empty() => Ok(Self {
                what: what.to_owned(),
                label: label.to_owned(),
            }),
            _ => Err("it is a system or a target, `=` and the label: aarch64=ubuntu-24.04-arm"),
        }
    }
}

/// How many jobs GitHub makes of one matrix.
const MOST: usize = 256;

/// Runs the command.
///
/// # Errors
/// When a name names nothing, or when there are no jobs or too many.
pub(crate) fn run(context: &Context<'_>, args: &MatrixArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    for runner in &args.runners {
        check_runner(session, runner)?;
    }
    let names = match args.targets.as_slice() {
        [] => all(session),
        named => named_targets(session, named)?,
    };
    let mut include: Vec<Value> = Vec::new();
    for name in &names {
        let mut job = job(session, name);
        match runner(&args.runners, name) {
            Some("") => {
                let note = format!("{name} is left out, as `--runner` has none for it");
                context.view.note(&note);
                continue;
            }
            Some(label) => drop(job.insert("runner".to_owned(), json!(label))),
            None => {}
        }
        include.push(job.into());
    }
    match include.len() {
        0 => return Err(no_jobs(names.is_empty())),
        jobs if jobs > MOST => {
            let jobs = count(jobs, "job");
            return Err(Error::new(
                Kind::Usage,
                format!("{jobs} are more than the {MOST} that GitHub makes of a matrix"),
            )
            .hint("name some of the targets, and the others in a second matrix"));
        }
        _ => {}
    }
    context
        .view
        .result(&json!({ "include": include }).to_string());
    Ok(())
}

fn no_jobs(without_targets: bool) -> Error {
    match without_targets {
        true => Error::new(Kind::Config, "cbox.toml has no [[target]]")
            .hint("`cbox init` finds the images of a flake; hosts are taken when they are named"),
        false => Error::new(Kind::Usage, "`--runner` leaves no target in the matrix")
            .hint("GitHub fails on an empty one: name a runner for one of the systems"),
    }
}

/// Every image for every system.
fn all(session: &Session<'_>) -> Vec<TargetName> {
    let targets = session.project.config().targets;
    let of_target = targets.iter().flat_map(|target| {
        let image = |system: System| TargetName::Image {
            kind: target.kind.clone(),
            format: target.format.clone(),
            system: Some(system),
        };
        target.systems().into_iter().map(image)
    });
    of_target.collect()
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
                let config = target::find(&session.project, kind, format)?;
                let systems = config.systems();
                names.extend(match system {
                    Some(system) => {
                        target::check_system(config, system)?;
                        vec![name]
                    }
                    None => systems
                        .into_iter()
                        .map(|system| TargetName::Image {
                            kind: kind.clone(),
                            format: format.clone(),
                            system: Some(system),
                        })
                        .collect(),
                });
            }
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// What it is for has to be a system or a target, or it would be for nothing.
fn check_runner(session: &Session<'_>, runner: &Runner) -> Result<(), Error> {
    if !runner.what.contains('/') {
        return match runner.what.parse::<System>() {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(Kind::Usage, format!("`--runner`: {error}"))
                .hint("a runner is for a system, as aarch64-linux, or for a target")),
        };
    }
    named_targets(session, std::slice::from_ref(&runner.what)).map(drop)
}

fn job(session: &Session<'_>, name: &TargetName) -> Map<String, Value> {
    let parts = match name {
        TargetName::Host { name } => json!({ "kind": HOSTS, "host": name }),
        TargetName::Image {
            kind,
            format,
            system,
        } => {
            let host = target::find(&session.project, kind, format).map(|config| &config.host);
            json!({ "kind": kind, "format": format, "system": system, "host": host.ok() })
        }
    };
    let mut job = Map::new();
    job.insert("target".to_owned(), json!(name.to_string()));
    job.insert("slug".to_owned(), json!(name.slug()));
    job.extend(parts.as_object().cloned().unwrap_or_default());
    job
}

/// The runner for `name`: what is said of a target counts before what is said of a system.
fn runner<'r>(runners: &'r [Runner], name: &TargetName) -> Option<&'r str> {
    let of_target = |target: &TargetName| {
        let is_it = |runner: &&Runner| runner.what.parse().as_ref() == Ok(target);
        runners.iter().rev().find(is_it)
    };
    let of_system = |system: &System| {
        let is_it = |runner: &&Runner| runner.what.parse().as_ref() == Ok(system);
        runners.iter().rev().find(is_it)
    };
    let mut found = of_target(name);
    if let TargetName::Image {
        kind,
        format,
        system: Some(system),
    } = name
    {
        let without_system = TargetName::Image {
            kind: kind.clone(),
            format: format.clone(),
            system: None,
        };
        found = found
            .or_else(|| of_target(&without_system))
            .or_else(|| of_system(system));
    }
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
