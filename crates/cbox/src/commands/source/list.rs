//! `cbox source list`: the staged files.

use std::cmp::Reverse;

use cbox_driver::{
    flake::snapshot::Snapshot,
    session::Session,
    text::{columns, count, size},
};
use cbox_source::tree::{Entry, Kind};
use serde_json::{Value, json};

use crate::{cli::ListArgs, commands::SCHEMA, context::Context};

/// Shows the files of `snapshot`.
pub(super) fn run(
    context: &Context<'_>,
    _session: &Session<'_>,
    args: &ListArgs,
    snapshot: &Snapshot,
) {
    let view = context.view;
    let tree = &snapshot.tree;
    let mut entries: Vec<&Entry> = tree.entries.iter().collect();
    if args.largest {
        entries.sort_by_key(|entry| Reverse(entry.size()));
    }
    let name = |entry: &Entry| entry.path.display().to_string();
    let rows: Vec<String> = match args.sizes || args.largest {
        true => columns(
            &entries
                .iter()
                .map(|entry| [sized(entry), name(entry)])
                .collect::<Vec<_>>(),
        ),
        false => entries.iter().map(|entry| name(entry)).collect(),
    };
    rows.iter().for_each(|row| view.plain(row));
    let total = tree.size();
    view.note(&format!(
        "{}, {}",
        count(entries.len(), "file"),
        size(total)
    ));
    let files = entries.iter().map(|entry| {
        json!({
            "path": name(entry),
            "tracked": entry.tracked,
            "local": snapshot.local.contains(&entry.path),
            "size": entry.size(),
        })
    });
    let files: Value = files.collect();
    view.json(&json!({ "schema": SCHEMA, "files": files, "size": total }));
}

/// The size as the column has it.
fn sized(entry: &Entry) -> String {
    match entry.kind {
        Kind::Symlink => "symlink".to_owned(),
        Kind::File { size: bytes, .. } => size(bytes),
    }
}
