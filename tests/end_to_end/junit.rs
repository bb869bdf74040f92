//! `--junit FILE`: what was tested, as JUnit's XML.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use crate::support::{
    call::{Call, Ended, find_program},
    nix::say_left_out,
    place::Place,
    tiny, unique,
};

/// A case of a report: its name, what became of it and its file, and its text.
type Case = (String, String, String);

/// A report of a call that has ended.
struct Report {
    suite: String,
    cases: Vec<Case>,
}

impl Report {
    /// Runs `call` with a report, and reads that.
    #[track_caller]
    fn of(place: &Place, call: Call, code: i32) -> (Self, Ended) {
        let file = place.beside("junit.xml");
        let run = call.args(["--junit"]).args([&file]).run().code(code);
        (Self::read(&file), run)
    }

    fn read(file: &PathBuf) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let suites = document.root_element();
        let suite = suites.first_element_child().unwrap();
        let attribute = |node: roxmltree::Node<'_, '_>, name: &str| {
            node.attribute(name).unwrap_or_default().to_owned()
        };
        let cases = suite.children().filter(roxmltree::Node::is_element);
        let cases: Vec<Case> = cases
            .map(|case| {
                assert_eq!(attribute(case, "classname"), attribute(suite, "name"));
                let outcome = case.first_element_child();
                let word = outcome.map_or("passed", |outcome| outcome.tag_name().name());
                let word = format!("{word} {}", attribute(case, "file"));
                let text = outcome.and_then(|outcome| outcome.text());
                let name = attribute(case, "name");
                (
                    name,
                    word.trim_end().to_owned(),
                    text.unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let count = |word: &str| {
            let cases = cases.iter();
            cases
                .filter(|(_, found, _)| found.starts_with(word))
                .count()
                .to_string()
        };
        for totals in [suites, suite] {
            assert_eq!(attribute(totals, "tests"), cases.len().to_string());
            assert_eq!(attribute(totals, "failures"), count("failure"));
            assert_eq!(attribute(totals, "errors"), count("error"));
            attribute(totals, "time").parse::<f64>().unwrap();
        }
        Self {
            suite: attribute(suite, "name"),
            cases,
        }
    }

    fn outcomes(&self) -> Vec<(&str, &str)> {
        let cases = self.cases.iter();
        cases
            .map(|(name, outcome, _)| (&**name, &**outcome))
            .collect()
    }

    fn text(&self, name: &str) -> &str {
        let (_, _, text) = self.cases.iter().find(|(known, ..)| known == name).unwrap();
        text
    }
}

/// What Python's own parser, which is expat, says of a report.
fn is_read_by_python(file: &PathBuf) {
    let Some(python) = find_program("python3") else {
        say_left_out("no python3 here");
        return;
    };
    let program = "import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])";
    let folder = file.parent().unwrap();
    Call::new(python, folder)
        .args(["-c", program])
        .args([file])
        .run()
        .ok();
}

#[test]
fn a_host_is_a_case_with_its_verdict_and_why() {
    let script = |name: &str, text: &str| tiny::script_host(name, &format!("echo {text} >$out"));
    let word = unique();
    let place = Place::flake(&tiny::flake(&[
        ("a", "import ./hosts/a"),
        ("b", "import ./hosts/b"),
        ("c", "import ./hosts/c"),
    ]));
    for host in ["a", "b", "c"] {
        place.write(format!("hosts/{host}/default.nix"), script(host, &word));
    }
    place.commit("hosts");
    place.ask(&["accept"]);
    place.commit("accepted");
    let verify = || place.cbox(&["verify-hosts"]);
    let (report, _) = Report::of(&place, verify(), 0);
    assert_eq!(report.suite, "cbox verify-hosts");
    assert_eq!(
        report.outcomes(),
        [("a", "passed"), ("b", "passed"), ("c", "passed")]
    );

    place.write("hosts/b/default.nix", script("b", "'&<b>]]>'"));
    place.write("hosts/c/default.nix", "throw \"no <disk>\"");
    let (report, run) = Report::of(&place, verify(), 7);
    assert_eq!(
        report.outcomes(),
        [
            ("a", "passed"),
            ("b", "failure hosts/b/default.nix"),
            ("c", "error hosts/c/default.nix"),
        ]
    );
    let why = report.text("b");
    assert!(why.starts_with("changed against accepted at "), "{why}");
    assert!(why.contains("echo '&<b>]]>'"), "{why}");
    assert!(report.text("c").contains("no <disk>"), "{run}");
    is_read_by_python(&place.beside("junit.xml"));
    // It is the same beside any other form, and in a CI system.
    for (format, name) in [("json", "GITLAB_CI"), ("markdown", "GITHUB_ACTIONS")] {
        let call = verify().args(["--format", format]).env(name, "true");
        let (other, _) = Report::of(&place, call, 7);
        assert_eq!(other.cases, report.cases);
    }

    let test = place.cbox(&["verify-hosts", "--self-test"]);
    place.write("hosts/c/default.nix", script("c", &word));
    let (report, _) = Report::of(&place, test, 0);
    assert!(report.cases.len() > 2, "{:?}", report.cases);
    assert!(
        report
            .cases
            .iter()
            .all(|(_, outcome, _)| outcome == "passed")
    );
}

#[test]
fn what_keeps_a_run_from_testing_is_an_error_in_the_report() {
    let place = Place::flake(&tiny::scripts(&[("a", ":")]));
    let call = place.cbox(&["verify-hosts", "--rev", "nope"]);
    let (report, run) = Report::of(&place, call, 2);
    assert_eq!(report.outcomes(), [("cbox verify-hosts", "error")]);
    let text = report.text("cbox verify-hosts");
    assert!(text.contains("nope"), "{text} {run}");
    // So is a tree that is no flake.
    place.write("flake.nix", "{");
    let (report, _) = Report::of(&place, place.cbox(&["size", "hosts/a"]), 7);
    assert_eq!(report.outcomes(), [("cbox size", "error")]);
}

#[test]
fn a_build_is_a_case_for_each_target_and_budget() {
    let place = Place::minibox();
    let budget = |image: &str, closure: &str| {
        let text = place.read("cbox.toml");
        let lines = text.lines().filter(|line| !line.starts_with("budget"));
        let budget = format!("budget = {{ image = \"{image}\", closure = \"{closure}\" }}");
        let lines = lines.flat_map(|line| match line {
            "format = \"iso\"" => vec![line, &budget],
            _ => vec![line],
        });
        place.write("cbox.toml", lines.collect::<Vec<_>>().join("\n"));
    };
    budget("2 GiB", "6 GiB");
    let system = crate::support::nix::native();
    let iso = format!("appliance/iso/{system}");
    let build = || place.cbox(&["build", "appliance/iso", "mini-thinkcentre"]);
    let (report, run) = Report::of(&place, build(), 0);
    assert_eq!(report.suite, "cbox build");
    assert_eq!(
        report.outcomes(),
        [
            ("appliance/iso", "passed"),
            ("appliance/iso image budget", "passed"),
            ("hosts/mini-thinkcentre", "passed"),
        ],
        "{iso} {run}"
    );
    let size = || place.cbox(&["size", "appliance/iso"]);
    let (report, _) = Report::of(&place, size(), 0);
    let both = |word| {
        [
            ("appliance/iso image budget", word),
            ("appliance/iso closure budget", word),
        ]
    };
    assert_eq!(report.outcomes(), both("passed"));

    budget("1 MiB", "2 MB");
    let (report, _) = Report::of(&place, place.cbox(&["appliance", "iso"]), 0);
    assert_eq!(
        report.outcomes(),
        [
            ("appliance/iso", "passed"),
            ("appliance/iso image budget", "failure")
        ]
    );
    let text = report.text("appliance/iso image budget");
    assert!(
        text.contains(" more than 1 MiB\n`cbox size appliance/iso` shows why"),
        "{text}"
    );
    let (report, _) = Report::of(&place, size(), 14);
    assert_eq!(report.outcomes(), both("failure"));
    let text = report.text("appliance/iso closure budget");
    assert!(text.contains("\nthe largest packages: kernel-"), "{text}");
    // A budget that there is not, and one of an image that is not here, pass for nothing.
    let (report, _) = Report::of(&place, place.cbox(&["size", "hosts/mini-thinkcentre"]), 0);
    assert_eq!(
        report.outcomes(),
        [("hosts/mini-thinkcentre budget", "skipped")]
    );

    place.write("hosts/mini-thinkcentre/default.nix", "throw \"no disk\"");
    let (report, _) = Report::of(&place, build(), 7);
    assert_eq!(
        report.outcomes(),
        [
            ("appliance/iso", "passed"),
            ("appliance/iso image budget", "failure"),
            ("hosts/mini-thinkcentre", "error"),
        ]
    );
    assert!(report.text("hosts/mini-thinkcentre").contains("no disk"));
    for option in ["--dry-run", "--drv"] {
        let run = build().args([option, "--junit", "x.xml"]).run().code(2);
        run.says(&["cannot be used with"]);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_anything_is_done() {
    let place = Place::flake(&tiny::scripts(&[("a", ":")]));
    let own = place.path("flake.nix");
    for (file, code, words) in [
        (
            "none/junit.xml",
            10,
            "cannot write the JUnit report none/junit.xml: there is no folder ",
        ),
        (
            "hosts",
            10,
            "cannot write the JUnit report hosts: it is not a file",
        ),
        (
            "flake.nix",
            10,
            "`cbox --junit` did not make the file that is there",
        ),
        (
            "/dev/full",
            10,
            "cannot write the JUnit report /dev/full: it is not a file",
        ),
        ("-", 2, "`--junit -` names no file"),
    ] {
        fs::create_dir_all(place.path("hosts")).unwrap();
        let before = fs::read_to_string(&own).unwrap();
        let run = place
            .cbox(&["build", "hosts/a", "--junit", file])
            .run()
            .code(code);
        let run = run.says(&[words]);
        assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
        assert!(!run.stderr.contains("evaluating"), "{run}");
        assert_eq!(fs::read_to_string(&own).unwrap(), before);
        assert!(!place.path("out").exists(), "{run}");
    }
    // Root may write there all the same.
    let closed = place.beside("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let file = closed.join("junit.xml");
    let run = place
        .cbox(&["verify-hosts", "--junit", file.to_str().unwrap()])
        .run();
    match rustix::process::geteuid().is_root() {
        true => assert!(file.exists(), "{run}"),
        false => drop(run.code(10).says(&["Permission denied"])),
    }
    // What goes wrong in the end is said beside what the run ends with.
    let run = place
        .cbox(&["verify-hosts", "--junit", "/proc/junit.xml"])
        .run();
    assert_ne!(run.status.code(), Some(0), "{run}");
    let run = run.says(&["error: cannot write the JUnit report /proc/junit.xml: "]);
    if rustix::process::geteuid().is_root() {
        run.code(3).says(&["error: there is no baseline.json"]);
    }
}
