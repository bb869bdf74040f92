//! What the README shows is what cbox prints.

use super::support::place::{Place, top};

#[test]
fn the_verdict_in_the_readme_is_a_real_one() {
    let Some(place) = Place::minibox() else {
        return;
    };
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
        .split("```")
        .find(|block| block.contains("against accepted at"))
        .unwrap();
    assert_eq!(without_commit(printed.text()), without_commit(block.trim()));
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
