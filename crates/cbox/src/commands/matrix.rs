//! `cbox matrix`: the targets, or the hosts to be judged, as a matrix of the CI system that the run
//! is in.

use std::num::NonZeroUsize;

use cbox_driver::{
    ci::{self, CiSystem},
    error::Error,
    eval::hosts,
    matrix::{
        self, Runner,
        needed::{self, Needed},
        shards,
    },
    text::harmless_json,
};
use serde_json::json;

use crate::{
    commands::context::Context,
    options::{Format, LimitOptions, NixOptions, ci_formats, complete, parse_number},
};

fn examples() -> String {
    let with_system = ci::SYSTEMS
        .iter()
        .flat_map(|system| system.matrix_examples());
    let lines = with_system.map(|line| format!("\n  {line}"));
    format!(
        "Examples:\n  cbox matrix\n  cbox matrix --changed --base origin/main --not-cached\n  cbox matrix --hosts --shards 4{}",
        lines.collect::<String>()
    )
}

/// Print the targets, or shards of the install hosts, as a matrix for a CI system
#[derive(Debug, clap::Args)]
#[command(after_help = examples())]
pub(crate) struct MatrixArgs {
    /// What to build [default: every image for every system]
    #[arg(value_name = "TARGET", add = complete::targets())]
    targets: Vec<String>,
    /// The runner for a system or a target; an empty label leaves it out
    #[arg(long = "runner", value_name = "WHAT=LABEL")]
    runners: Vec<Runner>,
    #[arg(long, value_parser = ci_formats(), help = format_help())]
    format: Option<Format>,
    /// Only targets that build something else than at a commit
    #[arg(long, group = "compared")]
    changed: bool,
    /// That commit [default: in a pull request, where it began]
    #[arg(long, value_name = "REV", requires = "compared")]
    base: Option<String>,
    /// Only targets that are neither in the store nor in a binary cache that Nix uses
    #[arg(long)]
    not_cached: bool,
    /// The install hosts instead of targets, for machines that judge some of them each
    #[arg(long, requires = "shards", group = "compared", conflicts_with_all = ["targets", "runners", "not_cached"])]
    hosts: bool,
    /// Split them into N parts that took the same time when they were last evaluated
    #[arg(long, value_name = "N", requires = "hosts", value_parser = parse_number)]
    shards: Option<NonZeroUsize>,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    nix: NixOptions,
}

fn format_help() -> String {
    let defaults = ci::SYSTEMS.map(|system| format!("{} in {}", system.name(), system.title()));
    format!(
        "The CI system that it is for [default: {}, {} elsewhere]",
        defaults.join(", "),
        ci::SYSTEMS[0].name()
    )
}

/// Runs the command.
///
/// # Errors
/// When a name names nothing, or when there are no jobs or too many.
pub(crate) async fn run(context: &Context<'_>, args: &MatrixArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    if let Some(number) = args.shards {
        let shards = shards::shards(session, args.base.as_deref(), number).await?;
        if context.view.is_json() {
            context.document("shards", "shards", || json!(shards));
            return Ok(());
        }
        show(context, &system(context, args).shards(&shards)?);
        return Ok(());
    }
    hosts::for_words(session, &args.targets).await?;
    let mut jobs = matrix::jobs(session, &args.targets, &args.runners)?;
    let is_narrowed = args.changed || args.not_cached;
    if is_narrowed {
        let needed = Needed {
            changed: args.changed,
            base: args.base.as_deref(),
            not_cached: args.not_cached,
            limits: args.limits.into(),
            arguments: &args.nix.arguments(),
        };
        jobs = needed::only(session, jobs, &needed).await?;
    }
    if context.view.is_json() {
        context.document("matrix", "jobs", || json!(jobs));
        return Ok(());
    }
    show(context, &system(context, args).matrix(&jobs)?);
    Ok(())
}

/// The CI system that the document is for.
fn system(context: &Context<'_>, args: &MatrixArgs) -> &'static dyn CiSystem {
    match (args.format, context.environment.ci()) {
        (Some(Format::Ci(system)), _) => system,
        (_, Some(job)) => job.system,
        (_, None) => ci::SYSTEMS[0],
    }
}

fn show(context: &Context<'_>, document: &str) {
    context.view.document(&harmless_json(document));
}
