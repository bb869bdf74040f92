//! `cbox list`: the targets, without asking Nix.

use cbox_driver::{error::Error, target_name::HOSTS};
use nix_formats::system::System;
use serde_json::json;

use crate::commands::context::Context;

/// List the targets
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cbox list --json")]
pub(crate) struct ListArgs;

/// Runs the command.
pub(crate) fn run(context: &Context<'_>) -> Result<(), Error> {
    let session = &context.open(None)?;
    let project = &session.project;
    let targets = project.config().targets;
    let mut items = Vec::new();
    let mut rows = vec![["TARGET", "HOST", "SYSTEMS"].map(str::to_owned)];
    for target in &targets {
        let systems = target.systems();
        let systems: Vec<&str> = systems.iter().map(System::as_str).collect();
        items.push(json!({ "target": target.target(), "host": target.host, "systems": systems }));
        rows.push([target.target(), target.host.clone(), systems.join(" ")]);
    }
    for host in project.install_hosts() {
        let target = format!("{HOSTS}/{host}");
        items.push(json!({ "target": target, "host": host, "systems": null }));
        rows.push([target, host, String::new()]);
    }
    if items.is_empty() {
        context.view.note(
            "no targets: cbox.toml names neither hosts nor a [[target]], and there is no \
             hosts/<name>/default.nix; `cbox init` writes a cbox.toml",
        );
    } else {
        context.table(&rows);
    }
    context.document("list", "targets", || items.into());
    Ok(())
}
