//! The documents that programs read (`--json`): their one version, and how each begins.

use serde_json::{Value, json};

/// The version of all documents.
pub const SCHEMA: u32 = 1;

/// A document: its version and one named part.
#[must_use]
pub fn document(name: &str, value: Value) -> Value {
    json!({ "schema": SCHEMA, name: value })
}
