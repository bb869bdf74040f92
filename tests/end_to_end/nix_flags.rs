//! Flags of `nix build` where `cbox build` has them, and one sentence where they mean nothing.

use crate::{
    bad_words::check,
    support::{place::Place, tiny},
};

fn two_hosts() -> Place {
    Place::flake(&tiny::scripts(&[
        ("box", "echo said by box; echo box > $out"),
        ("lab", "echo lab > $out"),
    ]))
}

#[test]
fn what_is_about_builds_reaches_the_builds() {
    let place = two_hosts();
    // A script of its own, so that no other run has built it.
    let unique = format!("said by box; echo {}", place.folder().display());
    place.edit("flake.nix", "said by box; echo box", &unique);
    let log = place.log_nix();
    let run = place
        .cbox(&[
            "build", "box", "-L", "-j", "2", "-kK", "--option", "cores", "1",
        ])
        .run()
        .ok();
    assert!(run.stderr.contains("said by box"), "{run}");
    let calls = log.take();
    let builds: Vec<&String> = calls
        .iter()
        .filter(|call| call.contains(" build --json"))
        .collect();
    assert_eq!(builds.len(), 1, "{calls:#?}");
    for words in [
        "--max-jobs 2",
        "--keep-failed",
        "--option cores 1",
        "--keep-going",
    ] {
        assert!(builds[0].contains(words), "{words}: {}", builds[0]);
    }
    let evaluation = calls
        .iter()
        .find(|call| call.contains(" --apply "))
        .unwrap();
    assert!(!evaluation.contains("--max-jobs"), "{evaluation}");
}

#[test]
fn a_link_of_ones_own_is_beside_the_others_or_alone() {
    let place = two_hosts();
    let read = |link: &str| place.read(link);
    let shown = place.ask(&["build", "box", "-o", "result"]);
    assert_eq!(shown, "result");
    assert_eq!(
        (read("result"), read("out/hosts-box")),
        ("box\n".into(), "box\n".into())
    );
    place.ask(&["build", "box", "lab", "--no-link", "--out-link", "other"]);
    assert_eq!(
        (read("other"), read("other-1")),
        ("box\n".into(), "lab\n".into())
    );
    assert!(!place.path("out/hosts-lab").exists());
    // It is a root of the garbage collector.
    let target = std::fs::read_link(place.path("result")).unwrap();
    let target = target.to_str().unwrap();
    let roots = place
        .call("nix-store")
        .args(["--query", "--roots", target])
        .run()
        .ok();
    let roots = roots.text();
    let link = place.path("").canonicalize().unwrap().join("result");
    assert!(roots.contains(link.to_str().unwrap()), "{roots}");
    place.write("mine", "mine");
    let run = place.cbox(&["build", "box", "-o", "mine"]).run().code(10);
    run.says(&["mine is in the way", "--out-link"]);
    assert_eq!(read("mine"), "mine");
}

#[test]
fn store_paths_alone_are_printed_where_they_are_wanted() {
    let place = two_hosts();
    let paths = place.ask(&["build", "box", "lab", "--print-out-paths", "--no-link"]);
    let paths: Vec<&str> = paths.lines().collect();
    assert_eq!(paths.len(), 2);
    assert_eq!(std::fs::read_to_string(paths[0]).unwrap(), "box\n");
    assert_eq!(std::fs::read_to_string(paths[1]).unwrap(), "lab\n");
    let json = place
        .cbox(&["build", "box", "-o", "r", "--json"])
        .run()
        .ok()
        .json();
    assert!(
        json["targets"][0]["outLink"]
            .as_str()
            .unwrap()
            .ends_with("/r"),
        "{json}"
    );
}

#[test]
fn a_flag_that_means_nothing_is_called_so() {
    let place = Place::minibox();
    check(
        &place,
        &[
            (&["list", "-j", "2"], 2, &["builds nothing", "`--jobs N`"]),
            (
                &["hosts", "--max-jobs", "2"],
                2,
                &["builds nothing", "`--jobs N`"],
            ),
            (&["verify-hosts", "-L"], 2, &["`-L`", "builds nothing"]),
            (
                &["build", "appliance/iso", "--impure"],
                2,
                &["purely", "--set"],
            ),
            (&["appliance", "iso", "--impure"], 2, &["purely", "--set"]),
            (
                &["build", "appliance/iso", "--recreate-lock-file"],
                2,
                &["nix flake update"],
            ),
            (
                &["build", "appliance/iso", "--cores", "4"],
                2,
                &["behind `--`", "-- --cores"],
            ),
            (&["list", "--option", "cores", "1"], 2, &["NIX_CONFIG"]),
            (
                &["build", "appliance/iso", "--system", "x"],
                2,
                &["last word of an image"],
            ),
            (
                &["build", "appliance/iso", "-j", "many"],
                2,
                &["whole number, or `auto`"],
            ),
            (
                &["build", "appliance/iso", "--option", "pure-eval", "false"],
                2,
                &["pure-eval", "purely"],
            ),
            (
                &["build", "appliance/iso", "--out-dri", "x"],
                2,
                &["--out-dir"],
            ),
        ],
    );
}
