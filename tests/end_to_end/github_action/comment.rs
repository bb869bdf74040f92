//! The comment on a pull request, against an API of the tests' own: what a stranger's run left is
//! text and numbers, whatever it is.

use std::fs;

use serde_json::{Value, json};

use super::{
    api::{BOT, GitHub, SHA, pull},
    server::{Answer, Server},
    zip::zip,
};

/// What stands in the fence of a comment.
#[track_caller]
fn fenced(body: &str) -> String {
    let (_, rest) = body.split_once("printed.\n\n").unwrap();
    let (fence, rest) = rest.split_once("text\n").unwrap();
    assert!(
        fence.len() >= 3 && fence.chars().all(|it| it == '`'),
        "{body}"
    );
    let end = format!("\n{fence}");
    let (inside, after) = rest.split_once(&end).unwrap();
    let no_line_ends_it = |line: &str| {
        let bare = line.trim();
        !(bare.len() >= fence.len() && bare.chars().all(|it| it == '`'))
    };
    assert!(inside.lines().all(no_line_ends_it), "{body}");
    assert!(
        after.is_empty() || after.starts_with("\n\n#### Images\n"),
        "{after}"
    );
    inside.to_owned()
}

#[test]
fn one_comment_is_made_and_written_over() {
    let Some(github) = GitHub::new() else { return };
    github.verdict("unchanged  one\n");
    github.run().says(&["commented on #5"]);
    let first = github.comments();
    assert_eq!(
        first,
        [format!(
            "<!-- cbox verdict -->\n\n### cbox: the install hosts\n\n[Run 7](https://github.example/owner/name/actions/runs/7) of {SHA}. \
             The text is what the code of this pull request printed.\n\n```text\nunchanged  one\n```"
        )]
    );
    let summary = fs::read_to_string(github.place.beside("summary")).unwrap();
    assert_eq!(summary.trim_end(), first[0]);
    for request in github.server.take() {
        let token = request.header("Authorization");
        assert_eq!(token, Some("Bearer the-token"), "{request:?}");
    }
    github.verdict("changed  one\n");
    github.run();
    let second = github.comments();
    assert_eq!(second.len(), 1, "the same comment");
    assert!(second[0].contains("\nchanged  one\n"), "{second:?}");
    // A run that left nothing says so where there is a comment, and is silent where there is none.
    github.state.lock().unwrap().artifacts.clear();
    github.run();
    assert!(github.comments()[0].ends_with("The run left no verdict."));
    github.state.lock().unwrap().comments.clear();
    github
        .run()
        .says(&["nothing is commented: the run left nothing"]);
    assert!(github.comments().is_empty());
}

#[test]
fn only_its_own_comment_is_written_over() {
    let Some(github) = GitHub::new() else { return };
    let mark = "<!-- cbox verdict --> not mine";
    let mut others: Vec<(String, String)> = (0..150)
        .map(|number| ("somebody".to_owned(), format!("{mark} {number}")))
        .collect();
    others.push((BOT.to_owned(), "another of the bot's".to_owned()));
    github.state.lock().unwrap().comments = others.clone();
    github.verdict("first");
    github.run();
    github.verdict("second");
    github.run();
    let comments = github.state.lock().unwrap().comments.clone();
    assert_eq!(comments.len(), others.len() + 1);
    assert_eq!(comments[..others.len()], others);
    assert!(comments[others.len()].1.contains("second"));
}

#[test]
fn text_is_text() {
    let Some(github) = GitHub::new() else { return };
    for hostile in [
        "$(touch x) `touch x` ${{ github.token }} \"'\\ \r\nnext",
        "@everyone <script>alert(1)</script> <img src=x> [a](https://evil.example) #1 owner/name#2",
        "```\n# out of the fence\n```` \n   ````\n@everyone",
        "</details>\n<!-- cbox verdict -->\n::error::x\n::stop-commands::y",
        "| a | b |\n|---|---|\n%0A%25 %s %n \\n \\u0041 &lt;",
        "-x --data @/etc/passwd\n@/etc/passwd",
    ] {
        let body = github.comment_on(hostile);
        let inside = fenced(&body);
        let expected = hostile.replace('\r', "");
        assert_eq!(inside, expected.strip_suffix('\n').unwrap_or(&expected));
    }
    // What is seen for something else is not there, and what is no UTF-8 is shown as such.
    let body = github.comment_on(
        "a\u{1b}[31mb\0\u{7}\u{85}c\u{202e}d\u{200b}\u{2066}e\u{feff}\u{e0041}\tf\u{2028}",
    );
    assert_eq!(fenced(&body), "a[31mbcde\tf");
    let body = github.comment_on(b"a\xff\xfeb");
    assert_eq!(fenced(&body).replace('\u{fffd}', ""), "ab");
    let body = github.comment_on("\u{1b}\n\n");
    assert!(body.ends_with("The run left no verdict."), "{body}");
}

#[test]
fn a_long_text_is_cut() {
    let Some(github) = GitHub::new() else { return };
    const MOST: usize = 65_536;
    let line = "changed  a-host  some words on why\n";
    for text in [
        line.repeat((1 << 20) / line.len()),
        "x".repeat(1 << 20),
        "\u{1f600}".repeat(1 << 18),
        "`".repeat(1 << 20),
        "` ".repeat(1 << 19),
        format!("{}\n", " ".repeat(1 << 20)),
        "\n".repeat(1 << 20),
        format!("{}{}", " ".repeat(1 << 19), "x"),
    ] {
        let body = github.comment_on(&text);
        assert!(body.len() < MOST, "{}", body.len());
        if text.contains("host") {
            let inside = fenced(&body);
            let end = "\n… and more: the summary of the run has all of it";
            let inside = inside.strip_suffix(end).unwrap();
            assert!(
                inside.lines().all(|it| it == line.trim_end()),
                "whole lines"
            );
            assert!(inside.len() > 40_000, "{}", inside.len());
        }
    }
}

#[test]
fn an_artifact_is_read_and_never_unpacked() {
    let Some(github) = GitHub::new() else { return };
    // Another name, and what looks like it.
    for name in [
        "verdict",
        "cbox-verdict2",
        "Cbox-Verdict",
        "../cbox-verdict",
        "$(touch x)",
        "cbox-verdict\n",
    ] {
        github.state.lock().unwrap().artifacts.clear();
        github.artifact(name, &[("verdict.txt", b"no")]);
        github.run().says(&["nothing is commented"]);
    }
    let slip: &[(&str, &[u8])] = &[
        ("../../slipped", b"out"),
        ("/tmp/cbox-slipped", b"out"),
        ("verdict.txt", b"the text"),
    ];
    github.state.lock().unwrap().artifacts.clear();
    github.artifact("cbox-verdict", slip);
    github.run();
    assert_eq!(fenced(&github.comments()[0]), "the text");
    let beside = github.place.names("..");
    assert!(
        !beside.iter().any(|name| name.contains("slipped")),
        "{beside:?}"
    );
    assert!(!fs::exists("/tmp/cbox-slipped").unwrap());
    // No archive, one without the file, one that the API calls too large.
    let artifacts = [
        ("cbox-verdict".to_owned(), b"no archive".to_vec(), 10),
        ("cbox-verdict".to_owned(), zip(&[("other.txt", b"no")]), 100),
        (
            "cbox-verdict".to_owned(),
            zip(&[("verdict.txt", b"no")]),
            3_000_000,
        ),
    ];
    for artifact in artifacts {
        let mut state = github.state.lock().unwrap();
        state.comments.clear();
        state.artifacts = vec![artifact];
        drop(state);
        github
            .run()
            .says(&["nothing is commented: the run left nothing"]);
    }
    // Of several, the newest.
    github.state.lock().unwrap().artifacts.clear();
    github.artifact("cbox-verdict", &[("verdict.txt", b"old")]);
    github.artifact("cbox-verdict", &[("verdict.txt", b"new")]);
    github.run();
    assert_eq!(fenced(&github.comments()[0]), "new");
}

#[test]
fn github_says_which_pull_request_is_meant() {
    let Some(mut github) = GitHub::new() else {
        return;
    };
    github.verdict("5\n#6\nnumber: 6");
    // A branch of any name is a part of a question, and nothing else.
    let branch = "a&state=all#\"'`$(touch x)`${{ x }}\n\u{202e}%0a @all <b>é";
    github.event["workflow_run"]["head_branch"] = branch.into();
    github.event["workflow_run"]["display_title"] = "`$(touch x)` \"; ${{ github.token }}".into();
    github.run();
    let asked = github.server.take();
    let asked = asked.iter().find(|it| it.path.contains("/pulls?")).unwrap();
    let (_, head) = asked.path.split_once("&head=").unwrap();
    assert!(
        head.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"%-._~!*()'".contains(&byte)),
        "{head}"
    );
    assert!(head.starts_with("somebody%3Aa%26state%3Dall%23"), "{head}");
    assert_eq!(github.comments().len(), 1);

    let silent = |github: &GitHub, pulls: Vec<Value>, words: &str| {
        let mut state = github.state.lock().unwrap();
        state.comments.clear();
        state.pulls = pulls;
        drop(state);
        github.run().says(&[words]);
        assert!(github.comments().is_empty());
    };
    let none = "no one open pull request has";
    // A newer commit came since, or the pull request is of another repository.
    silent(&github, vec![pull(5, &SHA.replace('0', "f"))], none);
    silent(&github, vec![], none);
    let mut elsewhere = pull(5, SHA);
    elsewhere["base"]["repo"]["full_name"] = "other/name".into();
    silent(&github, vec![elsewhere], none);
    // Two of the same commit, unless GitHub names one.
    let two = vec![pull(4, SHA), pull(5, SHA)];
    silent(&github, two.clone(), none);
    github.event["workflow_run"]["pull_requests"] = json!([{ "number": 5 }]);
    github.state.lock().unwrap().pulls = two;
    github.run();
    assert_eq!(github.comments().len(), 1);
    // What is for no pull request, and what is no event.
    github.event["workflow_run"]["event"] = "push".into();
    silent(
        &github,
        vec![pull(5, SHA)],
        "the run was for no pull request",
    );
    github.event["workflow_run"]["event"] = "pull_request".into();
    github.event["workflow_run"]["head_sha"] = "$(touch x)".into();
    github
        .call()
        .run()
        .code(1)
        .says(&["this is no event of workflow_run"]);
}

/// A manifest as cbox writes it, as far as it counts.
fn manifest(target: &str, path: &str, size: u64, sha256: &str) -> Value {
    json!({
        "schema": 2,
        "target": target,
        "system": "x86_64-linux",
        "artifact": { "path": path, "size": size, "sha256": sha256 },
    })
}

#[test]
fn images_are_rows_of_a_table() {
    let Some(github) = GitHub::new() else { return };
    github.verdict("unchanged");
    let sha256 = "ab".repeat(32);
    let add = |name: &str, value: &Value| {
        let text = value.to_string();
        github.artifact(
            &format!("cbox-manifest-{name}"),
            &[("x.json", text.as_bytes())],
        );
    };
    add(
        "iso",
        &manifest("appliance/iso", "iso/box.iso", 22_728_704, &sha256),
    );
    let two = json!({
        "target": "appliance/raw/aarch64-linux", "system": "aarch64-linux",
        "artifact": null,
        "artifacts": [
            { "path": "a.raw", "size": 3_000_000_000_u64, "sha256": sha256 },
            { "path": "b.raw", "size": 1000, "sha256": sha256 },
        ],
    });
    add("raw", &two);
    github.artifact("appliance-iso", &[]);
    github.run();
    let body = github.comments().remove(0);
    let (_, table) = body.split_once("#### Images\n\n").unwrap();
    let iso = format!(
        "| `appliance/iso` | `x86_64-linux` | `box.iso` | 22.7 MB | `{sha256}` | [`appliance-iso`](https://github.example/owner/name/actions/runs/7/artifacts/3) |"
    );
    let raw = |name: &str, size: &str| {
        format!(
            "| `appliance/raw/aarch64-linux` | `aarch64-linux` | `{name}` | {size} | `{sha256}` |  |"
        )
    };
    let mut rows: Vec<&str> = table.lines().skip(2).collect();
    rows.sort_unstable();
    assert_eq!(
        rows,
        [iso, raw("a.raw", "3 GB"), raw("b.raw", "1 kB")],
        "{body}"
    );
}

#[test]
fn a_manifest_is_numbers_hashes_and_plain_names() {
    let Some(github) = GitHub::new() else { return };
    let good = "ab".repeat(32);
    let mut hostile = vec![
        manifest("a|b/c", "x.iso", 1, &good),
        manifest("a/`b`", "x.iso", 1, &good),
        manifest("a/b\n@all", "x.iso", 1, &good),
        manifest("../..", "x.iso", 1, &good),
        manifest("a", "x.iso", 1, &good),
        manifest("a/b", "x.iso", 1, "@all"),
        manifest("a/b", "x.iso", 1, &format!("{good}\n| x |")),
        manifest("a/b", "x.iso", 1, &good.to_uppercase()),
        json!({ "target": "a/b", "system": "<b>", "artifact": { "path": "x", "size": 1, "sha256": good } }),
        json!({ "target": ["a/b"], "system": 1, "artifact": [] }),
        json!([1, "x", null]),
        json!("text"),
        Value::Null,
    ];
    for size in [
        json!(-1),
        json!(1.5),
        json!("1"),
        json!(1e300),
        json!(null),
        json!({}),
    ] {
        let mut one = manifest("a/b", "x.iso", 1, &good);
        one["artifact"]["size"] = size;
        hostile.push(one);
    }
    github.verdict("unchanged");
    for (number, one) in hostile.iter().enumerate() {
        let name = format!("cbox-manifest-{number}");
        github.artifact(&name, &[("x.json", one.to_string().as_bytes())]);
    }
    github.artifact("cbox-manifest-x", &[("x.json", b"{ no json")]);
    github.run();
    let body = github.comments().remove(0);
    assert!(!body.contains("#### Images"), "{body}");
    // A name that is none is left out, and so is what would be too much.
    github.verdict("x\n".repeat(100_000));
    let odd = manifest("a/b", "x|`y`\n@all", 1, &good);
    github.artifact(
        "cbox-manifest-odd",
        &[("x.json", odd.to_string().as_bytes())],
    );
    for number in 0..39 {
        let long = "n".repeat(90);
        let one = manifest(&format!("{long}/{long}/{long}{number}"), &long, 1, &good);
        github.artifact(
            &format!("cbox-manifest-{number}"),
            &[("x.json", one.to_string().as_bytes())],
        );
    }
    github.run();
    let body = github.comments().remove(0);
    assert!(
        body.contains("| `a/b` | `x86_64-linux` |  | 0 kB |"),
        "{body}"
    );
    assert!(!body.contains('@') && body.len() < 65_536, "{}", body.len());
}

#[test]
fn without_permission_it_is_the_summary() {
    let Some(github) = GitHub::new() else { return };
    github.verdict("unchanged");
    for status in [403, 404] {
        github.state.lock().unwrap().refuses = Some(status);
        let ended = github.run();
        let notice = format!(
            "::notice title=cbox::the comment on #5 is refused ({status}): the verdict is the summary of this job"
        );
        assert_eq!(ended.text(), notice);
        let summary = fs::read_to_string(github.place.beside("summary")).unwrap();
        assert!(summary.contains("```text\nunchanged\n```"), "{summary}");
    }
    github.state.lock().unwrap().refuses = Some(418);
    github
        .call()
        .run()
        .code(1)
        .says(&["GitHub answers with 418 to the comment"]);
    assert!(github.comments().is_empty());
}

#[test]
fn the_token_goes_to_github_alone() {
    let Some(github) = GitHub::new() else { return };
    let archive = zip(&[("verdict.txt", b"stored elsewhere")]);
    let storage = Server::start(move |_| Answer::bytes(archive.clone()));
    github.verdict("here");
    github.state.lock().unwrap().storage = Some(storage.address.clone());
    github.run();
    assert_eq!(fenced(&github.comments()[0]), "stored elsewhere");
    let asked = storage.take();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("Authorization"), None, "{asked:?}");
}
