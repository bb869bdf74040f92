//! `cbox source audit`: what of the staged tree must not be baked into an image.

use std::path::Path;

use cbox_driver::{
    error::Error,
    flake::{
        audit::{self, described},
        session::Session,
        version::Version,
    },
    text::{count, size},
};
use cbox_source::audit_rules::Found;
use serde_json::{Value, json};

use super::with_path;
use crate::commands::context::Context;

/// Look for keys, tokens, passwords and state in the staged tree
///
/// Fails with a list of what must not be baked into an image. The build of an image does
/// this first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cbox source audit")]
pub(super) struct AuditArgs {
    /// Only files that git tracks
    #[arg(long)]
    tracked: bool,
}

/// Runs the command.
pub(super) async fn run(
    context: &Context<'_>,
    session: &Session<'_>,
    args: &AuditArgs,
) -> Result<(), Error> {
    let sources = Version::working_tree(session, args.tracked).await?;
    let audit = audit::audit(session, &sources).await?;
    let (view, tree) = (context.view, &sources.base);
    let entries = session.project.config().source.allow;
    let found = audit.found.iter().map(|(path, found)| item(path, found));
    let allowed = audit.allowed.iter().map(|(path, found, entry)| {
        let mut item = item(path, found);
        item["why"] = json!(entries[*entry].why);
        item
    });
    let unused = audit.unused.iter().map(|entry| {
        let entry = &entries[*entry];
        json!({ "path": entry.path, "finding": entry.finding, "why": entry.why })
    });
    context.document("source-audit", "audit", || {
        json!({
            "fileCount": tree.entries.len(),
            "size": tree.size(),
            "findings": found.collect::<Value>(),
            "allowed": allowed.collect::<Value>(),
            "unused": unused.collect::<Value>(),
        })
    });
    for (path, found) in &audit.found {
        view.plain(&described(session, path, found));
    }
    for (path, found, entry) in &audit.allowed {
        let why = &entries[*entry].why;
        view.aside(&format!(
            "allowed: {} ({why})",
            described(session, path, found)
        ));
    }
    view.note(&format!(
        "{}, {}: {}, {} allowed",
        count(tree.entries.len(), "file"),
        size(tree.size()),
        count(audit.found.len(), "finding"),
        audit.allowed.len()
    ));
    audit::annotate(session, &audit);
    match audit::failure(session, &audit) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn item(path: &Path, found: &Found) -> Value {
    let item = json!({
        "line": found.line,
        "finding": found.finding,
        "what": found.what,
        "value": found.value,
    });
    with_path(item, path)
}
