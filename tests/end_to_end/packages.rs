//! The packages that differ, in `diff`, `verify-hosts`, `watch` and `size --against`: as far as
//! derivations tell, and by what two outputs need where both are built.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
};

use nix_formats::version;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    call::Ended, nix::native, place::Place, random::Random, schema, tiny, unique, wait_until,
};

const HOST: &str = "hosts/box/default.nix";

/// A flake with one host, whose system needs `packages`. What builds them needs `tools`.
fn flake(packages: &[&str], tools: &[&str]) -> Place {
    let place = Place::flake(&tiny::of_folders());
    write(&place, packages, tools);
    place.commit("one");
    place
}

/// A word in the name of the system makes it no other test's.
fn write(place: &Place, packages: &[&str], tools: &[&str]) {
    let list = |names: &[&str], function: &str| -> String {
        let names = names
            .iter()
            .map(|name| format!("    ({function} \"{name}\")\n"));
        names.collect()
    };
    let word = place.folder();
    let word = word.file_name().unwrap().to_str().unwrap().replace('.', "");
    let text = format!(
        r#"let
  tools = [
{tools}  ];
  tool = name: derivation {{ inherit name; system = "{system}"; builder = "/bin/sh"; args = [ "-c" "echo >$out" ]; }};
  package = name: derivation {{
    inherit name; system = "{system}"; builder = "/bin/sh"; args = [ "-c" "echo {word}${{name}} >$out" ];
    nativeBuildInputs = tools;
  }};
  packages = [
{packages}  ];
in derivation {{
  inherit packages; name = "nixos-system-box-1"; system = "{system}"; builder = "/bin/sh";
  args = [ "-c" "echo {word} $packages >$out" ];
}}
"#,
        system = native(),
        tools = list(tools, "tool"),
        packages = list(packages, "package"),
    );
    place.write(HOST, text);
}

/// What is listed: `name 1 → 2`, `+name 1`, `-name 1`.
fn listed(changes: &Value) -> Vec<String> {
    let text = |versions: &Value| -> String {
        let versions = versions.as_array().unwrap().iter();
        let versions: Vec<&str> = versions.map(|one| one.as_str().unwrap()).collect();
        versions.join(", ")
    };
    let mut all = Vec::new();
    for one in changes["changed"].as_array().unwrap() {
        let (from, to) = (text(&one["from"]), text(&one["to"]));
        all.push(format!("{} {from} → {to}", one["name"].as_str().unwrap()));
    }
    for (key, sign) in [("added", '+'), ("removed", '-')] {
        for one in changes[key].as_array().unwrap() {
            let name = one["name"].as_str().unwrap();
            all.push(format!("{sign}{name} {}", text(&one["versions"])));
        }
    }
    all
}

const OLD: [&str; 5] = [
    "coder-2.24.1",
    "gone-1",
    "python3-3.9",
    "python3-3.10",
    "motd",
];
const NEW: [&str; 5] = ["coder-2.25.0", "python3-3.10", "motd", "new-1", "zlib-1.3"];
const CHANGES: [&str; 5] = [
    "coder 2.24.1 → 2.25.0",
    "python3 3.9, 3.10 → 3.10",
    "+new 1",
    "+zlib 1.3",
    "-gone 1",
];

fn diff(place: &Place, sides: [&str; 2]) -> Ended {
    place.cbox(&["diff"]).args(sides).run().ok()
}

#[test]
fn derivations_tell_what_may_run_and_where_it_comes_from() {
    let place = flake(&OLD, &["cmake-3"]);
    write(&place, &NEW, &["cmake-4"]);
    let run = diff(&place, ["HEAD:box", "box"]);
    let json = place
        .cbox(&["diff", "HEAD:box", "box", "--json"])
        .run()
        .ok();
    let found = &json.json()["diff"];
    assert_eq!(listed(&found["packageChanges"]), CHANGES);
    assert_eq!(found["packageChanges"]["compared"], "derivations");
    assert_eq!(found["packageChanges"]["closureSize"], Value::Null);
    assert!(!run.stdout.contains("cmake-4 "), "{run}");
    let causes = found["explanation"]["causes"].as_array().unwrap();
    let coder = causes
        .iter()
        .find(|cause| cause["bump"]["package"] == "coder");
    let place_of = |line: u64| json!({ "file": HOST, "line": line });
    assert_eq!(coder.unwrap()["place"], place_of(11), "{run}");
    for part in [
        "coder 2.24.1 → 2.25.0: 2 rebuilt, from hosts/box/default.nix:11",
        "packages, as far as the derivations tell: 2 changed, 2 added, 1 removed",
        " coder 2.24.1 → 2.25.0\n",
        "+zlib 1.3",
        "-gone 1",
    ] {
        assert!(run.stdout.contains(part), "{part}: {run}");
    }
    // Of what is no change of the tree no line is named, and of nothing nothing.
    let back = diff(&place, ["box", "HEAD:box"]);
    assert!(!back.stdout.contains(", from "), "{back}");
    assert!(back.stdout.contains("coder 2.25.0 → 2.24.1\n"), "{back}");
    let same = place.cbox(&["diff", "box", "box", "--json"]).run().ok();
    assert!(listed(&same.json()["diff"]["packageChanges"]).is_empty());
}

#[test]
fn two_commits_name_the_line_too() {
    let place = flake(&OLD, &[]);
    write(&place, &NEW, &[]);
    place.commit("two");
    write(&place, &OLD, &[]);
    let run = diff(&place, ["HEAD~1:box", "HEAD:box"]);
    let line = "coder 2.24.1 → 2.25.0: 2 rebuilt, from hosts/box/default.nix:10";
    assert!(run.stdout.contains(line), "{run}");
}

#[test]
fn what_is_built_is_compared_by_what_it_needs() {
    let place = flake(&OLD, &["cmake-3"]);
    place.ask(&["build", "hosts/box"]);
    let old = place.link("hosts-box");
    symlink(&old, place.path("result")).unwrap();
    write(&place, &NEW, &["cmake-4"]);
    // The new one is not built.
    let run = place.cbox(&["diff", "result", "box", "--json"]).run().ok();
    let found = &run.json()["diff"]["packageChanges"];
    assert_eq!(found["compared"], "derivations");
    assert_eq!(listed(found), CHANGES);
    place.ask(&["build", "hosts/box"]);
    let new = place.link("hosts-box");
    let size = |path: &str| {
        let run = place.nix(&["path-info", "--closure-size", path]).run().ok();
        let size = run
            .text()
            .split_whitespace()
            .next_back()
            .unwrap()
            .to_owned();
        size.parse::<u64>().unwrap()
    };
    for sides in [["HEAD:box", "box"], ["result", "box"], [&old, &new]] {
        let run = place
            .cbox(&["diff"])
            .args(sides)
            .args(["--json"])
            .run()
            .ok();
        let found = &run.json()["diff"];
        let changes = &found["packageChanges"];
        assert_eq!(changes["compared"], "closures", "{run}");
        assert_eq!(listed(changes), CHANGES);
        let sizes = json!({ "from": size(&old), "to": size(&new) });
        assert_eq!(changes["closureSize"], sizes);
        assert_eq!(found["old"]["outPath"], old.as_str());
    }
    let run = diff(&place, ["HEAD:box", "box"]);
    let heading = "packages: 2 changed, 2 added, 1 removed; closure ";
    assert!(run.stdout.contains(heading), "{run}");
    assert_eq!(run.stdout.matches("2.24.1 → 2.25.0").count(), 2, "{run}");

    // `size` lists the same.
    let size = place.cbox(&["size", "box", "--against", "result"]);
    let run = size.run().ok();
    assert!(run.stdout.contains(heading), "{run}");
    let size = place.cbox(&["size", "box", "--against", "HEAD", "--json"]);
    let found = &size.run().ok().json()["size"]["packageChanges"];
    assert_eq!(listed(found), CHANGES);
    let size = place.cbox(&["size", "box", "--against", "HEAD", "--top", "2"]);
    let run = size.run().ok();
    assert!(run.stdout.contains("… 3 more packages"), "{run}");
}

#[test]
fn store_paths_need_no_flake_and_no_derivation() {
    let place = flake(&OLD, &[]);
    place.ask(&["build", "hosts/box"]);
    let made = place.link("hosts-box");
    // As if they had been built elsewhere.
    let add = |name: &str, text: &str| {
        let file = place.beside(name);
        fs::write(&file, text).unwrap();
        let run = place.nix(&["store", "add", "--mode", "flat"]).args([&file]);
        run.run().ok().text().to_owned()
    };
    let (one, two) = (add("tool-1.9", &unique()), add("tool-1.10", &unique()));
    symlink(&one, place.beside("home/link")).unwrap();
    let call = |sides: [&str; 2], more: &[&str]| {
        let call = place.cbox(&["diff"]).args(sides).args(more);
        call.folder(place.beside("home")).run()
    };
    let run = call(["./link", &two], &[]).ok();
    let run = run.says(&["not explained: the derivation that built link is unknown"]);
    let changed = "packages: 1 changed; closure ";
    assert!(run.stdout.starts_with(changed), "{run}");
    assert_eq!(run.lines()[1], "   tool 1.9 → 1.10", "{run}");
    let json = call([&one, &two], &["--json"]).ok().json();
    assert_eq!(json["diff"]["explanation"], Value::Null);
    assert_eq!(json["diff"]["old"]["drvPath"], Value::Null);
    let same = call([&one, "link"], &[]).ok();
    assert_eq!(same.text(), "the same output");
    assert!(!same.stderr.contains("not explained"), "{same}");
    let run = call([&made, &one], &[]).ok();
    assert!(run.stdout.contains("-coder 2.24.1"), "{run}");
    // What needs nothing is compared with all that may run.
    write(&place, &NEW, &["cmake-4"]);
    let run = diff(&place, [&one, "box"]);
    let heading = "packages, as far as the derivations of one tell: 6 added, 1 removed";
    assert_eq!(run.lines()[0], heading, "{run}");
    assert!(!run.stdout.contains("cmake"), "{run}");
}

#[test]
fn what_is_no_system_says_so() {
    let place = flake(&["zlib-1"], &[]);
    let gone = format!("/nix/store/{}-gone-1", "a".repeat(32));
    symlink(&gone, place.path("dangling")).unwrap();
    symlink("nowhere", place.path("nowhere-link")).unwrap();
    for (side, words) in [
        ("dangling", &["cannot open dangling: No such file"][..]),
        (
            "./nowhere-link",
            &["cannot open nowhere-link: No such file"],
        ),
        ("/etc/passwd", &["/etc/passwd is not in a store"]),
        (&gone, &["cannot open ", "No such file"]),
        (
            "ssh://",
            &["`ssh://` names no machine", "write `ssh://HOST`"],
        ),
        ("ssh://-oX", &["`ssh://-oX` names no machine"]),
    ] {
        for sides in [[side, "box"], ["box", side], [side, "/etc/passwd"]] {
            let run = place.cbox(&["diff"]).args(sides).run().code(2);
            let run = run.says(words);
            assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
            assert_eq!(run.stdout, "", "{run}");
        }
    }
    if !fs::exists("/run/current-system").unwrap() {
        let run = place.cbox(&["diff", "/run/current-system", "box"]);
        run.run()
            .code(2)
            .says(&["this machine does not run NixOS: there is no /run/current-system"]);
    }
    for args in [
        ["ssh://nobody"].as_slice(),
        &["box", "--against", "ssh://nobody"],
    ] {
        let run = place.cbox(&["size"]).args(args).run().code(2);
        run.says(&["ssh://nobody is a machine", "`cbox diff` compares"]);
    }
}

#[test]
fn a_machine_that_cannot_be_reached_says_why() {
    let place = flake(&["zlib-1"], &[]);
    place.write(
        place.beside("bin/ssh"),
        "#!/bin/sh\ncase $* in\n\
         *refused*) echo 'ssh: connect to host refused port 22: Connection refused' >&2; exit 255 ;;\n\
         *unknown*) echo 'ssh: Could not resolve hostname unknown: Name or service not known' >&2; exit 255 ;;\n\
         *debian*) echo /run/current-system ;;\n\
         *bare*) echo 'sh: readlink: not found' >&2; exit 127 ;;\n\
         *) echo >$ASKED; exec sleep 100 ;;\nesac\n",
    );
    let chmod = ["+x"];
    place
        .call("chmod")
        .args(chmod)
        .args([place.beside("bin/ssh")])
        .run()
        .ok();
    let path = format!(
        "{}:{}",
        place.beside("bin").display(),
        std::env::var("PATH").unwrap()
    );
    for (machine, code, words) in [
        (
            "ssh://refused",
            5,
            "cannot be reached: ssh: connect to host refused port 22",
        ),
        (
            "ssh-ng://me@unknown",
            5,
            "cannot be reached: ssh: Could not resolve hostname",
        ),
        (
            "ssh://debian",
            2,
            "`ssh://debian` does not run NixOS: it has no /run/current-system",
        ),
        ("ssh://bare:22", 2, "does not run NixOS"),
    ] {
        let run = place
            .cbox(&["diff", machine, "box"])
            .env("PATH", &path)
            .run();
        let run = run.code(code).says(&[words, machine]);
        assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
    }
    let waiting = place
        .cbox(&["diff", "ssh://slow", "box"])
        .env("ASKED", place.beside("asked"))
        .env("PATH", &path);
    let waiting = waiting.start();
    wait_until("it asks the machine", || place.beside("asked").exists());
    waiting.signal(Signal::INT);
    waiting.wait().code(130);
}

#[test]
fn verify_hosts_and_watch_list_the_same() {
    let place = flake(&OLD, &["cmake-3"]);
    place.ask(&["accept"]);
    place.commit("accepted");
    write(&place, &NEW, &["cmake-4"]);
    let run = place.cbox(&["verify-hosts"]).run().code(1);
    let heading = "  packages, as far as the derivations tell: 2 changed, 2 added, 1 removed";
    assert!(run.stdout.contains(heading), "{run}");
    assert!(run.lines().contains(&"    +zlib 1.3"), "{run}");
    let run = place.cbox(&["verify-hosts", "--json"]).run().code(1);
    let host = &run.json()["verifyHosts"]["hosts"][0];
    assert_eq!(listed(&host["packageChanges"]), CHANGES);
    let run = place.cbox(&["verify-hosts", "--format", "markdown"]).run();
    assert!(run.stdout.contains("\n+  zlib 1.3\n"), "{run}");

    write(&place, &OLD, &["cmake-3"]);
    let rounds = place.beside("rounds");
    let watch = place.cbox(&["watch", "hosts/box", "--json"]);
    let watch = watch.stdout(File::create(&rounds).unwrap()).start();
    let round = |number: usize| {
        let told = || {
            let text = fs::read_to_string(&rounds).unwrap();
            let line = text.split_inclusive('\n').nth(number)?;
            line.strip_suffix('\n').map(str::to_owned)
        };
        wait_until("the round is told", || told().is_some());
        let document: Value = serde_json::from_str(&told().unwrap()).unwrap();
        schema::check(&document);
        document["watch"][0].clone()
    };
    assert_eq!(round(0)["packageChanges"], Value::Null);
    write(&place, &NEW, &["cmake-4"]);
    assert_eq!(listed(&round(1)["packageChanges"]), CHANGES);
    watch.signal(Signal::INT);
    watch.wait().code(130);
}

#[test]
fn versions_have_nixs_order() {
    let place = Place::empty("versions");
    let mut random = Random(7);
    let parts = [
        "1",
        "2",
        "10",
        "007",
        "pre",
        "a",
        "rc",
        "alpha",
        "p9",
        ".",
        ".",
        "-",
        "",
        "2147483648",
        "99999999999",
        "2147483647",
        "+",
        "_",
    ];
    let mut version = || -> String {
        let length = random.below(6);
        (0..length)
            .map(|_| parts[random.below(parts.len())])
            .collect()
    };
    let pairs: Vec<(String, String)> = (0..3000).map(|_| (version(), version())).collect();
    let list: String = pairs
        .iter()
        .map(|(one, other)| format!("(c \"{one}\" \"{other}\") "))
        .collect();
    let file = place.beside("versions.nix");
    fs::write(
        &file,
        format!("let c = builtins.compareVersions; in [ {list} ]"),
    )
    .unwrap();
    let run = place
        .nix(&["eval", "--json", "--file"])
        .args([&file])
        .run()
        .ok();
    let orders: Vec<i64> = serde_json::from_str(run.text()).unwrap();
    assert_eq!(orders.len(), pairs.len());
    for ((one, other), order) in pairs.iter().zip(orders) {
        assert_eq!(version::compare(one, other) as i64, order, "{one} {other}");
    }
}
