//! The documents that programs read (`--json`, `--json-lines`): how each says what it is, and what
//! happens in a run as one of them. docs/schema has a JSON Schema for each.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{progress::News, text::utc};

/// The version of all documents. It goes up when a field changes its meaning or goes away; a new
/// field does not change it.
pub const VERSION: u32 = 2;

/// What the document called `name` says of itself: `cbox/list/2`.
#[must_use]
pub fn schema(name: &str) -> String {
    format!("cbox/{name}/{VERSION}")
}

/// The document called `name`, an object with these parts.
#[must_use]
pub fn document(name: &str, mut parts: Value) -> Value {
    parts["schema"] = schema(name).into();
    parts
}

/// A duration as documents have it: in seconds, to the millisecond.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The files of an image, by their paths and sizes: the first, with the others in it where there
/// are several; null where there is none.
#[must_use]
pub fn image<'f>(files: impl IntoIterator<Item = (&'f str, u64)>) -> Value {
    let files = files.into_iter();
    let mut files = files.map(|(path, size)| json!({ "path": path, "size": size }));
    let Some(mut first) = files.next() else {
        return Value::Null;
    };
    let others: Vec<Value> = files.collect();
    if !others.is_empty() {
        first["others"] = others.into();
    }
    first
}

/// Something that happened just now, as a document: its name, and what there is to be said of it.
#[must_use]
pub fn event(name: &str, mut parts: Value) -> Value {
    parts["event"] = name.into();
    parts["time"] = utc::rfc3339_millis(utc::now()).into();
    document("event", parts)
}

/// What came of an event at `now`, as a document.
#[must_use]
pub fn news(news: &News, now: Duration) -> Value {
    let lasted = |since| seconds(now.saturating_sub(since));
    match news {
        News::Doing(text) => event("doing", json!({ "text": text })),
        News::Evaluating(one) => event(
            "evaluation-started",
            json!({ "name": one.name, "lastSeconds": one.last.map(seconds) }),
        ),
        News::Evaluated { evaluation, good } => event(
            "evaluation-ended",
            json!({
                "name": evaluation.name,
                "succeeded": good,
                "durationSeconds": lasted(evaluation.since),
            }),
        ),
        News::Copying(copying) => event(
            "copy-started",
            json!({ "what": copying.what, "size": copying.bytes.expected }),
        ),
        News::Copied { copying, .. } => event(
            "copy-ended",
            json!({
                "what": copying.what,
                "size": copying.bytes.expected,
                "durationSeconds": lasted(copying.since),
            }),
        ),
        News::Building(build) => event(
            "build-started",
            json!({ "drvPath": build.drv, "machine": build.machine }),
        ),
        News::Built { build, failed } => event(
            "build-ended",
            json!({
                "drvPath": build.drv,
                "machine": build.machine,
                "succeeded": !failed,
                "durationSeconds": lasted(build.since),
            }),
        ),
        News::Silent(build, silence) => event(
            "build-silent",
            json!({
                "drvPath": build.drv,
                "machine": build.machine,
                "silentSeconds": lasted(build.heard),
                "kvm": silence.kvm,
                "log": silence.log,
            }),
        ),
        News::Pushing(pushing) => event(
            "push-started",
            json!({ "target": pushing.target, "store": pushing.store }),
        ),
        News::Pushed { pushing, failed } => event(
            "push-ended",
            json!({
                "target": pushing.target,
                "store": pushing.store,
                "succeeded": !failed,
                "durationSeconds": lasted(pushing.since),
            }),
        ),
        News::Fetching(from) => event("fetch-started", json!({ "from": from })),
        News::Sending(to) => event("send-started", json!({ "to": to })),
    }
}
