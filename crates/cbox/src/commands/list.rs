//! `cbox list`: the targets, without asking Nix.

use cbox_core::{system::System, target::HOSTS};
use serde_json::json;

use super::document;
use crate::{error::Error, session::Session, view::columns};

/// Runs the command.
pub(crate) fn run(session: &Session<'_>) -> Result<(), Error> {
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
        items.push(json!({ "target": target, "host": host }));
        rows.push([target, host, String::new()]);
    }
    if items.is_empty() {
        session.view.note(
            "no targets: cbox.toml names neither hosts nor a [[target]], and there is no \
             hosts/<name>/default.nix; `cbox init` writes a cbox.toml",
        );
    } else {
        columns(&rows)
            .iter()
            .for_each(|row| session.view.plain(row));
    }
    session.view.json(&document("targets", items.into()));
    Ok(())
}
