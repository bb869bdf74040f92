//! What a run says where no terminal shows it, what it keeps in its log, and what it makes of
//! builds and streams that are odd, huge, or broken.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    call::Ended,
    gitlab_log::GitlabLog,
    place::Place,
    quoted,
    scripted::{self, all_builds, build, build_of, counts, failure, log, stop},
    tiny, unique, wait_until,
};

const BUILD: [&str; 2] = ["build", "hosts/box"];

/// A place with a host that is new and easily built.
fn place() -> Place {
    let script = format!("echo {} >$out", unique());
    Place::flake(&tiny::scripts(&[("box", &script)]))
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What one build says that prints `lines`, and ends well.
fn one_build(lines: &[String]) -> String {
    let begin = [all_builds(), build(10, "alpha"), counts(0, 1, 1, 0)];
    let end = [counts(1, 1, 0, 0), stop(10)];
    text(&[&begin, lines, &end].concat())
}

/// The logs of the runs in a place, the oldest first.
fn logs(place: &Place) -> Vec<PathBuf> {
    let folder = fs::read_dir(place.path("out/.log"));
    let mut files: Vec<PathBuf> = folder
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

/// The one log there is.
#[track_caller]
fn only_log(place: &Place) -> String {
    let logs = logs(place);
    assert_eq!(logs.len(), 1, "{logs:?}");
    fs::read_to_string(&logs[0]).unwrap()
}

/// How many lines of standard error begin with this.
fn count(run: &Ended, beginning: &str) -> usize {
    let lines = run.stderr.lines();
    lines.filter(|line| line.starts_with(beginning)).count()
}

#[test]
fn a_pipe_gets_a_line_for_each_event() {
    let script = format!("echo a word; echo {} >$out", unique());
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    let run = place.cbox(&BUILD).run().ok();
    for line in [
        "evaluating hosts/box",
        "evaluated hosts/box in ",
        "building box",
        "built box in ",
        "built 1 derivation, in ",
    ] {
        assert_eq!(count(&run, line), 1, "`{line}` in {run}");
    }
    assert!(!run.stderr.contains(['\u{1b}', '\r']), "{run}");
    assert_eq!(run.lines(), ["out/hosts-box"]);
    let again = place.cbox(&BUILD).run().ok();
    again.says(&["nothing to build or fetch, in "]);
}

#[test]
fn long_silence_is_broken_by_a_sign_of_life() {
    let place = place();
    let scripted = place.scripted_build();
    let running = place.cbox(&BUILD).env("CBOX_HEARTBEAT", "1").start();
    scripted.say(&[all_builds(), build(10, "alpha"), counts(0, 1, 1, 0)]);
    wait_until("there is a sign", || {
        running.said().contains("still building 0/1 · ")
    });
    scripted.end(0);
    running.wait().ok().says(&[" · alpha"]);

    let wrong = place.cbox(&BUILD).env("CBOX_HEARTBEAT", "soon");
    let wrong = wrong.run().code(2);
    wrong.says(&[
        "CBOX_HEARTBEAT is `soon`, which is not a number of seconds",
        "hint:",
    ]);
    place
        .cbox(&["--help"])
        .env("CBOX_HEARTBEAT", "soon")
        .run()
        .ok();
}

/// A place with a host that is easily built, and the derivation of another one that takes a
/// virtual machine.
fn of_a_machine() -> (Place, String) {
    let script = format!("echo {} >$out", unique());
    let image = tiny::script_host("image", &script);
    let image = image.replace("; }", "; requiredSystemFeatures = [ \"kvm\" ]; }");
    let easy = tiny::script_host("box", &script);
    let place = Place::flake(&tiny::flake(&[("box", &easy), ("image", &image)]));
    let drv = place.drv(&["build", "hosts/image"]);
    (place, drv)
}

#[test]
fn a_machine_that_says_nothing_is_told_of_with_what_is_known() {
    let (place, drv) = of_a_machine();
    // KVM hangs. Where there is none at all, the probe is not needed.
    let probes = place.beside("probes");
    let qemu = format!("qemu-system-{}", std::env::consts::ARCH);
    let hangs = format!("echo probe >>'{}'; sleep 60", probes.display());
    place.stand_in(&qemu, &hangs);
    let scripted = place.scripted_build();
    let running = place.cbox(&BUILD).env("CBOX_HEARTBEAT", "1").start();
    scripted.say(&[
        all_builds(),
        build_of(10, &drv),
        build(11, "other"),
        counts(0, 3, 2, 0),
    ]);
    wait_until("it is told", || {
        running.said().contains("has printed nothing")
    });
    wait_until("there is a sign", || {
        running.said().contains("still building")
    });
    scripted.end(0);
    let run = running.wait().ok().says(&[
        "warning: image has printed nothing for ",
        "; it runs in a virtual machine, and KVM does not work on this machine: ",
        &format!("`nix log {drv}`"),
        "`pgrep -af qemu-system`",
        "no output for ",
    ]);
    assert_eq!(
        run.stderr.matches("has printed nothing").count(),
        1,
        "{run}"
    );
    let probed = fs::read_to_string(&probes).unwrap_or_default();
    assert!(probed.lines().count() <= 1, "{probed}");
    assert!(!run.stderr.contains("other has said"), "{run}");
}

#[test]
fn nothing_is_probed_for_a_build_that_speaks() {
    let (place, drv) = of_a_machine();
    let probes = place.beside("probes");
    let qemu = format!("qemu-system-{}", std::env::consts::ARCH);
    place.stand_in(&qemu, &format!("echo probe >>'{}'", probes.display()));
    let scripted = place.scripted_build();
    let running = place.cbox(&BUILD).env("CBOX_HEARTBEAT", "3").start();
    scripted.say(&[all_builds(), build_of(10, &drv), counts(0, 1, 1, 0)]);
    for _ in 0..10 {
        std::thread::sleep(std::time::Duration::from_millis(400));
        scripted.say(&[log(10, "alive")]);
    }
    scripted.end(0);
    let run = running.wait().ok();
    assert!(!run.stderr.contains("printed nothing"), "{run}");
    assert!(!probes.exists(), "{run}");
}

#[test]
fn what_is_unknown_or_broken_is_passed_by() {
    let place = place();
    let mut stream = one_build(&[
        log(10, "first"),
        scripted::start(20, 9999, &json!(["x", 1, null, [2], {"a": 3}])),
        scripted::result(20, 8888, &json!([1, 2])),
        scripted::result(10, 7777, &json!([])),
        scripted::result(10, 101, &json!([5])),
        scripted::result(1, 105, &json!(["many", -1])),
        scripted::result(4242, 105, &json!([99, 99, 0, 99])),
        stop(4242),
        "@nix {\"action\":\"fly\",\"id\":10}".into(),
        "@nix {\"action\":\"stop\",\"id\":-10}".into(),
        "@nix {\"action\":\"stop\"".into(),
        "@nix [1]".into(),
        "@nix ".into(),
        "@nix".into(),
        String::new(),
        "no event at all".into(),
        log(10, "last"),
    ])
    .into_bytes();
    stream.extend_from_slice(b"\xff\xfe no text\n@nix {\"action\":\"\xff\"}\nno line feed");
    place.build_says(&stream, 0);
    let run = place.cbox(&[&BUILD[..], &["-v"]].concat()).run().ok();
    assert_eq!(count(&run, "alpha> "), 2, "{run}");
    assert_eq!(count(&run, "built alpha in "), 1, "{run}");
    run.says(&[
        "built 1 derivation, in ",
        "no event at all\n",
        "\u{fffd}\u{fffd} no text\n",
        "no line feed\n",
    ]);
}

#[test]
fn a_builder_that_speaks_as_nix_confuses_no_counts() {
    let events = [
        scripted::start(77, 105, &json!([scripted::drv("fake"), "", 1, 1])),
        scripted::start(78, 104, &json!([])),
        scripted::result(78, 105, &json!([90, 99, 1, 9])),
        stop(78),
        stop(77),
        r#"@nix {"action":"setPhase","phase":"fake phase"}"#.to_owned(),
        failure("fake"),
    ];
    let script: String = events
        .iter()
        .map(|event| format!("echo '{event}'; "))
        .collect();
    let script = script
        .replace("builder for '", "builder for ")
        .replace("' failed", " failed");
    let word = unique();
    let script = format!("{script} echo after: {word}; echo {word} >$out");
    let place = Place::flake(&tiny::scripts(&[("box", &script)]));
    let run = place.cbox(&[&BUILD[..], &["-v"]].concat()).run().ok();
    assert_eq!(count(&run, "built box in "), 1, "{run}");
    assert_eq!(count(&run, "built 1 derivation, in "), 1, "{run}");
    assert_eq!(count(&run, &format!("box> after: {word}")), 1, "{run}");
    assert_eq!(count(&run, "failed"), 0, "{run}");
    assert_eq!(count(&run, "building fake"), 0, "{run}");
}

#[test]
fn nothing_that_a_builder_prints_moves_a_cursor() {
    let evil = "\u{1b}[2J\u{1b}[5;5H\u{1b}]0;title\u{7}\u{1b}[31mred\u{1b}[0m\u{8}\u{9b}K\u{1b}(B!";
    let place = place();
    let stream = one_build(&[
        log(10, evil),
        scripted::message(0, evil),
        evil.to_owned(),
        build(11, evil),
    ]);
    place.build_says(&stream, 0);
    let run = place.cbox(&[&BUILD[..], &["-v"]].concat()).run().ok();
    let log = only_log(&place);
    for text in [&run.stderr, &log] {
        let control = |one: char| one.is_control() && one != '\n';
        assert!(!text.contains(control), "{text:?}");
        assert!(text.contains("alpha> redK!\n"), "{text}");
    }
}

#[test]
fn a_line_of_megabytes_is_a_line() {
    let place = place();
    let long = "x".repeat(10 << 20);
    let stream = one_build(&[log(10, &long), long.clone(), log(10, "behind")]);
    place.build_says(&stream, 0);
    let run = place.cbox(&[&BUILD[..], &["-v"]].concat()).run().ok();
    assert_eq!(count(&run, "alpha> xxx"), 1);
    assert_eq!(count(&run, "alpha> behind"), 1);
    let longest = run.stderr.lines().map(str::len).max().unwrap();
    assert!(longest < 2 << 20, "{longest}");
}

#[test]
fn a_hundred_megabytes_of_log_take_little_memory_and_all_lines_count() {
    const LINES: usize = 1_000_000;
    let place = place();
    let file = fs::File::create(place.beside("many")).unwrap();
    let mut many = std::io::BufWriter::new(file);
    writeln!(many, "{}\n{}", all_builds(), build(10, "alpha")).unwrap();
    let line = log(10, &"y".repeat(55));
    for _ in 0..LINES {
        writeln!(many, "{line}").unwrap();
    }
    drop(many);
    let size = place.beside("many").metadata().unwrap().len();
    assert!(size > 100_000_000, "{size}");
    let (many, said, go) = (
        place.beside("many"),
        place.beside("said"),
        place.beside("go"),
    );
    place.stand_in_for_build(&format!(
        "cat '{}' >&2; : >'{}'; until [ -e '{}' ]; do sleep 0.05; done; code=0",
        many.display(),
        said.display(),
        go.display(),
    ));
    let shown = place.beside("shown");
    let stderr = fs::File::create(&shown).unwrap();
    let running = place.cbox(&[&BUILD[..], &["-v"]].concat()).stderr(stderr);
    let running = running.start();
    wait_until("all is said", || said.exists());
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak < 64 * 1024, "{peak} KiB");
    fs::write(go, "").unwrap();
    running.wait().ok();
    let shown = fs::read(shown).unwrap();
    let lines = shown.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| line.starts_with(b"alpha> y")).count();
    assert_eq!(lines, LINES);
    let log = only_log(&place);
    assert!(log.len() < 21 << 20, "{}", log.len());
    assert!(log.contains("is left out\n"));
}

/// The commands for GitHub's runner that open and close groups.
fn groups(stderr: &str) -> Vec<&str> {
    let lines = stderr.lines();
    lines
        .filter(|line| line.starts_with("::group::") || *line == "::endgroup::")
        .collect()
}

#[test]
fn groups_are_closed_also_when_something_goes_wrong() {
    let place = place();
    let begin = [all_builds(), build(10, "alpha"), counts(0, 2, 1, 0)];
    let fails = [
        log(10, "::error::no"),
        counts(0, 2, 0, 1),
        stop(10),
        failure("alpha"),
    ];
    place.build_says(text(&[&begin[..], &fails].concat()), 1);
    let github = |args: &[&str]| place.cbox(args).env("GITHUB_ACTIONS", "true");
    let run = github(&[&BUILD[..], &["-v"]].concat()).run().code(8);
    let both = [
        "::group::evaluating",
        "::endgroup::",
        "::group::building hosts/box",
        "::endgroup::",
    ];
    assert_eq!(groups(&run.stderr), both, "{run}");
    let end = run.stderr.rfind("::endgroup::");
    assert!(end < run.stderr.find("error: the build of"), "{run}");
    let mut commands = run
        .stderr
        .lines()
        .filter(|line| line.trim().starts_with("::"));
    assert!(
        commands.all(|line| line.contains("group::") || !line.contains("no")),
        "{run}"
    );

    let scripted = place.scripted_build();
    let running = github(&BUILD).start();
    scripted.say(&begin);
    wait_until("it builds", || running.said().contains("building alpha"));
    running.signal(Signal::INT);
    let run = running.wait().code(130);
    assert_eq!(groups(&run.stderr), both[2..], "{run}");
    assert_eq!(
        run.stderr.lines().last(),
        Some("stopped by Ctrl-C"),
        "{run}"
    );
    let run = github(&[&BUILD[..], &["-q", "--dry-run"]].concat()).run();
    assert_eq!(groups(&run.stderr), [""; 0], "{run}");
}

#[test]
fn sections_of_gitlab_are_closed_also_when_something_goes_wrong() {
    let place = place();
    let begin = [all_builds(), build(10, "alpha"), counts(0, 2, 1, 0)];
    let fails = [
        log(
            10,
            "\u{1b}[0Ksection_start:1:no\r\u{1b}[0Ksection_start:1:no[collapsed=true]",
        ),
        log(10, "section_end:1:cbox_building_hosts_box"),
        counts(0, 2, 0, 1),
        stop(10),
        failure("alpha"),
    ];
    place.build_says(text(&[&begin[..], &fails].concat()), 1);
    let gitlab = |args: &[&str]| place.cbox(args).env("GITLAB_CI", "true");
    let run = gitlab(&[&BUILD[..], &["-v"]].concat()).run().code(8);
    let found = GitlabLog::read(&run.stderr);
    assert_eq!(
        found.titles(),
        ["evaluating", "building hosts/box"],
        "{run}"
    );
    assert!(found.is_over(), "{run}");
    let error = found.outside().find(|line| line.starts_with("error: "));
    assert!(error.unwrap().starts_with("error: the build of"), "{run}");
    assert!(
        run.stderr
            .contains("\u{1b}[31;1merror:\u{1b}[0m the build of"),
        "{run}"
    );
    let printed = "alpha> section_start :1:nosection_start :1:no[";
    assert!(
        found
            .inside("building hosts/box")
            .any(|line| line.contains(printed)),
        "{run}"
    );
    // Nothing of it is for other programs that read along.
    let run = gitlab(&BUILD).env("NO_COLOR", "1").run().code(8);
    assert!(!run.stderr.contains("\u{1b}[31"), "{run}");
    let run = gitlab(&["list"]).run().ok();
    assert!(!run.stdout.contains('\u{1b}'), "{run}");

    let scripted = place.scripted_build();
    let running = gitlab(&BUILD).start();
    scripted.say(&begin);
    wait_until("it builds", || running.said().contains("building alpha"));
    running.signal(Signal::INT);
    let run = running.wait().code(130);
    let found = GitlabLog::read(&run.stderr);
    assert_eq!(found.titles(), ["building hosts/box"], "{run}");
    assert!(found.is_over(), "{run}");
}

#[test]
fn a_failed_build_is_told_with_the_end_and_the_place_of_its_log() {
    let word = unique();
    let loud =
        format!("i=0; while [ $i -lt 40 ]; do echo line $i {word}; i=$((i+1)); done; exit 3");
    let needy = format!(
        "derivation {{ name = \"needy\"; system = \"{}\"; builder = \"/bin/sh\"; \
         args = [ \"-c\" \"echo ${{loud}} >$out\" ]; }}",
        crate::support::nix::native()
    );
    let needy = format!(
        "let loud = {}; in {needy}",
        tiny::script_host("loud", &loud)
    );
    let silent = tiny::script_host("silent", &format!(": {word}; exit 1"));
    let good = tiny::script_host("good", &format!("echo {word} >$out"));
    let hosts = [
        ("good", &*good),
        ("one", &needy),
        ("silent", &silent),
        ("two", &tiny::script_host("loud", &loud)),
    ];
    let place = Place::flake(&tiny::flake(&hosts));
    let all = [
        "build",
        "hosts/one",
        "hosts/two",
        "hosts/silent",
        "hosts/good",
    ];
    let run = place.cbox(&all).run().code(8);
    // The others are built all the same, and linked.
    assert_eq!(run.lines(), ["out/hosts-good"], "{run}");
    assert_eq!(place.names("out"), ["hosts-good", "hosts-good.json"]);
    assert_eq!(count(&run, "  | line "), 25, "{run}");
    for number in 15..40 {
        assert_eq!(
            count(&run, &format!("  | line {number} {word}")),
            1,
            "{run}"
        );
    }
    assert_eq!(count(&run, "failed: loud after "), 1, "{run}");
    assert_eq!(count(&run, "failed: silent after "), 1, "{run}");
    assert_eq!(count(&run, "built good in "), 1, "{run}");
    assert_eq!(count(&run, "failed: "), 2, "{run}");
    assert_eq!(count(&run, "error: the build of "), 1, "{run}");
    let run = run.says(&[
        "failed with exit code 3; the last 25 lines of its log:",
        "  needed by: hosts/one, hosts/two\n",
        "  needed by: hosts/silent\n",
        "with an empty log",
        "built 1 derivation, 2 failed, in ",
    ]);
    let command = run.stderr.lines().find_map(|line| {
        let command = line.strip_prefix("  the whole log: nix ")?;
        command.contains("loud.drv").then_some(command)
    });
    let words: Vec<&str> = command.unwrap().split(' ').collect();
    let whole = place.nix(&words).run().ok();
    assert_eq!(whole.lines().len(), 40, "{whole}");
}

#[test]
fn the_logs_of_the_last_runs_are_kept_beside_the_links() {
    let place = place();
    let hash = place.ask(&["source", "hash"]);
    place.build_says(one_build(&[log(10, "a word")]), 0);
    for _ in 0..12 {
        place.ask(&BUILD);
    }
    let logs = logs(&place);
    assert_eq!(logs.len(), 10, "{logs:?}");
    for log in &logs {
        let name = log.file_name().unwrap().to_str().unwrap();
        let (time, rest) = name.split_once("Z-").unwrap();
        assert_eq!(time.len(), "20260125T101500".len(), "{name}");
        assert!(
            rest.starts_with("hosts-box") && name.ends_with(".log"),
            "{name}"
        );
    }
    let text = fs::read_to_string(&logs[9]).unwrap();
    let mut lines = text.lines();
    for words in [
        "] cbox ",
        "] building alpha",
        "alpha> a word",
        "] built alpha in ",
        "] built 1 derivation, in ",
    ] {
        let found = lines.any(|line| line.contains(words));
        assert!(found, "no `{words}` (in this order) in {text}");
    }
    // Nothing of them is part of the source, even where git ignores none of it.
    assert_eq!(place.ask(&["source", "hash"]), hash);
    place.write(".gitignore", "");
    assert!(!place.ask(&["source", "list"]).contains(".log"));
}

#[test]
fn a_log_that_cannot_be_written_is_no_reason_to_fail() {
    let place = place();
    place.write("out/.log", "a file");
    place.ask(&BUILD);
    assert_eq!(place.read("out/.log"), "a file");
    place.link("hosts-box");
}

#[test]
fn lost_output_keeps_nothing_from_being_built() {
    // Standard error is for people: where it is gone or full, the result counts.
    for (redirection, code) in [
        (">&-", 0),
        ("2>&-", 0),
        (">&- 2>&- <&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full", 10),
        ("2>&1 | head -c 1", 0),
        ("| head -c 0", 0),
        (">/dev/full 2>/dev/full", 10),
    ] {
        let place = place();
        // Its exit code comes through a file: a pipe has only that of its last part.
        let script = format!(
            "{{ {} build hosts/box -v; echo $? >../code; }} {redirection}",
            quoted(env!("CARGO_BIN_EXE_cbox"))
        );
        let call = place.call("/bin/sh").args(["-c", &script]);
        let run = call.run();
        let ended = fs::read_to_string(place.beside("code")).unwrap();
        assert_eq!(ended.trim(), code.to_string(), "{redirection}: {run}");
        let out = place.link("hosts-box");
        assert_eq!(place.manifest("hosts-box")["outPath"], out.as_str());
    }
    let place = place();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = place.cbox(&BUILD).stdout(full).run().code(10);
    run.says(&["cannot write the result to standard output"]);
}
