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

/// How many targets are spread over the builders.
const MANY: usize = 50;

#[test]
fn fifty_targets_over_three_builders_say_who_built_what() {
    let many = || {
        let script = format!("/bin/sleep 0.5; echo {} >$out", unique());
        let names: Vec<String> = (0..MANY).map(|number| format!("h{number:02}")).collect();
        let hosts: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &*script)).collect();
        Place::flake(&tiny::scripts(&hosts))
    };
    let names = ["first", "second", "third"];
    each(many, |lab| {
        let Some(lab) = lab.with_builders(&names) else {
            return;
        };
        // One at a time each, so that all of them are needed.
        let builders = names.map(|name| format!("ssh-ng://{name} {} - 1 1 - - -", native()));
        let targets: Vec<String> = (0..MANY)
            .map(|number| format!("hosts/h{number:02}"))
            .collect();
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let builders = builders.join("; ");
        let elsewhere = ["--builders", &builders, "--json", "--", "--max-jobs", "0"];
        let summary = lab.place.beside("summary");
        let call = lab.cbox(&[&["build"], &targets[..], &elsewhere].concat());
        let call = call.env("GITHUB_ACTIONS", "true");
        let ended = call.env("GITHUB_STEP_SUMMARY", &summary).run().ok();
        let summary = std::fs::read_to_string(summary).unwrap();
        let builds = ended.json()["builds"].as_array().unwrap().clone();
        assert_eq!(builds.len(), MANY, "{ended}");
        let mut all = vec![];
        for name in names {
            let machine = format!("ssh-ng://{name}");
            let its = builds.iter().filter(|build| build["machine"] == *machine);
            let its = its.count();
            assert!(its > 0, "{name} built nothing: {ended}");
            all.push(format!("{its} on {machine}"));
            assert!(
                summary.contains(&format!("\n| {machine} | {its} |  |\n")),
                "{summary}"
            );
        }
        let ended = ended.says(&[&format!("built {MANY} derivations ({}), ", all.join(", "))]);
        for (target, done) in targets
            .iter()
            .zip(ended.json()["targets"].as_array().unwrap())
        {
            let manifest = &done["manifest"];
            assert_eq!(manifest["target"], *target);
            let is_it = |build: &&serde_json::Value| build["drvPath"] == manifest["drvPath"];
            let build = builds.iter().find(is_it).unwrap();
            let machine = build["machine"].as_str().unwrap();
            // The log, the summary and the store of that machine say the same.
            let host = target.strip_prefix("hosts/").unwrap();
            assert!(
                ended
                    .stderr
                    .contains(&format!("building {host} on {machine}\n")),
                "{ended}"
            );
            let row = format!("\n| {target} | built |  | {machine} |\n");
            assert!(summary.contains(&row), "{row}: {summary}");
            let name = machine.strip_prefix("ssh-ng://").unwrap();
            let out = manifest["outPath"].as_str().unwrap();
            assert!(lab.holds(&format!("nix-{name}"), out) && lab.holds("nix", out));
        }
        // Here nothing is built, and that is said too.
        let again = lab.place.beside("again");
        let call = lab.cbox(&["build", "hosts/h00", "hosts/h01"]);
        let call = call.env("GITHUB_ACTIONS", "true");
        call.env("GITHUB_STEP_SUMMARY", &again).run().ok();
        let again = std::fs::read_to_string(again).unwrap();
        assert!(
            again.contains("\n| hosts/h00 | built |  | it was there |\n"),
            "{again}"
        );
        assert!(!again.contains("machine"), "{again}");
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
