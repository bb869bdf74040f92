//! `cbox source`: the staged tree, each of its commands a file.

mod audit;
mod baked;
mod list;
mod why;

use std::sync::Arc;

use cbox_driver::{
    error::Error,
    flake::{snapshot::Snapshot, version::Version},
    options::NixArguments,
    session::Session,
};
use serde_json::json;

use super::document;
use crate::{
    cli::{SourceArgs, SourceCommand},
    context::Context,
};

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, command: &SourceCommand) -> Result<(), Error> {
    let session = &context.open(None)?;
    let view = context.view;
    match command {
        SourceCommand::List(args) => {
            let snapshot = snapshot(session, &args.source).await?;
            list::run(context, session, args, &snapshot);
        }
        SourceCommand::Hash(args) => {
            let hash = snapshot(session, args).await?.staged.nar_hash.to_string();
            view.plain(&hash);
            view.json(&document("narHash", json!(hash)));
        }
        SourceCommand::Ref(args) => {
            let snapshot = snapshot(session, args).await?;
            let evaluator = session.evaluator(&NixArguments::default()).await?;
            snapshot.ready(&evaluator).await?;
            let reference = snapshot.staged.reference();
            view.plain(&reference);
            view.json(&document("reference", json!(reference)));
        }
        SourceCommand::Why(args) => why::run(context, session, args).await?,
        SourceCommand::Baked(args) => baked::run(context, session, args).await?,
        SourceCommand::Audit { tracked } => audit::run(context, session, *tracked).await?,
    }
    Ok(())
}

/// The tree that is meant.
async fn snapshot(session: &Session<'_>, args: &SourceArgs) -> Result<Arc<Snapshot>, Error> {
    if let Some(host) = &args.host {
        session.project.check_host(host)?;
    }
    let sources = Version::working_tree(session, args.tracked).await?;
    // Asked for by name, so an image host's local settings are wanted too.
    let (snapshot, _) = sources.snapshot_for(args.host.as_deref(), true).await?;
    Ok(snapshot)
}
