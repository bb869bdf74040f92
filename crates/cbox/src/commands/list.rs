//! `cbox list`: what there is to build. The targets of a cbox.toml are listed without asking
//! Nix. Without one the hosts are, by their names alone, and their variants as far as they are
//! known or few hosts have to be evaluated for them.

use cbox_driver::{
    error::Error,
    eval::{evaluator::Evaluator, hosts},
    flake::{config::TargetConfig, project::Project, version::Version},
    process::options::NixArguments,
    subject::variants::{self, Offer},
    target_name::{HOSTS, word},
};
use cbox_nix::expression::Variant;
use nix_formats::system::System;
use serde_json::{Value, json};

use super::report;
use crate::{
    commands::context::Context,
    options::{LimitOptions, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox list                 the targets of cbox.toml, or without one the hosts
  cbox list box             each image that the host `box` offers
  cbox list --all --json    those of every host
  cbox list github:owner/repo
                            the hosts of a flake that Nix fetches";

/// List what there is to build: targets, hosts and their images
///
/// The names of a host's images are known once it is evaluated, which takes about a second and is
/// remembered. Without a cbox.toml that is done for a few hosts, for those that are named, and for all
/// with `--all` and `--json`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Hosts, of which each image is listed
    #[arg(value_name = "HOST", add = complete::hosts())]
    hosts: Vec<String>,
    /// Look at every host, however many there are
    #[arg(long, conflicts_with = "hosts")]
    all: bool,
    #[command(flatten)]
    limits: LimitOptions,
}

/// How many hosts are looked at without being asked for.
const FEW: usize = 8;

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &ListArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    if session.project.is_configured() && args.hosts.is_empty() && !args.all {
        targets(context, &session.project);
        return Ok(());
    }
    let nix = NixArguments::default();
    let (evaluator, version) = session.to_evaluate(&nix).await?;
    let mut names = hosts::names(&evaluator, &version).await?;
    if names.is_empty() {
        return Err(hosts::none(&evaluator));
    }
    names.retain(|name| {
        let is_word = word(name);
        if let Err(error) = &is_word {
            context.view.note(&format!("left out: {error}"));
        }
        is_word.is_ok()
    });
    for host in &args.hosts {
        if !names.contains(host) {
            return Err(hosts::no_host(host, &names));
        }
    }
    if !args.hosts.is_empty() {
        names = args.hosts.clone();
    }
    let offers = look(context, &evaluator, &version, args, &names).await?;
    let listed: Vec<Listed> = names
        .into_iter()
        .zip(offers)
        .map(|(host, offer)| Listed { host, offer })
        .collect();
    context.document("list", "targets", || {
        let declared = declared_json(&session.project, &args.hosts).into_iter();
        declared
            .chain(listed.iter().flat_map(Listed::to_json))
            .collect()
    });
    match args.hosts.is_empty() {
        true => overview(context, &listed),
        false => each(context, &session.project, &listed),
    }
    let failures = listed
        .iter()
        .filter_map(|listed| listed.offer.as_ref()?.as_ref().err());
    let failures: Vec<Error> = Error::merged(failures.cloned().collect());
    let is_all = listed
        .iter()
        .all(|listed| matches!(listed.offer, Some(Err(_))));
    if args.hosts.is_empty() && !is_all {
        // Each host can be built whatever another one does.
        failures
            .iter()
            .for_each(|error| context.view.warn(&error.message));
        return Ok(());
    }
    report::first_of(context.view, failures)
}

/// A host, and what it offers if that was looked at.
struct Listed {
    host: String,
    offer: Option<Result<Offer, Error>>,
}

/// What the hosts offer; `None` of those that were not looked at, since there are many.
async fn look(
    context: &Context<'_>,
    evaluator: &Evaluator<'_>,
    version: &Version<'_>,
    args: &ListArgs,
    names: &[String],
) -> Result<Vec<Option<Result<Offer, Error>>>, Error> {
    let mut known = variants::remembered(evaluator, version, names).await?;
    let open = known.iter().filter(|known| !**known).count();
    let is_asked = args.all || !args.hosts.is_empty() || context.view.is_json();
    if is_asked || open <= FEW {
        known.fill(true);
    }
    let names = names.iter().zip(&known);
    let names = names
        .filter(|(_, known)| **known)
        .map(|(name, _)| name.clone());
    let names: Vec<String> = names.collect();
    let offers = variants::of(evaluator, version, &names, &args.limits.into()).await?;
    let mut offers = offers.into_iter();
    let offers = known.iter().map(|known| match known {
        true => offers.next(),
        false => None,
    });
    Ok(offers.collect())
}

impl Listed {
    /// The targets that it can be built as.
    fn to_json(&self) -> Vec<Value> {
        let host = &self.host;
        let target = format!("{HOSTS}/{host}");
        let offer = match &self.offer {
            Some(Ok(offer)) => offer,
            Some(Err(error)) => {
                return vec![json!({ "target": target, "host": host, "error": error.message })];
            }
            None => return vec![json!({ "target": target, "host": host })],
        };
        let systems = [&offer.system];
        let machine = offer
            .images
            .toplevel
            .then(|| json!({ "target": target, "host": host, "systems": systems }));
        let (own, others) = offer.variants();
        let image = |variant: &Variant| {
            json!({
                "target": format!("{host}/{}", variant.name),
                "host": host,
                "systems": systems,
                "option": variant.attribute.join("."),
                "own": variant.own,
            })
        };
        let images = own.into_iter().chain(others).map(image);
        machine.into_iter().chain(images).collect()
    }
}

/// One line for each host.
fn overview(context: &Context<'_>, listed: &[Listed]) {
    let mut rows = vec![["HOST", "SYSTEM", "IMAGES"].map(str::to_owned)];
    for Listed { host, offer } in listed {
        let (system, images) = match offer {
            Some(Ok(offer)) => (offer.system.to_string(), images(offer)),
            Some(Err(error)) if error.does_not_evaluate() => {
                ("does not evaluate".to_owned(), String::new())
            }
            Some(Err(_)) => ("not evaluated".to_owned(), String::new()),
            None => ("not looked at".to_owned(), String::new()),
        };
        rows.push([host.clone(), system, images]);
    }
    context.table(&rows);
    let offers = listed.iter().filter_map(|listed| match &listed.offer {
        Some(Ok(offer)) => Some((&listed.host, offer.variants())),
        _ => None,
    });
    let example = offers
        .filter_map(|(host, (own, others))| {
            Some((host, own.first().or(others.first())?.name.clone()))
        })
        .next();
    if listed.iter().any(|listed| listed.offer.is_none()) {
        context.view.note(
            "`cbox list HOST` looks at one host, and `cbox list --all` at all of them: an evaluation each",
        );
    }
    if let Some((host, variant)) = example {
        context.view.note(&format!(
            "`cbox list {host}` shows each image, and `cbox image {host} {variant}` builds one"
        ));
    }
}

/// The images of a host in a few words: its own by their names, and how many every host has.
fn images(offer: &Offer) -> String {
    let (own, others) = offer.variants();
    let own: Vec<&str> = own.iter().map(|variant| &*variant.name).collect();
    match (own.as_slice(), others.len()) {
        ([], 0) => "none".to_owned(),
        (own, 0) => own.join(" "),
        ([], others) => format!("{others} of nixpkgs"),
        (own, others) => format!("{} and {others} of nixpkgs", own.join(" ")),
    }
}

/// One line for each image.
fn each(context: &Context<'_>, project: &Project, listed: &[Listed]) {
    let mut rows = vec![["TARGET", "SYSTEM", "FROM", "OPTION"].map(str::to_owned)];
    for Listed { host, offer } in listed {
        let declared = project.targets().iter();
        let declared: Vec<_> = declared.filter(|target| target.host == *host).collect();
        for target in &declared {
            let systems = target.systems();
            let systems: Vec<&str> = systems.iter().map(System::as_str).collect();
            rows.push([
                target.target(),
                systems.join(" "),
                "cbox.toml".to_owned(),
                target
                    .attribute
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
            ]);
        }
        let Some(Ok(offer)) = offer else { continue };
        let system = offer.system.to_string();
        if offer.images.toplevel {
            let toplevel = "system.build.toplevel".to_owned();
            let target = format!("{HOSTS}/{host}");
            rows.push([target, system.clone(), "the flake".to_owned(), toplevel]);
        }
        let (own, others) = offer.variants();
        for variant in own.iter().chain(&others) {
            let target = format!("{host}/{}", variant.name);
            // It is there already, as cbox.toml has it.
            if project.targets().iter().any(|it| it.target() == target) {
                continue;
            }
            let from = if variant.own { "the flake" } else { "nixpkgs" };
            let option = variant.attribute.join(".");
            rows.push([target, system.clone(), from.to_owned(), option]);
        }
    }
    if rows.len() > 1 {
        context.table(&rows);
    }
}

/// The targets of cbox.toml as JSON, those of `hosts` alone where some are named.
fn declared_json(project: &Project, hosts: &[String]) -> Vec<Value> {
    let targets = project.targets().iter();
    let targets = targets.filter(|target| hosts.is_empty() || hosts.contains(&target.host));
    let target = |target: &TargetConfig| {
        let mut item = json!({ "target": target.target(), "systems": target.systems() });
        match &target.package {
            Some(package) => item["package"] = json!(package),
            None => item["host"] = json!(target.host),
        }
        item
    };
    targets.map(target).collect()
}

/// The targets and machines of cbox.toml.
fn targets(context: &Context<'_>, project: &Project) {
    let mut items = declared_json(project, &[]);
    let mut rows = vec![["TARGET", "HOST", "SYSTEMS"].map(str::to_owned)];
    for target in project.targets() {
        let systems = target.systems();
        let systems: Vec<&str> = systems.iter().map(System::as_str).collect();
        rows.push([
            target.target(),
            target.origin().to_owned(),
            systems.join(" "),
        ]);
    }
    for host in project.install_hosts() {
        let target = format!("{HOSTS}/{host}");
        items.push(json!({ "target": target, "host": host, "systems": null }));
        rows.push([target, host, String::new()]);
    }
    if items.is_empty() {
        context.view.note(
            "no targets: cbox.toml names neither hosts nor a [[target]], and there is no \
             hosts/<name>/default.nix; `cbox list --all` shows what the flake has",
        );
    } else {
        context.table(&rows);
    }
    context.document("list", "targets", || items.into());
}
