//! The harness of the end-to-end tests.
//!
//! [`place`] makes a folder in which one test works: a flake in a git repository, with an
//! environment that has nothing of the user's in it. [`call`] runs programs there, with a
//! bound on time. [`stand_in`] puts programs in front of the real ones, to see or change
//! what cbox is told; [`schema`] knows what a document has to be; [`scripted`] is a build that a test leads. [`gitlab_log`] reads a job's
//! log as GitLab does. [`terminal`] is one for
//! cbox. [`tiny`] writes flakes of a few lines. [`nix`] asks the real Nix. [`stable`] makes
//! of what was said what a snapshot can hold.

pub(crate) mod call;
pub(crate) mod gitlab_log;
pub(crate) mod nix;
pub(crate) mod place;
pub(crate) mod processes;
pub(crate) mod random;
pub(crate) mod schema;
pub(crate) mod scripted;
pub(crate) mod stable;
pub(crate) mod stand_in;
pub(crate) mod terminal;
pub(crate) mod tiny;

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it. It is a bound for what hangs,
/// and no measure: nothing that works comes near it.
pub(crate) const BOUND: Duration = Duration::from_secs(300);

/// Waits until `holds` does, and fails the test with `what` when it never does.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A path as one word of the shell, whatever is in it: the real programs are where this repository
/// is.
pub(crate) fn quoted(path: impl AsRef<std::path::Path>) -> String {
    let path = path.as_ref().display().to_string();
    format!("'{}'", path.replace('\'', "'\\''"))
}

/// A word that no other test, and no earlier run of this one, has used.
pub(crate) fn unique() -> String {
    static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!(
        "u{}-{}-{count}",
        std::process::id(),
        since.unwrap().as_nanos()
    )
}

/// A document of YAML, in which no key stands twice.
pub(crate) fn yaml(text: &str) -> Result<serde_json::Value, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}
