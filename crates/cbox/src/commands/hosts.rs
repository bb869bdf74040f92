//! `cbox hosts`: the hosts, each with what evaluation says of it.

use cbox_driver::{
    error::{Error, Kind},
    eval::{
        hosts,
        schedule::{self, Item},
    },
    flake::session::Session,
    process::options::NixArguments,
};
use cbox_nix::expression::{Evaluated, Request};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::{commands::context::Context, options::LimitOptions};

/// List the hosts with their kind, system and host name
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cbox hosts")]
pub(crate) struct HostsArgs {
    #[command(flatten)]
    limits: LimitOptions,
}

/// Runs the command. A host that does not evaluate is shown with its error, and does not
/// keep the others from being shown.
pub(crate) async fn run(context: &Context<'_>, args: &HostsArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    if session.project.is_configured() && session.project.hosts().is_empty() {
        let folder = &session.project.folder;
        let message = format!(
            "there is no hosts/<name>/default.nix in {folder}, and cbox.toml names no hosts"
        );
        return Err(Error::new(Kind::Config, message)
            .hint("`hosts = […]` in cbox.toml names them, as in nixosConfigurations"));
    }
    let arguments = NixArguments::default();
    let (evaluator, sources) = session.to_evaluate(&arguments).await?;
    hosts::find(&evaluator, &sources).await?;
    let hosts = session.project.hosts();
    if hosts.is_empty() {
        return Err(hosts::none(&evaluator));
    }
    let sources = &sources;
    let items = hosts.iter().map(|host| async move {
        let (snapshot, _) = sources.snapshot_for(Some(host), false).await?;
        Ok::<_, Error>(Item {
            snapshot,
            request: Request {
                host: host.clone(),
                ..Request::default()
            },
            name: host.clone(),
        })
    });
    let items: Vec<Item> = stream::iter(items)
        .buffered(session.environment.cores)
        .try_collect()
        .await?;
    let answers = schedule::evaluate(&evaluator, &args.limits.into(), &items).await?;
    show(context, session, &hosts, answers)
}

fn show(
    context: &Context<'_>,
    session: &Session<'_>,
    hosts: &[String],
    answers: Vec<Result<Evaluated, Error>>,
) -> Result<(), Error> {
    let mut items = Vec::new();
    let mut rows = vec![["HOST", "KIND", "SYSTEM", "HOST NAME"].map(str::to_owned)];
    let mut failures: Vec<Error> = Vec::new();
    // What keeps every host from being evaluated is said once.
    if let Some(Err(error)) = answers.first()
        && !error.does_not_evaluate()
        && answers
            .iter()
            .all(|answer| answer.as_ref().err() == Some(error))
    {
        return Err(error.clone());
    }
    for (host, answer) in hosts.iter().zip(answers) {
        let kind = if session.project.is_image_host(host) {
            "image"
        } else {
            "install"
        };
        match answer {
            Ok(evaluated) => {
                let name = evaluated.host_name.unwrap_or_default();
                items.push(json!({
                    "host": host,
                    "kind": kind,
                    "system": evaluated.system,
                    "hostName": name,
                    "error": null,
                }));
                rows.push([
                    host.clone(),
                    kind.to_owned(),
                    evaluated.system.to_string(),
                    name,
                ]);
            }
            Err(error) => {
                items.push(json!({
                    "host": host,
                    "kind": kind,
                    "system": null,
                    "hostName": null,
                    "error": error.to_json(),
                }));
                let why = match error.does_not_evaluate() {
                    true => "does not evaluate",
                    false => "not evaluated",
                };
                rows.push([host.clone(), kind.to_owned(), why.to_owned(), String::new()]);
                if !failures.contains(&error) {
                    failures.push(error);
                }
            }
        }
    }
    context.document("hosts", "hosts", || items.into());
    context.table(&rows);
    super::report::first_of(context.view, failures)
}
