//! What every command is asked, so that it meets what was planted.

use std::collections::BTreeMap;

use crate::{help::commands, support::place::Place};

/// Lines for each command, by its name; `/` stands for a file beside the working tree. A command
/// that is not here fails the test: whoever adds one says how it meets text from outside.
const LINES: &[(&str, &[&str])] = &[
    ("accept", &["accept --explain full"]),
    (
        "boot",
        &[
            "boot appliance iso --headless",
            "boot appliance/iso --until ^ready$ --timeout 9",
        ],
    ),
    (
        "build",
        &[
            "build box --dry-run",
            "build box",
            "build mini-thinkcentre",
            "build box bad",
        ],
    ),
    ("clean", &["clean --all --dry-run"]),
    ("completions", &["completions bash"]),
    (
        "diff",
        &[
            "diff HEAD:mini-thinkcentre mini-thinkcentre",
            "diff HEAD:box box --explain full",
            "diff HEAD:box box --format markdown",
            "diff HEAD:box box --explain none",
        ],
    ),
    ("doctor", &["doctor"]),
    (
        "flash",
        &[
            "flash appliance/iso /drive --file --dry-run",
            "flash appliance/iso /drive --file --dry-run --secret MARKED",
        ],
    ),
    ("hosts", &["hosts"]),
    ("image", &["image box MARKED", "image _appliance_iso"]),
    ("init", &["init --print"]),
    ("list", &["list"]),
    ("man", &["man /man"]),
    (
        "matrix",
        &[
            "matrix",
            "matrix --runner x86_64=MARKED",
            "matrix --format gitlab --runner x86_64=MARKED",
            "matrix --hosts --shards 2",
            "matrix --hosts --shards 2 --format gitlab",
        ],
    ),
    (
        "provenance",
        &[
            "provenance appliance/iso",
            "provenance appliance/iso --builder-id MARKED",
        ],
    ),
    (
        "reproduce",
        &["reproduce box", "reproduce appliance/iso MARKED"],
    ),
    ("sbom", &["sbom box", "sbom HEAD:box"]),
    ("sign", &["sign appliance/iso --key MARKED"]),
    (
        "size",
        &[
            "size box",
            "size mini-thinkcentre --html -",
            "size HEAD:box --against box",
        ],
    ),
    ("source", &[]),
    ("source audit", &["source audit"]),
    ("source baked", &["source baked", "source baked --files"]),
    ("source hash", &["source hash"]),
    (
        "source list",
        &[
            "source list",
            "source list --sizes",
            "source list --largest",
        ],
    ),
    ("source ref", &["source ref"]),
    (
        "source why",
        &["source why planted nowhere", "source why --baked planted"],
    ),
    ("status", &["status"]),
    (
        "verify-hosts",
        &[
            "verify-hosts",
            "verify-hosts --explain full",
            "verify-hosts --format markdown",
            "verify-hosts --base HEAD",
        ],
    ),
    (
        "verify-image",
        &[
            "verify-image MARKED --public-key MARKED",
            "verify-image /drive --public-key RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
        ],
    ),
    // It is ended as soon as it waits for a save.
    ("watch", &["watch"]),
    (
        "appliance",
        &["appliance iso --drv", "appliance iso", "appliance --help"],
    ),
];

/// The lines of every command that cbox has, with the kinds of image in `place`.
pub(super) fn lines(place: &Place) -> Vec<Vec<String>> {
    let mut known: BTreeMap<&str, &[&str]> = LINES.iter().copied().collect();
    let mut lines: Vec<&str> = known.remove("appliance").unwrap().to_vec();
    let mut missing = commands(&[]);
    while let Some(command) = missing.pop() {
        let words: Vec<&str> = command.split(' ').collect();
        missing.extend(
            commands(&words)
                .iter()
                .map(|inner| format!("{command} {inner}")),
        );
        let asked = known.remove(command.as_str());
        lines.extend(asked.unwrap_or_else(|| panic!("no lines for `{command}`: add some")));
    }
    assert!(known.is_empty(), "of commands that are gone: {known:?}");
    let beside = |word: &str| match word.strip_prefix('/') {
        Some(name) => place.beside(name).to_str().unwrap().to_owned(),
        None => word.to_owned(),
    };
    let words = |line: &str| line.split(' ').map(beside).collect();
    lines.iter().map(|line| words(line)).collect()
}
