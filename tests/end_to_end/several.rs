//! `cbox build` with several targets: one build, and those that succeed are linked.

use std::{fs, process::Command};

use crate::support::{
    nix,
    place::Place,
    stand_in::count,
    tiny::{self, script_host},
    unique, wait_until,
};

/// A flake with the hosts `one` and `two`, new at each run, and `bad`.
fn with(bad: &str) -> Place {
    let script = |name: &str| script_host(name, &format!("echo {} >$out", unique()));
    let (one, two) = (script("one"), script("two"));
    let hosts = [("one", one.as_str()), ("bad", bad), ("two", two.as_str())];
    Place::flake(&tiny::flake(&hosts))
}

const ALL: [&str; 4] = ["build", "hosts/one", "hosts/bad", "hosts/two"];
const LINKED: [&str; 4] = ["hosts-one", "hosts-one.json", "hosts-two", "hosts-two.json"];

#[test]
fn one_nix_build_builds_them_all() {
    let place = with(&script_host("bad", "echo fine >$out"));
    let log = place.log_nix();
    let run = place.cbox(&ALL).run().ok();
    assert_eq!(
        run.lines(),
        ["out/hosts-one", "out/hosts-bad", "out/hosts-two"],
        "in the order in which they were named"
    );
    let calls = log.take();
    assert_eq!(
        count(&calls, " build --json --log-format "),
        1,
        "{calls:#?}"
    );
    for slug in ["hosts-one", "hosts-bad", "hosts-two"] {
        let link = place.link(slug);
        assert_eq!(place.manifest(slug)["outPath"], link.as_str());
        assert_eq!(place.roots(&link), [place.path("out").join(slug)]);
    }
}

#[test]
fn one_that_fails_to_build_keeps_no_other_from_its_link() {
    let place = with(&script_host("bad", "echo a last word; exit 3"));
    let log = place.log_nix();
    let run = place.cbox(&ALL).run().code(8);
    assert_eq!(run.lines(), ["out/hosts-one", "out/hosts-two"], "{run}");
    assert_eq!(place.names("out"), LINKED);
    assert_eq!(run.stderr.matches("error:").count(), 1, "{run}");
    for slug in ["hosts-one", "hosts-two"] {
        let root = place.path("out").join(slug);
        assert_eq!(place.roots(&place.link(slug)), [root]);
    }
    run.says(&["a last word", "nix log"]);
    assert_eq!(count(&log.take(), " build --json --log-format "), 1);
}

#[test]
fn a_run_can_end_with_the_first_failure() {
    // What fails comes first where one build runs at a time.
    let place = with(&script_host("bad", "echo a last word; exit 3"));
    let log = place.log_nix();
    let fast = [&ALL[..], &["--fail-fast", "-j", "1"]].concat();
    place.cbox(&fast).run().code(8).says(&["a last word"]);
    assert_eq!(count(&log.take(), "--keep-going"), 0);
    let both = [&ALL[..], &["--fail-fast", "--keep-going"]].concat();
    place.cbox(&both).run().code(2);
    let place = with("throw \"no such luck\"");
    let run = place.cbox(&fast).run().code(7);
    assert!(!run.stderr.contains("building"), "{run}");
    assert_eq!(place.names("out"), [""; 0], "{run}");
}

/// What cannot be fetched at first, as on a bad network.
#[test]
fn what_failed_is_built_again_as_often_as_is_asked() {
    let beside = Place::empty("served");
    let (content, file) = (unique(), beside.path("file"));
    fs::write(beside.path("sum"), &content).unwrap();
    let sum = Command::new("sha256sum").arg(beside.path("sum")).output();
    let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
    let fetched = format!(
        r#"derivation {{ name = "fetched"; system = "{}"; builder = "builtin:fetchurl";
             url = "file://{}"; outputHashAlgo = "sha256"; outputHash = "{}"; }}"#,
        nix::native(),
        file.display(),
        sum.split(' ').next().unwrap()
    );
    let place = with(&fetched);
    let run = place.cbox(&[&ALL[..], &["--retries", "1"]].concat()).run();
    let run = run.code(8).says(&["building again what failed (1 of 1)"]);
    assert_eq!(run.lines(), ["out/hosts-one", "out/hosts-two"], "{run}");
    let running = place
        .cbox(&[&ALL[..], &["--retries", "1000"]].concat())
        .start();
    wait_until("it is tried again", || {
        running.said().contains("(2 of 1000)")
    });
    fs::write(&file, &content).unwrap();
    let run = running.wait().ok();
    assert_eq!(run.lines().len(), 3, "{run}");
}

#[test]
fn one_that_does_not_evaluate_keeps_no_other_from_its_link() {
    let place = with("throw \"no such luck\"");
    let run = place.cbox(&ALL).run().code(7);
    assert_eq!(place.names("out"), LINKED, "{run}");
    run.says(&["no such luck"]);
}

#[test]
fn one_that_fails_keeps_its_last_good_link() {
    let place = with(&script_host("bad", &format!("echo {} >$out", unique())));
    place.ask(&ALL);
    let before = place.link("hosts-bad");
    let one = place.link("hosts-one");
    let text = tiny::scripts(&[
        ("one", &format!("echo {} >$out", unique())),
        ("bad", "exit 3"),
        ("two", &format!("echo {} >$out", unique())),
    ]);
    place.write("flake.nix", text);
    place.cbox(&ALL).run().code(8);
    assert_eq!(place.link("hosts-bad"), before);
    assert_eq!(place.manifest("hosts-bad")["outPath"], before.as_str());
    assert_ne!(place.link("hosts-one"), one);
}

#[test]
fn two_that_fail_are_both_reported() {
    let place = Place::flake(&tiny::scripts(&[
        ("one", "echo word of one; exit 1"),
        ("two", "echo word of two; exit 1"),
    ]));
    let run = place.cbox(&["build", "hosts/one", "hosts/two"]).run();
    run.code(8).says(&["word of one", "word of two"]);
}

#[test]
fn images_and_hosts_can_be_built_together() {
    let place = Place::minibox();
    place.ask(&["build", "appliance/iso", "appliance/raw/x86_64-linux"]);
    assert_eq!(
        place.names("out"),
        [
            "appliance-iso",
            "appliance-iso.json",
            "appliance-iso.sha256",
            "appliance-raw-x86_64-linux",
            "appliance-raw-x86_64-linux.json",
            "appliance-raw-x86_64-linux.sha256"
        ]
    );
}

#[test]
fn one_that_this_machine_cannot_build_keeps_no_other_from_its_link() {
    let place = Place::minibox();
    let foreign = match std::env::consts::ARCH {
        "aarch64" => "hosts/mini-thinkcentre",
        _ => "hosts/mini-arm64",
    };
    let set = format!("environment.etc.word.text={}", unique());
    let build = ["build", foreign, "appliance/iso", "--set", &set];
    let run = place.cbox(&[&build[..], &["--builders", ""]].concat());
    let run = run.env("NIX_CONFIG", "extra-platforms =").run().code(11);
    assert_eq!(
        place.names("out"),
        [
            "appliance-iso",
            "appliance-iso.json",
            "appliance-iso.sha256"
        ],
        "{run}"
    );
    assert_eq!(run.lines().len(), 1, "{run}");
    run.says(&[foreign, "--builders"]);
}

#[test]
fn all_that_fail_are_counted() {
    const MANY: usize = 70;
    let word = unique();
    let system = nix::native();
    // The ends of builds that lie far back are forgotten, and their failure is not.
    let toplevel = format!(
        r#"let bad = n: derivation {{
          name = "bad-${{toString n}}"; system = "{system}"; builder = "/bin/sh";
          args = [ "-c" ": {word}; echo word ${{toString n}}; exit 1" ];
        }}; in derivation {{
          name = "all"; system = "{system}"; builder = "/bin/sh"; args = [ "-c" ": >$out" ];
          many = builtins.genList bad {MANY};
        }}"#
    );
    let place = Place::flake(&tiny::flake(&[("box", &toplevel)]));
    let run = place.cbox(&["build", "hosts/box"]).run().code(8);
    let shown = run.stderr.matches("the whole log: nix log ").count();
    let more = run.stderr.lines().find_map(|line| {
        let number = line.strip_prefix("and ")?.strip_suffix(" more failed")?;
        number.parse::<usize>().ok()
    });
    // A Nix may count in the one that depends on them all.
    let all = shown + more.unwrap_or_default();
    assert!((MANY..=MANY + 1).contains(&all), "{all} in {run}");
}
