//! `cbox source`: the staged tree, each of its commands a file.

mod audit;
mod baked;
mod list;
mod why;

use std::{path::Path, sync::Arc};

use cbox_driver::{
    Error,
    flake::{session::Session, snapshot::Snapshot, version::Version},
    process::options::NixArguments,
    text::path_text,
};
use clap::Subcommand;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::{commands::context::Context, options::complete};

/// Show what is staged and why, what of it is baked into images, and what must not be
#[derive(Debug, clap::Args)]
pub(crate) struct SourceArgs {
    #[command(subcommand)]
    command: SourceCommand,
}

#[derive(Debug, Subcommand)]
enum SourceCommand {
    List(list::ListArgs),
    /// Print the hash of the staged tree, as flake references have it
    #[command(after_help = "Example: cbox source hash")]
    Hash(SourceOptions),
    /// Put the staged tree into the store and print its flake reference
    #[command(
        after_help = "Example: nixos-rebuild switch --flake \"$(cbox source ref --host box)#box\""
    )]
    Ref(SourceOptions),
    Why(why::WhyArgs),
    Baked(baked::BakedArgs),
    Audit(audit::AuditArgs),
}

/// What of the tree is meant.
#[derive(Debug, clap::Args)]
struct SourceOptions {
    /// With the local settings of this host
    #[arg(long, value_name = "HOST", add = complete::install_hosts())]
    host: Option<String>,
    /// Only files that git tracks
    #[arg(long)]
    tracked: bool,
}

/// `item` with a path: as text, and where it is no UTF-8 also its bytes in base64.
pub(super) fn with_path(mut item: Value, path: &Path) -> Value {
    item["path"] = path_text(path).into();
    if path.to_str().is_none() {
        item["pathBase64"] = BASE64.encode(path.as_os_str().as_encoded_bytes()).into();
    }
    item
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &SourceArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    match &args.command {
        SourceCommand::List(args) => {
            list::run(context, args, &*snapshot(session, &args.source).await?);
        }
        SourceCommand::Hash(args) => {
            let hash = snapshot(session, args).await?.staged.nar_hash.to_string();
            context.document("source-hash", "narHash", || json!(hash));
            context.lines([hash]);
        }
        SourceCommand::Ref(args) => {
            let arguments = NixArguments::default();
            let (evaluator, sources) =
                tokio::try_join!(session.evaluator(&arguments), version(session, args))?;
            evaluator.will_evaluate(&sources);
            let snapshot = snapshot_of(&sources, args).await?;
            snapshot.ready(&evaluator).await?;
            let reference = snapshot.staged.reference();
            context.document("source-ref", "reference", || json!(reference));
            context.lines([reference]);
        }
        SourceCommand::Why(args) => why::run(context, session, args).await?,
        SourceCommand::Baked(args) => baked::run(context, session, args).await?,
        SourceCommand::Audit(args) => audit::run(context, session, args).await?,
    }
    Ok(())
}

/// The tree that is meant.
async fn snapshot(session: &Session<'_>, args: &SourceOptions) -> Result<Arc<Snapshot>, Error> {
    snapshot_of(&version(session, args).await?, args).await
}

/// What the tree that is meant is of.
async fn version<'a>(session: &'a Session<'a>, args: &SourceOptions) -> Result<Version<'a>, Error> {
    if let Some(host) = &args.host {
        session.project.check_host(host)?;
    }
    Version::working_tree(session, args.tracked).await
}

async fn snapshot_of(sources: &Version<'_>, args: &SourceOptions) -> Result<Arc<Snapshot>, Error> {
    // Asked for by name, so an image host's local settings are wanted too.
    let (snapshot, _) = sources.snapshot_for(args.host.as_deref(), true).await?;
    Ok(snapshot)
}
