//! What Nix said in builds that were recorded, for the tests of what is shown of it.

use std::time::Duration;

use cbox_driver::progress::{News, builds::Builds};
use cbox_nix::events::Reader;

/// What is known when `stream` was read up to the line before which `until` holds, a
/// second a line.
pub(super) fn read(stream: &str, until: impl Fn(&str) -> bool) -> (Builds, Vec<News>) {
    let (mut builds, mut reader) = (Builds::default(), Reader::default());
    let mut news = Vec::new();
    for (second, line) in (0..).zip(stream.lines()) {
        if until(line) {
            break;
        }
        if let Some(event) = reader.line(line.as_bytes()) {
            news.extend(builds.event(&event, Duration::from_secs(second)));
        }
    }
    (builds, news)
}

/// The streams that both releases of Nix gave.
macro_rules! recorded {
    ($name:literal) => {
        [
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../cbox-nix/src/events/recorded/2.26-",
                $name,
                ".jsonl"
            )),
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../cbox-nix/src/events/recorded/2.34-",
                $name,
                ".jsonl"
            )),
        ]
    };
}
pub(super) use recorded;
