//! `cbox source`: the staged tree.

use serde_json::json;

use super::document;
use crate::{
    cli::{BuildFlags, Common, SourceArgs, SourceCommand},
    error::Error,
    session::Session,
    staging::Sources,
    view::{count, size},
};

/// Runs the command.
pub(crate) async fn run(
    session: &Session<'_>,
    common: &Common,
    command: &SourceCommand,
) -> Result<(), Error> {
    let (SourceCommand::List(args) | SourceCommand::Hash(args) | SourceCommand::Ref(args)) =
        command;
    let SourceArgs { host, tracked } = args;
    let view = session.view;
    if let Some(host) = host {
        session.project.check_host(host)?;
    }
    let sources = Sources::look(session, *tracked).await?;
    // Asked for by name, so an image host's local settings are wanted too.
    let (snapshot, _) = sources.snapshot(host.as_deref(), true).await?;
    let staged = &snapshot.staged;
    match command {
        SourceCommand::List(_) => {
            let entries = &snapshot.tree.entries;
            for entry in entries {
                view.plain(&entry.path.display().to_string());
            }
            view.note(&format!(
                "{}, {}",
                count(entries.len(), "file"),
                size(snapshot.tree.size())
            ));
            let items = entries.iter().map(|entry| {
                let local = snapshot.local.contains(&entry.path);
                json!({ "path": entry.path.display().to_string(), "tracked": entry.tracked, "local": local })
            });
            view.json(&document("files", items.collect()));
        }
        SourceCommand::Hash(_) => {
            view.plain(&staged.nar_hash.to_string());
            view.json(&document("narHash", json!(staged.nar_hash.to_string())));
        }
        SourceCommand::Ref(_) => {
            let evaluator = session.evaluator(common, &BuildFlags::default()).await?;
            snapshot.ready(&evaluator).await?;
            view.plain(&staged.reference());
            view.json(&document("reference", json!(staged.reference())));
        }
    }
    Ok(())
}
