//! `cbox hosts`: the hosts, each with what evaluation says of it.

use cbox_core::{
    expression::{Evaluated, Request},
    overrides::Overrides,
};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::document;
use crate::{
    cli::{BuildFlags, Common},
    error::Error,
    exit::Kind,
    project::is_image_host,
    session::Session,
    staging::Sources,
    view::columns,
};

/// Runs the command. A host that does not evaluate is shown with its error, and does not
/// keep the others from being shown.
pub(crate) async fn run(session: &Session<'_>, common: &Common) -> Result<(), Error> {
    let hosts = session.project.host_folders();
    if hosts.is_empty() {
        return Err(Error::new(
            Kind::Config,
            format!(
                "there is no hosts/<name>/default.nix in {}",
                session.project.folder
            ),
        )
        .hint("a host is a folder there"));
    }
    let flags = BuildFlags::default();
    let (evaluator, sources) = tokio::try_join!(
        session.evaluator(common, &flags),
        Sources::look(session, false)
    )?;
    let (evaluator, sources) = (&evaluator, &sources);
    let all = hosts.iter().map(|host| async move {
        let request = Request {
            host: host.clone(),
            attribute: None,
            name: None,
            overrides: Overrides::default(),
        };
        let (snapshot, _) = sources.snapshot(Some(host), false).await?;
        evaluator.evaluate(&snapshot, &request, host).await
    });
    let answers: Vec<Result<Evaluated, Error>> = stream::iter(all)
        .buffered(session.environment.cores)
        .collect()
        .await;
    show(session, &hosts, answers)
}

fn show(
    session: &Session<'_>,
    hosts: &[String],
    answers: Vec<Result<Evaluated, Error>>,
) -> Result<(), Error> {
    let mut items = Vec::new();
    let mut rows = vec![["HOST", "KIND", "SYSTEM", "HOST NAME"].map(str::to_owned)];
    let mut failures: Vec<Error> = Vec::new();
    for (host, answer) in hosts.iter().zip(answers) {
        let kind = if is_image_host(host) {
            "image"
        } else {
            "install"
        };
        match answer {
            Ok(evaluated) => {
                let name = evaluated.host_name.unwrap_or_default();
                items.push(json!({ "host": host, "kind": kind, "system": evaluated.system, "hostName": name }));
                rows.push([
                    host.clone(),
                    kind.to_owned(),
                    evaluated.system.to_string(),
                    name,
                ]);
            }
            // What keeps every host from being evaluated is said once.
            Err(error) if error.kind != Kind::Evaluation => return Err(error),
            Err(error) => {
                items.push(json!({ "host": host, "kind": kind, "error": error.message }));
                rows.push([
                    host.clone(),
                    kind.to_owned(),
                    "does not evaluate".to_owned(),
                    String::new(),
                ]);
                if !failures.contains(&error) {
                    failures.push(error);
                }
            }
        }
    }
    session.view.json(&document("hosts", items.into()));
    columns(&rows)
        .iter()
        .for_each(|row| session.view.plain(row));
    super::report::first_of(session.view, failures)
}
