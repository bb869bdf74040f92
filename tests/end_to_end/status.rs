//! `cbox status`: what it says of each link, and that no odd one keeps it from the others.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};

use crate::{
    bad_words::fails,
    support::{nix::native, place::Place, stand_in::count, tiny},
};

/// A place with one host, built and linked as `hosts-box`.
fn built() -> Place {
    let place = Place::flake(&tiny::scripts(&[("box", "echo >$out")]));
    place.ask(&["build", "hosts/box"]);
    place
}

/// Lets a link be of the day before yesterday, so that its age is the same for a day.
fn make_two_days_old(place: &Place, slug: &str) {
    let linked_at = place.manifest(slug)["linkedAt"].to_string();
    let earlier = ["--utc", "--date", "60 hours ago", "+\"%Y-%m-%dT%H:%M:%SZ\""];
    let earlier = place.call("date").args(earlier).run().ok();
    place.edit(&format!("out/{slug}.json"), &linked_at, earlier.text());
}

/// The text without the short revision, which says when this test ran.
fn without_revision(place: &Place, text: &str) -> String {
    let head = place.git(&["rev-parse", "HEAD"]);
    text.replace(&head.text()[..7], "<......>")
}

/// What is said of each link.
#[track_caller]
fn links(place: &Place, args: &[&str]) -> Vec<Value> {
    let run = place.cbox(&[&["status", "--json"], args].concat());
    let answer = run.run().ok().json();
    answer["links"].as_array().unwrap().clone()
}

/// The state of each link, with its file name.
#[track_caller]
fn states(place: &Place) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let state = |link: Value| {
        let path = text(&link["link"]);
        let name = path.rsplit('/').next().unwrap().to_owned();
        (name, text(&link["state"]))
    };
    links(place, &[]).into_iter().map(state).collect()
}

/// The state of the one link.
#[track_caller]
fn state(place: &Place) -> String {
    let [(_, state)] = &states(place)[..] else {
        panic!("{:?}", states(place))
    };
    state.clone()
}

#[test]
fn a_link_is_told_with_all_that_is_known() {
    let place = Place::minibox();
    place.write("modules/new.txt", "not committed\n");
    place.ask(&["appliance", "iso"]);
    make_two_days_old(&place, "appliance-iso");
    let [link] = &links(&place, &[])[..] else {
        panic!()
    };
    let manifest = place.manifest("appliance-iso");
    for (field, value) in [
        ("target", json!("appliance/iso")),
        ("state", json!("current")),
        ("why", Value::Null),
        ("gcRoot", json!(true)),
        ("storePath", manifest["outPath"].clone()),
        ("size", manifest["artifact"]["size"].clone()),
        ("revision", manifest["source"]["revision"].clone()),
        ("dirty", json!(true)),
        ("manifest", manifest.clone()),
    ] {
        assert_eq!(link[field], value, "{field}");
    }
    let closure = link["closureSize"].as_u64().unwrap();
    assert!(closure > link["size"].as_u64().unwrap());
    assert_eq!(link["linkedAt"], manifest["linkedAt"]);
    let table = place.ask(&["status"]);
    insta::assert_snapshot!(without_revision(&place, &table), @"
    TARGET         SIZE     CLOSURE  BUILT    REVISION  STATE
    appliance/iso  22.7 MB  22.7 MB  2 d ago  <......>+  current
    1 link: images 22.7 MB, closures together 22.7 MB
    ");
    assert!(table.lines().all(|line| line.len() <= 80), "{table}");
}

#[test]
fn what_two_links_share_counts_once_in_the_total() {
    let place = built();
    let build = ["build", "hosts/box", "--out-dir", "../both"];
    place.ask(&build);
    fs::copy(
        place.beside("both/hosts-box.json"),
        place.path("out/same.json"),
    )
    .unwrap();
    symlink(place.link("hosts-box"), place.path("out/same")).unwrap();
    let answer = place.cbox(&["status", "--json"]).run().ok().json();
    let closure = |number: usize| answer["links"][number]["closureSize"].clone();
    assert!(closure(0).as_u64().unwrap() > 0, "{answer:#}");
    assert_eq!(
        [closure(0), closure(0)],
        [closure(1), answer["total"]["closureSize"].clone()]
    );
}

#[test]
fn a_changed_tree_makes_links_stale() {
    let place = built();
    assert_eq!(state(&place), "current");
    place.write("notes.txt", "a note\n");
    assert_eq!(state(&place), "stale");
    place.git(&["add", "--all"]);
    assert_eq!(state(&place), "stale");
    fs::remove_file(place.path("notes.txt")).unwrap();
    assert_eq!(state(&place), "current");
    place.git(&["commit", "--quiet", "--allow-empty", "--message", "empty"]);
    assert_eq!(state(&place), "current", "a commit alone changes no file");
}

#[test]
fn local_settings_count_for_the_host_that_they_are_built_into() {
    let place = Place::minibox();
    let platform = format!("nixpkgs.buildPlatform={}", native());
    let host = ["build", "hosts/mini-thinkcentre", "--set", &platform];
    place.ask(&host);
    place.ask(&["appliance", "iso"]);
    let states = || {
        let states = states(&place);
        states
            .into_iter()
            .map(|(_, state)| state)
            .collect::<Vec<_>>()
    };
    assert_eq!(states(), ["current", "current"]);
    for host in ["mini-thinkcentre", "_appliance_iso"] {
        place.write(format!("hosts/{host}/local.nix"), "{ }\n");
    }
    assert_eq!(
        states(),
        ["current", "stale"],
        "images take none by themselves"
    );
    place.ask(&host);
    place.ask(&["appliance", "iso", "--with-local"]);
    assert_eq!(states(), ["current", "current"]);
    place.write("hosts/_appliance_iso/local.nix", "{ } # other\n");
    assert_eq!(states(), ["stale", "current"]);
}

#[test]
fn every_odd_link_is_told_and_none_is_an_error() {
    let place = built();
    make_two_days_old(&place, "hosts-box");
    let path = place.link("hosts-box");
    let manifest = place.read("out/hosts-box.json");
    let with = |name: &str, target: &str, manifest: Option<&str>| {
        symlink(target, place.path("out").join(name)).unwrap();
        if let Some(manifest) = manifest {
            place.write(format!("out/{name}.json"), manifest);
        }
    };
    let of = |name: &str| manifest.replace("hosts/box", &format!("hosts/{name}"));
    let gone = "/nix/store/00000000000000000000000000000000-gone";
    with("hosts-gone", gone, Some(&of("gone").replace(&path, gone)));
    with("hosts-changed", gone, Some(&of("changed")));
    with("hosts-plain", &path, None);
    with("hosts-broken", &path, Some("{"));
    with(
        "hosts-newer",
        &path,
        Some(r#"{"schema": 999, "target": 1}"#),
    );
    with("elsewhere", "/etc/passwd", Some(&manifest));
    with("loop", "loop", None);
    place.write("out/notes.txt", "mine\n");
    place.write("out/hosts-unlinked.json", of("unlinked"));
    place.write("out/bell\u{7}", "");
    fs::create_dir(place.path("out/folder")).unwrap();
    let found = states(&place);
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, state)| (&**name, &**state))
        .collect();
    assert_eq!(
        found,
        [
            ("bell\u{7}", "by-hand"),
            ("elsewhere", "by-hand"),
            ("folder", "by-hand"),
            ("hosts-box", "current"),
            ("hosts-broken", "broken"),
            ("hosts-changed", "dangling"),
            ("hosts-gone", "dangling"),
            ("hosts-newer", "newer"),
            ("hosts-plain", "by-hand"),
            ("hosts-unlinked", "unlinked"),
            ("loop", "by-hand"),
            ("notes.txt", "by-hand"),
        ]
    );
    let run = place.cbox(&["status"]).run().ok();
    assert!(
        !run.stdout.contains('\u{7}') && !run.stderr.contains('\u{7}'),
        "{run}"
    );
    insta::assert_snapshot!(without_revision(&place, &run.stdout), @r"
    TARGET          SIZE  CLOSURE  BUILT    REVISION  STATE
    bell\u{7}       -     -        -        -         by-hand
    elsewhere       -     -        -        -         by-hand
    folder          -     -        -        -         by-hand
    hosts/box       -     120 B    2 d ago  <......>   current
    hosts-broken    -     120 B    -        -         broken, no root
    hosts-changed   -     -        -        -         dangling
    hosts/gone      -     -        2 d ago  <......>   dangling
    hosts-newer     -     120 B    -        -         newer, no root
    hosts-plain     -     120 B    -        -         by-hand, no root
    hosts/unlinked  -     -        2 d ago  <......>   unlinked
    loop            -     -        -        -         by-hand
    notes.txt       -     -        -        -         by-hand
    12 links: images 0 B, closures together 120 B
    ");
    insta::assert_snapshot!(run.stderr, @r"
    out/bell\u{7}: cbox did not make it
    out/elsewhere: it does not point to what its manifest names: it was changed by hand
    out/folder: cbox did not make it
    out/hosts-broken: its manifest cannot be read: EOF while parsing an object at line 1 column 1
    out/hosts-changed: its store path is gone; it does not point to what its manifest names: it was changed by hand
    out/hosts-gone: its store path is gone; build it again, or remove it with `cbox clean`
    out/hosts-newer: a newer cbox wrote its manifest (schema 999, and this one knows 2)
    out/hosts-plain: there is no manifest beside it: cbox did not make it, or was killed before it wrote one
    out/hosts-unlinked: the link is gone and its records are left; `cbox clean` removes them
    out/loop: there is no manifest beside it: cbox did not make it, or was killed before it wrote one
    out/notes.txt: cbox did not make it
    ");
}

#[test]
fn a_link_that_was_moved_is_no_root_and_said_so() {
    let place = built();
    fs::rename(place.path("out"), place.beside("moved")).unwrap();
    let moved = ["--out-dir", "../moved"];
    let [link] = &links(&place, &moved)[..] else {
        panic!()
    };
    assert_eq!(
        [&link["state"], &link["gcRoot"]],
        [&json!("current"), &json!(false)]
    );
    let run = place.cbox(&[&["status"], &moved[..]].concat()).run().ok();
    assert!(run.stdout.contains("current, no root"), "{run}");
    run.says(&["../moved/hosts-box: it is not a GC root"]);
    place.ask(&[&["build", "hosts/box"], &moved[..]].concat());
    assert_eq!(links(&place, &moved)[0]["gcRoot"], true);
}

#[test]
fn a_folder_that_was_named_can_hold_other_things() {
    let place = built();
    place.ask(&["build", "hosts/box", "--out-dir", "."]);
    let names: Vec<Value> = links(&place, &["--out-dir", "."])
        .into_iter()
        .map(|link| link["target"].clone())
        .collect();
    assert_eq!(names, ["hosts/box"]);
}

#[test]
fn nix_is_asked_once_for_all_links_and_evaluates_nothing() {
    let place = Place::flake(&tiny::scripts(&[
        ("a", "echo a >$out"),
        ("b", "echo b >$out"),
    ]));
    place.ask(&["build", "hosts/a", "hosts/b"]);
    let log = place.log_nix();
    assert_eq!(links(&place, &[]).len(), 2);
    let calls = log.take();
    assert_eq!(count(&calls, " path-info "), 1, "{calls:?}");
    for word in [" eval ", " build ", " daemon "] {
        assert_eq!(count(&calls, word), 0, "{calls:?}");
    }
}

#[test]
fn without_nix_what_can_be_seen_is_shown() {
    let place = built();
    let few = place.path_with_only(&["git"]);
    let run = place
        .cbox(&["status", "--json"])
        .env("PATH", &few)
        .run()
        .ok();
    let run = run.says(&[
        "warning: cannot find out what the links need",
        "`nix` is not on the PATH",
    ]);
    let link = run.json()["links"][0].clone();
    assert_eq!(link["state"], "current", "{run}");
    assert_eq!(link["closureSize"], Value::Null, "{run}");
}

#[test]
fn a_store_that_does_not_answer_leaves_things_unknown() {
    let place = built();
    let store = "unix:///no/such/socket?state=/no/such/state";
    let store = ["status", "--store", store];
    let run = place.cbox(&store).run().ok();
    assert!(run.stdout.contains("  current"), "{run}");
    run.says(&[
        "cannot find out what the links need",
        "cannot see from here which links are roots",
    ]);
}

#[test]
fn a_tree_that_cannot_be_staged_leaves_links_uncompared() {
    let place = built();
    let mut image = vec![0; 0x8000];
    image.extend(b"\x01CD001\x01");
    place.write("disk", image);
    let run = place.cbox(&["status", "--json"]).run().ok();
    let run = run.says(&["cannot tell whether links are current"]);
    assert_eq!(run.json()["links"][0]["state"], "built", "{run}");
}

#[test]
fn targets_can_be_named() {
    let place = Place::flake(&tiny::scripts(&[
        ("a", "echo a >$out"),
        ("b", "echo b >$out"),
    ]));
    place.ask(&["build", "hosts/a", "hosts/b"]);
    place.write("hosts/c/default.nix", "{ }");
    assert_eq!(links(&place, &["hosts/b"])[0]["target"], "hosts/b");
    assert_eq!(links(&place, &["hosts/b"]).len(), 1);
    fails(
        &place,
        &["status", "hosts/aa"],
        2,
        &["hosts/aa", "did you mean `hosts/a`"],
    );
    fails(
        &place,
        &["status", "hosts/c"],
        9,
        &["hosts/c is not built", "`cbox build hosts/c`"],
    );
    // With a cbox.toml the folders say which hosts there are.
    place.write("cbox.toml", "");
    fails(&place, &["status", "a"], 2, &["`a` is not a target"]);
}

#[test]
fn nothing_built_is_nothing_to_show() {
    let place = Place::flake(&tiny::scripts(&[("a", "echo a >$out")]));
    let run = place.cbox(&["status"]).run().ok();
    assert_eq!(run.stdout, "", "{run}");
    run.says(&["nothing is linked in out"]);
    place.write("out", "a file\n");
    fails(&place, &["status"], 10, &["cannot list", "/out"]);
}

#[test]
fn what_was_forced_on_a_build_keeps_it_from_being_current() {
    let place = Place::minibox();
    for option in [&["--set", "networking.hostName=other"][..], &["--stamp"]] {
        place.ask(&[&["appliance", "iso"], option].concat());
        assert_eq!(state(&place), "forced", "{option:?}");
    }
    place.write("notes.txt", "a note\n");
    assert_eq!(state(&place), "stale");
    fs::remove_file(place.path("notes.txt")).unwrap();
    place.ask(&["appliance", "iso"]);
    assert_eq!(state(&place), "current");
}
