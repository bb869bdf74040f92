//! The commands, a file each.

pub(crate) mod accept;
pub(crate) mod boot;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod flash;
pub(crate) mod hosts;
pub(crate) mod image;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod matrix;
mod report;
pub(crate) mod size;
pub(crate) mod source;
pub(crate) mod status;
mod verdicts;
pub(crate) mod verify_hosts;
pub(crate) mod watch;

use serde_json::{Value, json};

/// The version of all JSON that the commands print.
const SCHEMA: u32 = 1;

/// A result as JSON: the schema and one named part.
pub(crate) fn document(name: &str, value: Value) -> Value {
    json!({ "schema": SCHEMA, name: value })
}
