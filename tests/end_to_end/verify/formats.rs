//! The forms of a report: JSON, Markdown, and what GitHub Actions and GitLab CI take.

use std::fs;

use crate::support::{call::Call, gitlab_log::GitlabLog, nix::native, place::Place};

use super::{HOST, accept, accepted, accepted_minibox, commit, hosts, set, verify};

/// The names of an object's fields.
fn fields(value: &serde_json::Value) -> Vec<&str> {
    let object = value.as_object();
    object.map_or(vec![], |object| object.keys().map(String::as_str).collect())
}

/// A place with a host of each kind: `a` as accepted, `b` changed, `c` broken, `d` new.
fn of_each() -> Place {
    let place = accepted(&[("a", ":"), ("b", "echo before")]);
    set(&place, "b", "echo after");
    place.write("hosts/c/default.nix", "\n\nthrow \"no disk\"");
    set(&place, "d", ":");
    place.git(&["add", "--all"]);
    place
}

#[test]
fn json_has_every_field() {
    let place = of_each();
    let run = verify(&place, &["--json"]).run().code(7);
    let document = run.json();
    assert_eq!(document["schema"], "cbox/verify-hosts/2");
    let report = &document["verifyHosts"];
    assert_eq!(
        fields(report),
        [
            "allHosts",
            "base",
            "baseline",
            "baselineHash",
            "hosts",
            "notes",
            "state",
            "strict",
            "tree",
            "verdict"
        ]
    );
    assert_eq!(report["baseline"], true);
    assert_eq!(report["state"], "the working tree");
    assert_eq!(report["strict"], false);
    assert_eq!(report["verdict"], "failed");
    let hosts = report["hosts"].as_array().unwrap();
    let statuses: Vec<_> = hosts.iter().map(|host| &host["status"]).collect();
    assert_eq!(statuses, ["unchanged", "changed", "failed", "added"]);
    for host in hosts {
        assert_eq!(
            fields(host),
            [
                "acceptedInThisChange",
                "before",
                "error",
                "explanation",
                "host",
                "notRead",
                "now",
                "packageChanges",
                "staleBaseline",
                "status",
                "system",
                "unexplained"
            ]
        );
    }
    let (changed, failed, added) = (&hosts[1], &hosts[2], &hosts[3]);
    assert_eq!(changed["system"], native());
    assert_eq!(fields(&changed["now"]), ["drvPath", "outPath"]);
    assert_eq!(fields(&changed["before"]), ["drvPath", "outPath", "what"]);
    let accepted = &commit(&place, "HEAD")[..10];
    assert_eq!(changed["before"]["what"], format!("accepted at {accepted}"));
    assert_eq!(
        changed["now"]["drvPath"],
        place.ask(&["build", "hosts/b", "--drv"]).as_str()
    );
    let explanation = &changed["explanation"];
    assert_eq!(
        fields(explanation),
        ["cascade", "causes", "rebuilt", "sameOutput"]
    );
    let cause = &explanation["causes"][0];
    assert_eq!(
        fields(cause),
        [
            "after",
            "alike",
            "before",
            "bump",
            "differences",
            "isSource",
            "name",
            "place",
            "rebuilds",
            "way"
        ]
    );
    assert_eq!(cause["place"]["file"], "hosts/b/default.nix");
    assert_eq!(cause["place"]["line"], 1);

    assert_eq!(
        fields(&failed["error"]),
        ["exitCode", "hint", "kind", "message", "place"]
    );
    assert_eq!(failed["error"]["kind"], "evaluation");
    assert_eq!(failed["error"]["exitCode"], 7);
    assert_eq!(failed["error"]["place"]["file"], "hosts/c/default.nix");
    assert_eq!(failed["error"]["place"]["line"], 3);
    assert!(failed["now"].is_null() && failed["system"].is_null());
    assert!(added["before"].is_null() && added["now"].is_object());
}

#[test]
fn json_has_two_names_and_one_document() {
    let place = accepted(&[("a", ":")]);
    let one = verify(&place, &["--json"]).run().ok();
    let other = verify(&place, &["--format", "json"]).run().ok();
    let both = verify(&place, &["--format", "json", "--json"]).run().ok();
    assert_eq!(one.stdout, other.stdout);
    assert_eq!(one.stdout, both.stdout);
    assert_eq!(one.json()["verifyHosts"]["verdict"], "unchanged");
    let run = verify(&place, &["--json", "--rev", "nope"]).run().code(2);
    assert_eq!(run.json()["error"]["kind"], "usage");
}

#[test]
fn two_forms_at_once_are_misuse() {
    let place = accepted(&[("a", ":")]);
    for format in ["plain", "markdown", "github", "gitlab"] {
        let run = verify(&place, &["--json", "--format", format])
            .run()
            .code(2);
        let run = run.says(&["error: `--json` and `--format` ask for different forms"]);
        assert_eq!(run.json()["error"]["kind"], "usage");
    }
    verify(&place, &["--format", "xml"]).run().code(2);
}

/// What a text of a host must not do to the form that shows it.
const WILD: &str = "echo '```' | <b>x</b>\\n````\\n::error::planted\\n::set-output name=x::y";

/// A host whose change holds [`WILD`] words.
fn wild() -> Place {
    let place = hosts(&[]);
    let text = |wild: &str| {
        format!(
            "derivation {{ name = \"box\"; system = \"{}\"; builder = \"/bin/sh\"; text = ''\n{}\n''; }}",
            native(),
            wild.replace("\\n", "\n")
        )
    };
    place.write("hosts/box/default.nix", text("first\\nmiddle\\nlast"));
    place.commit("box");
    accept(&place);
    place.write(
        "hosts/box/default.nix",
        text(&format!("first\\nmiddle\\n{WILD}\\nlast")),
    );
    place
}

#[test]
fn markdown_is_a_table_with_folded_details() {
    let place = of_each();
    let run = verify(&place, &["--format", "markdown"]).run().code(7);
    insta::assert_snapshot!("markdown", place.stable(&run.stdout));
}

#[test]
fn plain_is_a_line_with_its_reasons_below() {
    let place = of_each();
    let run = verify(&place, &[]).run().code(7);
    insta::assert_snapshot!("plain", place.stable(&run.stdout));
}

#[test]
fn no_text_ends_the_fence_around_it() {
    let place = wild();
    let run = verify(&place, &["--format", "markdown"]).run().code(1);
    let fence = "`````";
    let parts: Vec<&str> = run.stdout.split(&format!("\n{fence}")).collect();
    assert_eq!(parts.len(), 3, "one block: {run}");
    assert!(parts[1].starts_with("diff\n"), "{run}");
    assert!(parts[1].contains("\n+    ````\n"), "{run}");
    assert!(parts[1].contains("<b>"), "as it is: {run}");
    let outside = format!("{}{}", parts[0], parts[2]);
    assert!(!outside.contains("<b>"), "{run}");
}

/// The same call in GitHub Actions.
fn on_github(place: &Place, call: Call) -> Call {
    call.env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", place.beside("summary"))
        .env("GITHUB_OUTPUT", place.beside("output"))
}

#[test]
fn github_gets_annotations_a_summary_and_outputs() {
    let place = accepted_minibox();
    let before = "environment.REPORT = \"/run/inventory\";";
    let after = format!("{before}\n    environment.CODER_TELEMETRY = \"off\";");
    place.edit(HOST, before, &after);
    fs::write(place.beside("summary"), "of an earlier step\n").unwrap();
    fs::write(place.beside("output"), "earlier=1\n").unwrap();

    let run = on_github(&place, verify(&place, &[])).run().code(1);
    let last = *run.lines().last().unwrap();
    insta::assert_snapshot!(last, @r#"::error file=hosts/mini-thinkcentre/default.nix,line=17,title=mini-thinkcentre changed::inventory.service: 4 rebuilt%0A   in etc → inventory.service%0A   text:%0A     Type=oneshot%0A    +Environment="CODER_TELEMETRY=off"%0A     Environment="REPORT=/run/inventory""#);
    let summary = fs::read_to_string(place.beside("summary")).unwrap();
    let markdown = verify(&place, &["--format", "markdown"]).run().code(1);
    assert_eq!(
        summary.trim_end(),
        format!("of an earlier step\n{}", markdown.stdout.trim_end())
    );
    assert_eq!(
        fs::read_to_string(place.beside("output")).unwrap(),
        "earlier=1\nverdict=changed\nchanged=[\"mini-thinkcentre\"]\nfailed=[]\naccepted=[]\n"
    );
    // Asked for by name, the form is the same elsewhere too.
    let named = verify(&place, &["--format", "github"]).run().code(1);
    assert_eq!(named.stdout, run.stdout);
    // And there, another form that is asked for is what comes.
    let plain = on_github(&place, verify(&place, &["--format", "plain"]));
    let plain = plain.run().code(1);
    assert!(
        plain.stdout.starts_with("unchanged  mini-arm64\n"),
        "{plain}"
    );
}

#[test]
fn github_hears_of_every_host_that_is_not_as_it_was() {
    let place = of_each();
    let run = on_github(&place, verify(&place, &[])).run().code(7);
    insta::assert_snapshot!("github", place.stable(&run.stdout));
    let output = fs::read_to_string(place.beside("output")).unwrap();
    assert_eq!(
        output,
        "verdict=failed\nchanged=[\"b\",\"d\"]\nfailed=[\"c\"]\naccepted=[]\n"
    );
}

#[test]
fn github_finds_files_from_the_top_of_the_repository() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    fs::create_dir(place.path("nix")).unwrap();
    for name in ["flake.nix", "hosts", "baseline.json"] {
        place.git(&["mv", name, "nix"]);
    }
    place.commit("below");
    place.write("nix/hosts/a/default.nix", "throw \"no disk\"");
    place.write(
        "nix/hosts/b/default.nix",
        crate::support::tiny::script_host("b", "echo other"),
    );
    for folder in [".", "nix/hosts"] {
        let call = verify(&place, &["--flake", place.path("nix").to_str().unwrap()]);
        let call = call.args(["--base", "HEAD"]).folder(place.path(folder));
        let run = on_github(&place, call).run().code(7);
        for host in ["a", "b"] {
            let at = format!("::error file=nix/hosts/{host}/default.nix,line=1,");
            assert!(run.stdout.contains(&at), "{folder}: {run}");
        }
    }
}

#[test]
fn github_hears_of_what_was_accepted_as_a_notice() {
    let place = accepted(&[("a", ":"), ("b", ":")]);
    set(&place, "b", "echo other");
    place.commit("other");
    accept(&place);
    let call = on_github(&place, verify(&place, &["--base", "HEAD~2"]));
    let run = call.run().ok();
    assert_eq!(run.stdout.matches("::error").count(), 0, "{run}");
    assert!(
        run.stdout.contains(
            "\n::notice file=hosts/b/default.nix,line=1,title=b unchanged%2C accepted in this change::"
        ),
        "{run}"
    );
    let output = fs::read_to_string(place.beside("output")).unwrap();
    assert!(output.contains("\naccepted=[\"b\"]\n"), "{output}");
}

#[test]
fn no_text_becomes_a_command_of_github() {
    let place = wild();
    for args in [&[][..], &["--explain", "full"]] {
        let run = on_github(&place, verify(&place, args)).run().code(1);
        assert!(run.stdout.contains("::error::planted"), "{run}");
        let obeyed = obeyed(&run.stdout);
        assert_eq!(obeyed.len(), 1, "{run}");
        assert!(obeyed[0].starts_with("::error file=hosts/box/"), "{run}");
        assert_eq!(foreign(&run.stderr), [""; 0], "{run}");
    }
    // Nor does the message of an error.
    place.write(
        "hosts/box/default.nix",
        "throw \"no disk\\n::error::planted\\n::stop-commands::x\\n\"",
    );
    let run = on_github(&place, verify(&place, &[])).run().code(7);
    let obeyed = obeyed(&run.stdout);
    assert_eq!(obeyed.len(), 1, "{run}");
    assert!(obeyed[0].contains("title=box failed"), "{run}");
    assert_eq!(foreign(&run.stderr), [""; 0], "{run}");
}

#[test]
fn gitlab_gets_coloured_lines_and_nothing_is_a_section_but_ours() {
    let place = wild();
    let evil = "\u{1b}[0Ksection_start:1:no\r\u{1b}[0K";
    let file = place.read("hosts/box/default.nix");
    place.write(
        "hosts/box/default.nix",
        file.replace("::error::planted", evil),
    );
    let on_gitlab = |args: &[&str]| verify(&place, args).env("GITLAB_CI", "true");
    let push = |args: &[&str]| on_gitlab(args).env("CI_PIPELINE_SOURCE", "push");
    let run = push(&[]).run().code(1);
    let coloured = "\u{1b}[31;1mchanged\u{1b}[0m";
    assert!(run.stdout.contains(coloured), "{run}");
    let log = GitlabLog::read(&run.stdout);
    assert_eq!(log.titles(), [""; 0], "{run}");
    assert!(
        log.outside()
            .any(|line| line.contains("section_start :1:no")),
        "{run}"
    );
    assert!(!run.stderr.contains("warning"), "{run}");
    // Asked for by name, the form is the same elsewhere too, but for the colours.
    let named = verify(&place, &["--format", "gitlab"]).run().code(1);
    assert_eq!(named.stdout, without_colours(&run.stdout));
    let run = push(&["--format", "plain"]).run().code(1);
    assert!(!run.stdout.contains('\u{1b}'), "{run}");
}

#[test]
fn a_gitlab_without_its_variables_is_judged_and_says_what_it_could_not_know() {
    let place = accepted(&[("a", ":")]);
    let gitlab = |variables: &[(&str, &str)]| {
        let call = verify(&place, &[]).env("GITLAB_CI", "true");
        let call = variables
            .iter()
            .fold(call, |call, (name, value)| call.env(name, value));
        call.run().ok()
    };
    let run = gitlab(&[]).says(&[
        "warning:",
        "GITLAB_CI is set and CI_PIPELINE_SOURCE is not, so this may be a merge request: nothing is explained against that",
    ]);
    assert_eq!(without_colours(&run.stdout), "unchanged  a\n");
    gitlab(&[("CI_PIPELINE_SOURCE", "merge_request_event")])
        .says(&["CI_MERGE_REQUEST_DIFF_BASE_SHA does not say where it began"]);
    let run = gitlab(&[("CI_PIPELINE_SOURCE", "schedule")]);
    assert!(!run.stderr.contains("warning"), "{run}");
    // Only where it is needed, and once.
    for words in [
        &["list"][..],
        &["hosts"],
        &["source", "hash"],
        &["verify-hosts", "--base", "HEAD"],
    ] {
        let run = place.cbox(words).env("GITLAB_CI", "true").run().ok();
        assert!(!run.stderr.contains("GITLAB_CI"), "{run}");
    }
}

fn without_colours(text: &str) -> String {
    let looks = regex::Regex::new(r"\x1b\[[0-9;]*m").unwrap();
    looks.replace_all(text, "").into_owned()
}

/// What GitHub's runner would obey, but for the groups that cbox makes.
fn foreign(text: &str) -> Vec<&str> {
    let mut commands = obeyed(text);
    commands.retain(|command| !["::group::evaluating", "::endgroup::"].contains(command));
    commands
}

/// The lines that GitHub's runner would obey: those that begin with `::` after blanks, but
/// not from `stop-commands` to its word.
fn obeyed(text: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut stopped: Option<String> = None;
    for line in text.lines().map(str::trim) {
        match (&stopped, line.strip_prefix("::stop-commands::")) {
            (None, Some(token)) => stopped = Some(format!("::{token}::")),
            (Some(end), _) if line == end => stopped = None,
            (None, None) if line.starts_with("::") => commands.push(line),
            _ => {}
        }
    }
    assert!(stopped.is_none(), "commands are stopped for ever");
    commands
}

#[test]
fn a_summary_that_cannot_be_written_is_an_error() {
    let place = accepted(&[("a", ":")]);
    let call = verify(&place, &[]).env("GITHUB_ACTIONS", "true");
    let call = call.env("GITHUB_STEP_SUMMARY", place.beside("none/summary"));
    let words = ["error: cannot write ", "none/summary"];
    call.run().code(10).says(&words);
}
