//! Builders on other machines: each build is told once, with its machine, and what is wrong with
//! one is the reason in the error.

use super::lab::{BUILDER, Lab, big, each, each_with_builder};
use crate::support::{
    nix::native,
    place::Place,
    tiny::{self, script_host},
    unique, wait_until,
};

/// The words for the builder in the setting `builders`, with `-` where the default will do.
fn words(uri: &str) -> String {
    format!("{uri} {} - 2 1 - - -", native())
}

fn place() -> Place {
    let word = unique();
    let dependency = script_host("dependency", &format!("echo {word}; echo dep >$out"));
    Place::flake(&tiny::flake(&[
        (
            "box",
            &script_host("box", &format!("echo {word}; echo box >$out")),
        ),
        ("big", &big(&dependency)),
        (
            "bad",
            &script_host("bad", &format!("echo {word}; echo it breaks; exit 3")),
        ),
        (
            "slow",
            &script_host(
                "slow",
                &format!("echo {word}; while :; do /bin/sleep 1; done"),
            ),
        ),
    ]))
}

fn with_builder(test: impl Fn(&Lab)) {
    each_with_builder(place, test);
}

/// Builds with these builders and nowhere else.
fn only(lab: &Lab, targets: &[&str], builders: &str) -> crate::support::call::Ended {
    let elsewhere = ["--builders", builders, "--", "--max-jobs", "0"];
    lab.cbox(&[&["build"], targets, &elsewhere].concat()).run()
}

#[test]
fn each_build_is_told_once_with_its_machine() {
    with_builder(|lab| {
        let ended = only(lab, &["hosts/box", "hosts/big"], &words(BUILDER)).ok();
        for name in ["box", "big", "dependency"] {
            let lines = |begin: &str| {
                let line = format!("{begin} {name}");
                let mut lines = ended.stderr.lines();
                let is_it = |text: &str| text == line || text.starts_with(&format!("{line} "));
                let lines: Vec<&str> = lines.by_ref().filter(|text| is_it(text)).collect();
                lines.into_iter().map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(
                lines("building"),
                [format!("building {name} on {BUILDER}")],
                "{ended}"
            );
            assert_eq!(lines("built").len(), 1, "{ended}");
        }
        let ended = ended.says(&["built 3 derivations"]);
        assert_eq!(ended.lines(), ["out/hosts-box", "out/hosts-big"]);
        for slug in ["hosts-box", "hosts-big"] {
            let out = lab.place.link(slug);
            assert!(lab.holds("nix", &out) && lab.holds("nix-builder", &out));
            assert_eq!(lab.place.manifest(slug)["outPath"], out);
        }
    });
}

#[test]
fn a_failure_names_its_machine() {
    with_builder(|lab| {
        let ended = only(lab, &["hosts/bad"], &words(BUILDER)).code(8);
        let drv = lab.cbox(&["build", "hosts/bad", "--drv"]).run().ok();
        let drv = drv.text();
        let ended = ended.says(&[
            &format!("error: the build of {drv} on {BUILDER} failed with exit code 3; the last 2 lines of its log:"),
            "| it breaks",
            &format!("the whole log: nix log {drv}"),
        ]);
        assert_eq!(ended.stderr.matches("building bad").count(), 1, "{ended}");
        assert_eq!(ended.stderr.matches("failed: bad").count(), 1, "{ended}");
        let log = lab.nix(&["log", drv]).run().ok();
        assert!(log.stdout.contains("it breaks"), "{log}");
    });
}

#[test]
fn a_builder_that_dies_is_the_reason() {
    with_builder(|lab| {
        let builders = words(BUILDER);
        let elsewhere = [
            "build",
            "hosts/slow",
            "--builders",
            &builders,
            "--",
            "--max-jobs",
            "0",
        ];
        let build = lab.cbox(&elsewhere).start();
        wait_until("it builds", || build.said().contains("building slow on"));
        // The line is Nix's own; the builder itself begins a little later.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        lab.lose_builder();
        let ended = build.wait().code(8);
        let ended = ended.says(&[
            "slow.drv on ssh-ng://builder was cut off: Nix daemon disconnected unexpectedly",
            "needed by: hosts/slow",
        ]);
        assert_eq!(ended.stderr.matches("building slow").count(), 1, "{ended}");
        assert!(lab.place.names("out").is_empty());
    });
}

#[test]
fn a_builder_that_cannot_be_reached_is_told_and_done_without() {
    each(place, |lab| {
        let builders = format!(
            "{}; {}",
            words("ssh-ng://127.0.0.9"),
            words("ssh-ng://nobody.invalid")
        );
        let refused = "ssh-ng://127.0.0.9 cannot be built on: ssh: connect to host 127.0.0.9 port 22: Connection refused";
        let here = ["build", "hosts/box", "--builders", &builders];
        let ended = lab.cbox(&here).run().ok();
        let ended = ended.says(&[&format!("warning: {refused}"), "built box"]);
        assert_eq!(ended.stderr.matches(refused).count(), 1, "{ended}");
        let ended = only(&lab, &["hosts/big"], &builders).code(11);
        ended.says(&[
            "this machine is told to build nothing (`max-jobs` is 0), and no builder takes the build",
            "ssh-ng://127.0.0.9 cannot be reached: ssh: connect to host",
            "ssh-ng://nobody.invalid cannot be reached: ssh: Could not resolve hostname",
            "hint: set `max-jobs` to 1 or more",
        ]);
    });
}

#[test]
fn one_that_answers_takes_the_work_of_one_that_does_not() {
    with_builder(|lab| {
        let builders = format!("{}\n{}", words("ssh-ng://127.0.0.9"), words(BUILDER));
        let ended = only(lab, &["hosts/box"], &builders).ok();
        ended.says(&[
            "warning: ssh-ng://127.0.0.9 cannot be built on",
            "building box on ssh-ng://builder",
        ]);
    });
}

#[test]
fn nobody_builds() {
    each(place, |lab| {
        let build = |builders: &[&str]| {
            let words = [
                &["build", "hosts/box"],
                builders,
                &["--", "--max-jobs", "0"],
            ]
            .concat();
            lab.cbox(&words).run().code(11)
        };
        let words = "this machine is told to build nothing (`max-jobs` is 0), and no builder takes the build";
        build(&[]).says(&[words, "hint: set `max-jobs`"]);
        // A builder for another system is none.
        build(&["--builders", "ssh-ng://builder riscv64-linux"]).says(&[words]);
    });
}

#[test]
fn the_old_protocol_builds_too() {
    with_builder(|lab| {
        let ended = only(lab, &["hosts/box"], &words("ssh://builder")).ok();
        let ended = ended.says(&["building box on ssh://builder", "built 1 derivation"]);
        assert_eq!(ended.stderr.matches("building box").count(), 1, "{ended}");
    });
}

#[test]
fn the_doctor_asks_each_builder() {
    with_builder(|lab| {
        let lines = format!(
            "builders = {} ; {}",
            words(BUILDER),
            words("ssh-ng://127.0.0.9")
        );
        lab.configure(&lines);
        let ended = lab.cbox(&["doctor"]).run();
        let silent = "ssh-ng://127.0.0.9 does not answer";
        assert!(ended.stdout.contains(silent), "{ended}");
        assert!(
            !ended.stdout.contains(&format!("{BUILDER} does not answer")),
            "{ended}"
        );
    });
}
