//! `cbox source list`: the staged files.

use std::cmp::Reverse;

use cbox_driver::{
    flake::snapshot::Snapshot,
    text::{count, path_line, size},
};
use cbox_source::tree::{Entry, Kind};
use serde_json::{Value, json};

use super::{SourceOptions, with_path};
use crate::commands::context::Context;

/// List the staged files
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cbox source list | grep nixos/\n  cbox source list --largest\n  cbox source list -z | xargs -0 grep -l secret"
)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) source: SourceOptions,
    /// End each name with a NUL byte instead of a line feed, and print it as it is
    #[arg(short = 'z', long, conflicts_with_all = ["sizes", "largest"])]
    null: bool,
    /// With the size of each file
    #[arg(long)]
    sizes: bool,
    /// The largest first, with their sizes
    #[arg(long)]
    largest: bool,
}

/// Shows the files of `snapshot`.
pub(super) fn run(context: &Context<'_>, args: &ListArgs, snapshot: &Snapshot) {
    let view = context.view;
    let tree = &snapshot.tree;
    let mut entries: Vec<&Entry> = tree.entries.iter().collect();
    if args.largest {
        entries.sort_by_key(|entry| Reverse(entry.size()));
    }
    let name = |entry: &Entry| path_line(&entry.path);
    match args.sizes || args.largest {
        true => {
            let rows = entries.iter().map(|entry| [sized(entry), name(entry)]);
            context.table(&rows.collect::<Vec<_>>());
        }
        false if args.null && !view.is_json() => {
            let names = entries.iter().map(|entry| entry.path.as_os_str());
            let names = names.map(|name| [name.as_encoded_bytes(), b"\0"].concat());
            view.write_bytes(&names.collect::<Vec<_>>().concat());
        }
        false => context.lines(entries.iter().map(|entry| name(entry))),
    }
    let total = tree.size();
    view.note(&format!(
        "{}, {}",
        count(entries.len(), "file"),
        size(total)
    ));
    let files = entries.iter().map(|entry| {
        let item = json!({
            "tracked": entry.tracked,
            "local": snapshot.local.contains(&entry.path),
            "size": entry.size(),
        });
        with_path(item, &entry.path)
    });
    let files: Value = files.collect();
    context.parts("source-list", json!({ "files": files, "size": total }));
}

/// The size as the column has it.
fn sized(entry: &Entry) -> String {
    match entry.kind {
        Kind::Symlink => "symlink".to_owned(),
        Kind::File { size: bytes, .. } => size(bytes),
    }
}
