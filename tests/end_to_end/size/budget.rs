//! Budgets: how large `cbox.toml` lets an image and its closure be.

use super::super::support::place::Place;

/// The mini box with a budget for its ISO.
fn with(budget: &str) -> Place {
    let place = Place::minibox();
    set(&place, budget);
    place
}

fn set(place: &Place, budget: &str) {
    let text = place.read("cbox.toml");
    let lines = text.lines().filter(|line| !line.starts_with("budget"));
    let text: Vec<&str> = lines
        .flat_map(|line| match line {
            "format = \"iso\"" => vec![line, budget],
            _ => vec![line],
        })
        .collect();
    place.write("cbox.toml", text.join("\n"));
}

#[test]
fn a_passed_budget_fails_and_names_the_largest() {
    let place = with("budget = { image = \"2 GiB\", closure = \"6 GiB\" }");
    let built = place.cbox(&["appliance", "iso"]).run().ok();
    assert!(!built.stderr.contains("warning"), "{built}");
    let size = || place.cbox(&["size", "appliance/iso"]);
    let good = size().run().ok();
    assert!(good.stdout.contains("(budget 2 GiB)"), "{good}");

    set(&place, "budget = { image = \"1 MiB\", closure = \"2 MB\" }");
    let warned = place.cbox(&["appliance", "iso"]).run().ok();
    warned.says(&["warning: appliance/iso is larger than cbox.toml allows: its image is"]);
    let bad = size().run().code(14).says(&[
        "error: appliance/iso is larger than cbox.toml allows: its image is",
        "more than 1 MiB, and its closure is",
        "hint: the largest packages: kernel-",
    ]);
    assert!(bad.stdout.contains("PACKAGE"), "{bad}");
    assert!(!bad.stdout.contains("::error"), "{bad}");
    let github = size().env("GITHUB_ACTIONS", "true").run().code(14);
    let annotation = "::error title=appliance/iso is too large::appliance/iso is larger";
    assert!(github.stdout.contains(annotation), "{github}");
    let json = place
        .cbox(&["size", "appliance/iso", "--json"])
        .run()
        .code(14);
    assert_eq!(json.json()["size"]["budget"]["imageSize"], 1 << 20);
}

#[test]
fn a_passed_budget_names_what_grew() {
    let place = with("");
    place.ask(&["appliance", "iso"]);
    place.git(&["tag", "v1"]);
    place.write("lib/padding.txt", "x".repeat(50_000));
    set(&place, "budget = { closure = \"2 MB\" }");
    place.ask(&["appliance", "iso"]);
    let run = place
        .cbox(&["size", "appliance/iso", "--against", "v1"])
        .run();
    run.code(14).says(&["what came or grew most: etc +50"]);
}

#[test]
fn a_budget_that_is_no_size_says_where_it_stands() {
    let place = with("budget = { image = \"2 gigs\" }");
    for command in [&["size", "appliance/iso"][..], &["list"]] {
        let run = place.cbox(command).run().code(3);
        run.says(&["cbox.toml:15:20: `2 gigs` is not a size: it is a number and a unit"]);
    }
}
