//! What the README and docs/size.md show is what cbox prints.

use super::support::place::{Place, top};

#[test]
fn the_verdict_in_the_readme_is_a_real_one() {
    let place = Place::minibox();
    place.cbox(&["accept"]).run().ok();
    place.commit("baseline");
    place.edit(
        "hosts/mini-thinkcentre/default.nix",
        "/run/inventory",
        "/var/lib/inventory",
    );
    let printed = place.cbox(&["verify-hosts"]).run().code(1);
    let readme = std::fs::read_to_string(top().join("README.md")).unwrap();
    let block = readme
        .split("```text\n")
        .find(|block| block.contains("against accepted at"))
        .and_then(|block| block.split("```").next())
        .unwrap();
    assert_eq!(without_commit(printed.text()), without_commit(block.trim()));
}

#[test]
fn the_sizes_in_the_documentation_are_real_ones() {
    let place = Place::minibox();
    place.ask(&["appliance", "iso"]);
    let printed = place.cbox(&["size", "appliance/iso"]).run().ok();
    let page = std::fs::read_to_string(top().join("docs/size.md")).unwrap();
    let block = page
        .split("```text\n")
        .find(|block| block.contains("PULLED IN BY"))
        .and_then(|block| block.split("```").next())
        .unwrap();
    let arch = std::env::consts::ARCH;
    let block = block.trim().replace("x86_64", arch);
    assert_eq!(without_figures(printed.text()), without_figures(&block));
}

/// `text` without numbers and units, which the mini box's own files move.
fn without_figures(text: &str) -> Vec<String> {
    let is_figure =
        |word: &str| word.parse::<f64>().is_ok() || ["B", "kB", "MB", "%"].contains(&word);
    let rows = text.lines().map(|line| {
        let words = line.split_whitespace().filter(|word| !is_figure(word));
        words.collect::<Vec<_>>().join(" ")
    });
    rows.collect()
}

/// `text` without the commit behind `accepted at`, which no two repositories share.
fn without_commit(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| match line.split_once(" accepted at ") {
            Some((before, _)) => format!("{before} accepted at …"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}
